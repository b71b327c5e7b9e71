/* The store while the disk refuses: what has happened waits, what was asked for is given up,
 * nothing uncommitted has a number, and the reserve is there for a full disk. */
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/store/fault.h"
#include "daemon/store/reserve.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"

#ifdef BANGER_FAULTS

static char dir[64], path[96];
static struct loop *loop;
static struct store *store;
static struct timer deadline;
static enum store_state wanted;

struct waited {
    int calls, order;
    struct err err;
};

static int n_done; /* of all */

static void on_late(void *arg)
{
    (void)arg;
    CHECK(!"nothing came in time");
    loop_stop(loop);
}

static void on_done(void *arg, const struct err *err)
{
    struct waited *w = arg;
    w->calls++;
    w->order = ++n_done;
    w->err = err ? *err : (struct err)ERR_INIT;
    loop_stop(loop);
}

static void on_health(void *arg)
{
    (void)arg;
    if (store_health(store)->state == wanted)
        loop_stop(loop);
}

static void run(void)
{
    timer_start(&deadline, 20000);
    CHECK_INT(loop_run(loop, NULL), 0);
    timer_stop(&deadline);
}

static void wait_done(struct waited *w)
{
    while (w->calls == 0 && check_failures == 0)
        run();
    CHECK_INT(w->calls, 1);
}

static void wait_state(enum store_state state)
{
    wanted = state;
    while (store_health(store)->state != state && check_failures == 0)
        run();
}

static void faults(const char *rules)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set(rules, &err), 0);
    CHECK_STR(err.message, "");
}

static void open_store(void)
{
    struct err err = ERR_INIT;
    n_done = 0;
    store = store_open(loop, path, &err);
    CHECK_STR(err.message, "");
    if (!store)
        exit(1);
    store_on_health(store, on_health, NULL);
}

static struct store_txn *kernel_txn(const char *id)
{
    static int64_t created_ns;
    struct kernel kernel = {.created_ns = ++created_ns}; /* read back in this order */
    struct store_txn *txn = store_txn_new();
    snprintf(kernel.id, sizeof(kernel.id), "%s", id);
    snprintf(kernel.name, sizeof(kernel.name), "k-%s", id);
    store_put_kernel(txn, &kernel);
    return txn;
}

static int collect_ids(void *arg, const struct kernel *kernel)
{
    char *ids = arg;
    snprintf(ids + strlen(ids), 256 - strlen(ids), "%s ", kernel->id);
    return 0;
}

static void check_kernels(const char *want)
{
    char ids[256] = "";
    CHECK_INT(store_load_kernels(store, collect_ids, ids, NULL), 0);
    CHECK_STR(ids, want);
}

/* Every code of a disk in trouble, at each place: what has happened is written once, in order, as
 * soon as the disk lets it. */
static void test_facts_wait_for_the_disk(void)
{
    static const char *const troubles[] = {"commit=full",  "commit=busy",  "begin=busy",
                                           "begin=ioerr",  "kernels=full", "kernels=ioerr",
                                           "any=readonly", "commit=nomem"};
    char ids[256] = "";
    open_store();
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        struct waited a = {.calls = 0}, b = {.calls = 0};
        char one[8], two[8];
        snprintf(one, sizeof(one), "a%zu", i);
        snprintf(two, sizeof(two), "b%zu", i);
        faults(troubles[i]);
        store_commit(store, kernel_txn(one), on_done, &a);
        wait_state(STORE_RETRYING);
        store_commit(store, kernel_txn(two), on_done, &b);
        CHECK_INT(a.calls + b.calls, 0);
        CHECK(store_health(store)->err.code != ERR_NONE);
        CHECK(store_fault_struck() > 0);
        check_kernels(ids);
        faults(NULL);
        wait_done(&a);
        wait_done(&b);
        CHECK_INT(a.err.code, ERR_NONE);
        CHECK_INT(b.err.code, ERR_NONE);
        CHECK_INT(b.order, a.order + 1);
        CHECK_INT(store_health(store)->state, STORE_WRITABLE);
        snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s %s ", one, two);
    }
    store_close(store);
    open_store();
    check_kernels(ids);
    store_close(store);
    unlink(path);
}

/* Whose commit it has met makes no difference: who asks meanwhile is let in, and waits. */
static void test_a_short_trouble_refuses_nobody(void)
{
    struct waited first = {.calls = 0}, meanwhile = {.calls = 0};
    struct err err = ERR_INIT;
    open_store();
    faults("commit=busy@1*3");
    store_commit(store, kernel_txn("first"), on_done, &first);
    wait_state(STORE_RETRYING);
    CHECK_INT(store_check_writable(store, NULL), -1);
    CHECK_INT(store_check_admits(store, &err), 0);
    store_propose(store, kernel_txn("meanwhile"), on_done, &meanwhile);
    wait_done(&first);
    wait_done(&meanwhile);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_INT(meanwhile.err.code, ERR_NONE);
    faults(NULL);
    store_close(store);
    unlink(path);
}

