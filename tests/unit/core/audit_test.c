/* The audit log: order, batches, what a restart keeps, bounds, floods of calls that fail, reading.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/access/audit.h"
#include "daemon/core/core.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"

static char dir[64];
static struct core core;
static struct timer deadline;
static uint64_t want_seq;

static void on_late(void *arg)
{
    (void)arg;
    fprintf(stderr, "nothing came in time\n");
    check_failures++;
    loop_stop(core.loop);
}

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.closing = false};
    core.loop = loop_new(&err);
    timer_init(&deadline, core.loop, on_late, NULL);
    core.store = store_open(core.loop, path, &err);
    core.audit = audit_new(&core, &err);
    if (!core.audit)
        exit(1);
}

static void close_core(void)
{
    timer_done(&deadline);
    struct audit *audit = core.audit;
    core.audit = NULL;
    audit_free(audit);
    store_close(core.store);
    loop_free(core.loop);
}

static void on_more(void *arg)
{
    (void)arg;
    if (audit_last_seq(&core) >= want_seq)
        loop_stop(core.loop);
}

static void run(void)
{
    struct err err = ERR_INIT;
    timer_start(&deadline, 30000);
    loop_run(core.loop, &err);
    timer_stop(&deadline);
}

static void wait_written(uint64_t seq)
{
    struct audit_watch w;
    want_seq = seq;
    audit_watch(&core, &w, on_more, NULL);
    if (audit_last_seq(&core) < seq)
        run();
    audit_unwatch(&w);
    audit_unwatch(&w);
    CHECK(audit_last_seq(&core) >= seq);
}

static void add(const char *principal, const char *method, enum err_code code)
{
    struct audit_entry entry = {.role = 3, .code = (int)code, .operation_id = "0000000000000007"};
    snprintf(entry.principal, sizeof(entry.principal), "%s", principal);
    snprintf(entry.method, sizeof(entry.method), "%s", method);
    snprintf(entry.resource, sizeof(entry.resource), "vm/box");
    snprintf(entry.address, sizeof(entry.address), "192.0.2.7:1");
    audit_add(&core, &entry);
}

static void read_done(void *arg, const struct err *err)
{
    (void)arg;
    CHECK(!err);
    loop_stop(core.loop);
}

static struct audit_page page;

static void read_page(uint64_t after, const char *principal, const char *method)
{
    page = (struct audit_page){.after_seq = after};
    snprintf(page.principal, sizeof(page.principal), "%s", principal);
    snprintf(page.method, sizeof(page.method), "%s", method);
    audit_read(&core, &page, read_done, NULL);
    run();
}

static void test_written_and_kept(void)
{
    CHECK_INT(audit_last_seq(&core), 0);
    int64_t before = clock_real_ns();
    add("alice", "/banger.v1.VMService/CreateVM", ERR_NONE);
    add("bob", "/banger.v1.VMService/DeleteVM", ERR_NOT_FOUND);
    CHECK_INT(audit_last_seq(&core), 0); /* not before it is on disk */
    wait_written(2);
    read_page(0, "", "");
    CHECK_INT(page.n, 2);
    CHECK_INT(page.through_seq, 2);
    CHECK_STR(page.entries[0].principal, "alice");
    CHECK_STR(page.entries[0].method, "/banger.v1.VMService/CreateVM");
    CHECK_STR(page.entries[0].resource, "vm/box");
    CHECK_STR(page.entries[0].address, "192.0.2.7:1");
    CHECK_STR(page.entries[0].operation_id, "0000000000000007");
    CHECK_INT(page.entries[0].role, 3);
    CHECK(page.entries[0].time_ns >= before && page.entries[0].time_ns <= clock_real_ns());
    CHECK_INT(page.entries[1].seq, 2);
    CHECK_INT(page.entries[1].code, ERR_NOT_FOUND);
    /* What waits when the daemon ends is written; the numbers go on. */
    add("carol", "/banger.v1.VMService/StopVM", ERR_NONE);
    close_core();
    open_core();
    CHECK_INT(audit_last_seq(&core), 3);
    add("dave", "/banger.v1.VMService/StopVM", ERR_NONE);
    wait_written(4);
    read_page(2, "", "");
    CHECK_INT(page.n, 2);
    CHECK_STR(page.entries[0].principal, "carol");
    CHECK_STR(page.entries[1].principal, "dave");
}

static void test_filters(void)
{
    static const char *const same[] = {"/banger.v1.VMService/Stop", "banger.v1.VMService/Stop",
                                       "Stop"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        read_page(0, "", same[i]);
        CHECK_INT(page.n, 2);
        CHECK_INT(page.through_seq, 4);
    }
    read_page(0, "carol", "StopVM");
    CHECK_INT(page.n, 1);
    read_page(0, "nobody", "");
    CHECK_INT(page.n, 0);
    CHECK_INT(page.through_seq, 4);
    read_page(0, "", "topVM");
    CHECK_INT(page.n, 0);
    read_page(1000, "", "");
    CHECK_INT(page.n, 0);
}

/* More than a piece: read in several, none twice, none left out. */
static void test_pieces(void)
{
    enum { MANY = 3 * AUDIT_PAGE_MAX };
    uint64_t first = audit_last_seq(&core), at = first, n = 0;
    for (int i = 0; i < MANY; i++)
        add(i % 2 ? "odd" : "even", "/x/Y", ERR_NONE);
    wait_written(first + MANY);
    while (at < first + MANY) {
        read_page(at, "odd", "");
        for (size_t i = 0; i < page.n; i++)
            CHECK_INT(page.entries[i].seq, first + 2 * ++n);
        CHECK(page.through_seq > at);
        at = page.through_seq;
    }
    CHECK_INT(n, MANY / 2);
}