static void test_proposals_are_given_up(void)
{
    struct waited fact = {.calls = 0}, early = {.calls = 0}, late = {.calls = 0};
    open_store();
    faults("begin=busy");
    store_propose(store, kernel_txn("early"), on_done, &early);
    store_commit(store, kernel_txn("fact"), on_done, &fact);
    wait_done(&early);
    CHECK_INT(early.err.code, ERR_UNAVAILABLE);
    CHECK_STR(early.err.reason, "STORE_UNAVAILABLE");
    CHECK(err_retryable(&early.err));
    CHECK_INT(store_check_admits(store, NULL), -1); /* it is a long one by now */
    store_propose(store, kernel_txn("late"), on_done, &late);
    CHECK_INT(late.calls, 0); /* never from inside */
    wait_done(&late);
    CHECK_STR(late.err.reason, "STORE_UNAVAILABLE");
    CHECK_INT(fact.calls, 0);
    faults(NULL);
    wait_done(&fact);
    CHECK_INT(fact.err.code, ERR_NONE);
    check_kernels("fact ");
    /* With nobody left who waits, it leaves the state all the same. */
    struct waited alone = {.calls = 0};
    faults("begin=busy");
    store_propose(store, kernel_txn("alone"), on_done, &alone);
    wait_done(&alone);
    CHECK_INT(store_health(store)->state, STORE_RETRYING);
    faults(NULL);
    wait_state(STORE_WRITABLE);
    store_close(store);
    unlink(path);
}

static void test_a_short_trouble_fails_nobody(void)
{
    struct waited w = {.calls = 0};
    open_store();
    faults("commit=busy*2");
    store_propose(store, kernel_txn("one"), on_done, &w);
    wait_done(&w);
    CHECK_INT(w.err.code, ERR_NONE);
    CHECK_INT(store_fault_struck(), 2);
    check_kernels("one ");
    store_close(store);
    unlink(path);
}

/* Numbers of events: only what is on disk has one. */

static uint64_t seqs[16];
static size_t n_seqs;

static void on_event(void *arg, const struct event *event)
{
    (void)arg;
    CHECK_INT(n_done, (int)n_seqs); /* before its transaction's done() */
    seqs[n_seqs++] = event->seq;
}

static struct store_txn *event_txn(const char *vm_id, const char *name)
{
    struct vm vm = {.generation = 1};
    struct event event = {.kind = "vm.state"};
    struct store_txn *txn = store_txn_new();
    snprintf(vm.id, sizeof(vm.id), "%s", vm_id);
    snprintf(vm.name, sizeof(vm.name), "%s", name);
    store_add_event(txn, &event);
    store_put_vm(txn, &vm);
    return txn;
}

static void test_events_are_numbered_as_they_are_committed(void)
{
    struct waited first = {.calls = 0}, refused = {.calls = 0}, second = {.calls = 0};
    open_store();
    n_seqs = 0;
    store_on_event(store, on_event, NULL);
    faults("commit=full@1*2,vms=busy@2*1");
    store_commit(store, event_txn("1", "box"), on_done, &first);
    wait_done(&first);
    store_commit(store, event_txn("2", "box"), on_done, &refused); /* the name is taken */
    wait_done(&refused);
    CHECK_INT(refused.err.code, ERR_EXISTS);
    n_done = 1;
    store_commit(store, event_txn("3", "other"), on_done, &second);
    wait_done(&second);
    CHECK_INT(n_seqs, 2);
    CHECK_INT(seqs[0], 1);
    CHECK_INT(seqs[1], 2);
    CHECK_INT(store_last_seq(store), 2);
    store_close(store);
    open_store();
    CHECK_INT(store_last_seq(store), 2);
    store_close(store);
    faults(NULL);
    unlink(path);
}

static int hook_order;

static void on_hook(void *arg, const struct err *err)
{
    int *at = arg;
    CHECK_INT(n_done, 0);
    CHECK(err == NULL || err->code == ERR_EXISTS);
    *at = ++hook_order;
}

static void test_hooks_come_before_done(void)
{
    int one = 0, two = 0, three = 0;
    struct waited w = {.calls = 0}, again = {.calls = 0};
    open_store();
    struct store_txn *txn = event_txn("1", "box");
    store_on_commit(txn, on_hook, &one);
    store_on_commit(txn, on_hook, &two);
    store_commit(store, txn, on_done, &w);
    CHECK_INT(one, 0);
    wait_done(&w);
    CHECK_INT(one, 1);
    CHECK_INT(two, 2);
    n_done = 0;
    txn = event_txn("2", "box");
    store_on_commit(txn, on_hook, &three);
    store_commit(store, txn, on_done, &again);
    wait_done(&again);
    CHECK_INT(three, 3);
    CHECK_INT(again.err.code, ERR_EXISTS);
    store_close(store);
    unlink(path);
}

static void test_a_broken_database_is_not_written(void)
{
    struct waited a = {.calls = 0}, b = {.calls = 0};
    struct err err = ERR_INIT;
    open_store();
    faults("commit=corrupt*1");
    store_commit(store, kernel_txn("a"), on_done, &a);
    wait_done(&a);
    CHECK_INT(a.err.code, ERR_DATA_LOSS);
    CHECK_INT(store_health(store)->state, STORE_BROKEN);
    CHECK_INT(store_check_writable(store, &err), -1);
    CHECK_STR(err.reason, "STORE_BROKEN");
    store_commit(store, kernel_txn("b"), on_done, &b);
    wait_done(&b);
    CHECK_INT(b.err.code, ERR_DATA_LOSS);
    store_close(store);
    open_store();
    check_kernels("");
    store_close(store);
    unlink(path);
}

static bool reserve_is_there(void)
{
    char reserve[128];
    struct stat st;
    snprintf(reserve, sizeof(reserve), "%s-reserve", path);
    return stat(reserve, &st) == 0 && st.st_blocks * INT64_C(512) >= RESERVE_BYTES;
}

static void test_a_full_disk_finds_the_reserve(void)
{
    struct waited w = {.calls = 0}, more = {.calls = 0};
    open_store();
    if (!reserve_is_there()) {
        fprintf(stderr, "no room for a reserve here\n");
        store_close(store);
        return;
    }
    faults("kernels=full*1");
    store_propose(store, kernel_txn("one"), on_done, &w);
    wait_done(&w);
    CHECK_INT(w.err.code, ERR_NONE);
    CHECK_INT(store_health(store)->state, STORE_WRITABLE);
    CHECK(!reserve_is_there());
    faults("kernels=full*1"); /* there is no second one: wait */
    store_commit(store, kernel_txn("two"), on_done, &more);
    wait_state(STORE_RETRYING);
    wait_done(&more);
    check_kernels("one two ");
    store_close(store);
    open_store();
    CHECK(reserve_is_there()); /* made again */
    store_close(store);
    unlink(path);
}

static void test_close_tells_what_was_not_written(void)
{
    struct waited fact = {.calls = 0}, kept = {.calls = 0};
    open_store();
    faults("begin=ioerr");
    store_commit(store, kernel_txn("lost"), on_done, &fact);
    store_close(store);
    CHECK_INT(fact.calls, 1);
    CHECK_INT(fact.err.code, ERR_UNAVAILABLE);
    faults(NULL);
    open_store();
    check_kernels("");
    faults("begin=ioerr*3");
    store_commit(store, kernel_txn("kept"), on_done, &kept);
    store_close(store);
    CHECK_INT(kept.err.code, ERR_NONE);
    faults(NULL);
    open_store();
    check_kernels("kept ");
    store_close(store);
    unlink(path);
}

static void test_nobody_else_writes_while_it_is_open(void)
{
    sqlite3 *db = NULL;
    open_store();
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3_close(db);
    store_close(store);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-trouble-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    log_set_level(LOG_LEVEL_ERROR + 1);
    loop = loop_new(NULL);
    timer_init(&deadline, loop, on_late, NULL);
    RUN(test_facts_wait_for_the_disk);
    RUN(test_a_short_trouble_refuses_nobody);
    RUN(test_proposals_are_given_up);
    RUN(test_a_short_trouble_fails_nobody);
    RUN(test_events_are_numbered_as_they_are_committed);
    RUN(test_hooks_come_before_done);
    RUN(test_a_broken_database_is_not_written);
    RUN(test_a_full_disk_finds_the_reserve);
    RUN(test_close_tells_what_was_not_written);
    RUN(test_nobody_else_writes_while_it_is_open);
    timer_done(&deadline);
    loop_free(loop);
    fs_remove_tree(dir, NULL);
    return check_end();
}

#else

int main(void)
{
    puts("skipped: built without BANGER_FAULTS");
    return 77;
}

#endif