/* A flood of calls that fail takes a bounded part of the log, and its size is told; others are not
 * concerned. */
static void test_floods(void)
{
    enum { FLOOD = 5000 };
    uint64_t first = audit_last_seq(&core), told = 0;
    for (int i = 0; i < FLOOD; i++)
        add("eve", "/banger.v1.HostService/Shutdown",
            (int[]){ERR_DENIED, ERR_DEADLINE, ERR_PRECONDITION, ERR_INVALID}[i % 4]);
    add("alice", "/banger.v1.HostService/Shutdown", ERR_DENIED);
    wait_written(first + AUDIT_FAILED_BURST + 1);
    /* The rest of the flood comes when the bucket has room for one. */
    while (audit_last_seq(&core) < first + AUDIT_FAILED_BURST + 2)
        wait_written(audit_last_seq(&core) + 1);
    read_page(first, "eve", "");
    CHECK(page.n > AUDIT_FAILED_BURST && page.n < AUDIT_FAILED_BURST + 20);
    for (size_t i = 0; i < page.n; i++)
        told += 1 + page.entries[i].suppressed;
    CHECK_INT(told, FLOOD);
    read_page(first, "alice", "");
    CHECK_INT(page.n, 1);
    CHECK_INT(page.entries[0].suppressed, 0);
}

/* The oldest go, the numbers stay. */
static void test_bounded(void)
{
    uint64_t last = audit_last_seq(&core);
    uint64_t want = AUDIT_KEPT + 5000;
    while (last < want) {
        for (int i = 0; i < 4096; i++)
            add("many", "/x/Y", ERR_NONE);
        last += 4096;
        wait_written(last);
    }
    read_page(0, "", "");
    CHECK(page.n > 0 && page.entries[0].seq > 1);
    CHECK(last - page.entries[0].seq >= AUDIT_KEPT - 1);
    CHECK(last - page.entries[0].seq <= AUDIT_KEPT + 8192);
    close_core();
    open_core();
    CHECK_INT(audit_last_seq(&core), last);
}

#ifdef BANGER_FAULTS

static void fault(const char *rules)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set(rules, &err), 0);
}

/* Full, then locked, then slow: all of it arrives, in order, and nothing is lost. */
static void test_a_disk_that_refuses_for_a_while_loses_nothing(void)
{
    static const char *const troubles[] = {"audit=full*3", "begin=busy*2", "commit=ioerr*2",
                                           "audit=delay:300*1"};
    uint64_t first = audit_last_seq(&core), n = 0;
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        fault(troubles[i]);
        for (int k = 0; k < 600; k++) /* more than one flush */
            add("hope", "/x/Y", ERR_NONE);
        n += 600;
        wait_written(first + n);
        CHECK(store_fault_struck() > 0);
    }
    fault(NULL);
    uint64_t at = first, seen = 0;
    while (at < first + n) {
        read_page(at, "hope", "");
        for (size_t i = 0; i < page.n; i++)
            CHECK_INT(page.entries[i].seq, first + ++seen);
        at = page.through_seq;
    }
    CHECK_INT(seen, n);
    CHECK_INT(audit_lost(&core), 0);
}

static void test_what_is_on_disk_is_read_while_it_refuses(void)
{
    uint64_t last = audit_last_seq(&core) + 1;
    add("alice", "/x/Y", ERR_NONE);
    wait_written(last);
    fault("begin=busy");
    add("bob", "/x/Y", ERR_NONE);
    audit_flush(&core);
    read_page(last - 1, "", "");
    CHECK_INT(page.n, 1);
    CHECK_STR(page.entries[0].principal, "alice");
    fault(NULL);
    wait_written(last + 1);
    read_page(last - 1, "", "");
    CHECK_INT(page.n, 2);
}

/* Rows that the store will never take: counted, and what comes next is not held up. */
static void test_what_is_refused_for_good_is_counted(void)
{
    uint64_t first = audit_last_seq(&core);
    fault("audit=constraint*1");
    for (int i = 0; i < 3; i++)
        add("gone", "/x/Y", ERR_NONE);
    wait_written(first + 3);
    fault(NULL);
    CHECK_INT(audit_lost(&core), 3);
    add("next", "/x/Y", ERR_NONE);
    wait_written(first + 4);
    read_page(first, "", "");
    CHECK_INT(page.n, 1);
    CHECK_INT(page.entries[0].seq, first + 4); /* the gap shows it */
}

/* More than may wait: the oldest are kept, the rest is counted. */
static void test_too_many_for_a_disk_that_refuses(void)
{
    uint64_t first = audit_last_seq(&core), before = audit_lost(&core);
    fault("audit=full");
    for (int i = 0; i < AUDIT_UNWRITTEN_MAX + 50; i++)
        add("much", "/x/Y", ERR_NONE);
    CHECK_INT(audit_lost(&core) - before, 50);
    fault(NULL);
    wait_written(first + AUDIT_UNWRITTEN_MAX);
    read_page(first, "", "");
    CHECK_INT(page.entries[0].seq, first + 1);
    CHECK_INT(audit_lost(&core) - before, 50);
}

#endif

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-audit.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    open_core();
    RUN(test_written_and_kept);
    RUN(test_filters);
    RUN(test_pieces);
    RUN(test_floods);
#ifdef BANGER_FAULTS
    RUN(test_a_disk_that_refuses_for_a_while_loses_nothing);
    RUN(test_what_is_on_disk_is_read_while_it_refuses);
    RUN(test_what_is_refused_for_good_is_counted);
    RUN(test_too_many_for_a_disk_that_refuses);
#endif
    RUN(test_bounded);
    close_core();
    struct err err = ERR_INIT;
    fs_remove_tree(dir, &err);
    return check_end();
}
