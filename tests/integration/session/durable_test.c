/* What is told of a session is on disk: ends, starts, deletions and writers' numbers while the
 * store is locked, refuses, or the daemon goes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/session/attach.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

/* The store cannot write from now on. */
static void lock_store(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set("begin=busy", &err), 0);
}

static void unlock_store(void)
{
    CHECK_INT(store_fault_set(NULL, NULL), 0);
}

static void nudge(void *arg, struct session_entry *e)
{
    (void)arg, (void)e;
    world_poke();
}

static bool ended_in_memory(void *arg)
{
    const struct session_entry *e = arg;
    return session_is_terminal(session_record(e)->state) && session_record(e)->stdout_ended;
}

static bool is_writable(void *arg)
{
    (void)arg;
    return store_health(world.core.store)->state == STORE_WRITABLE;
}

static void on_health(void *arg)
{
    (void)arg;
    world_poke();
}

/* A session that ends with 7 at the end of its stdin, and its writer. */
struct scene {
    struct session_entry *e;
    struct viewer v;
    struct session_watch w;
};

static void scene_open(struct scene *s)
{
    struct err err = ERR_INIT;
    struct session more = {.spec.stdin_mode = SESSION_STDIN_PIPE};
    struct attach_options o = from_start;
    o.role = ATTACH_WRITER;
    *s = (struct scene){.v = {.not_source = true}};
    s->e = world_start("cat; exit 7", &more, &err);
    viewer_open(&s->v, s->e, &o);
    CHECK(world_run(viewer_is_opened, &s->v));
    session_watch(s->e, &s->w, nudge, NULL);
}

/* The agent tells of the end, and nothing of it can be written. */
static void scene_end_unwritten(struct scene *s)
{
    struct err err = ERR_INIT;
    lock_store();
    CHECK_INT(attach_stdin_eof(s->v.attach, &err), 0);
    CHECK(world_run(ended_in_memory, s->e));
    CHECK_INT(session_shown(s->e)->state, SESSION_RUNNING);
    CHECK_INT(s->v.n_exit, 0);
}

static void scene_close(struct scene *s)
{
    session_unwatch(&s->w);
    viewer_close(&s->v);
}

static void test_an_end_is_told_when_it_is_on_disk(void)
{
    struct scene s;
    world_open_daemon(-1);
    scene_open(&s);
    scene_end_unwritten(&s);
    unlock_store();
    CHECK(viewer_finish_exit(&s.v));
    CHECK_INT(session_shown(s.e)->state, SESSION_EXITED);
    CHECK_INT(session_shown(s.e)->exit_code, 7);
    scene_close(&s);
    world_delete_all();
    world_close_daemon();
}

/* The store stays locked, the VM stops, the daemon goes: LOST, and nobody has heard otherwise. */
static void test_an_end_that_was_never_written_was_never_told(void)
{
    struct scene s;
    char id[ID_BYTES];
    world_open_daemon(-1);
    scene_open(&s);
    snprintf(id, sizeof(id), "%s", session_record(s.e)->id);
    scene_end_unwritten(&s);
    world_close_link();
    world_vm_gone("vm_stopped");
    CHECK_INT(session_shown(s.e)->state, SESSION_RUNNING);
    CHECK_INT(s.v.n_exit + s.v.n_lost, 0);
    scene_close(&s);
    world_close_daemon();
    unlock_store();
    world.vm.vm.runtime.state = VM_STOPPED;
    world_open_daemon(-1);
    struct session_entry *e = session_find_id(&world.core, id);
    CHECK(e && session_record(e)->state == SESSION_LOST);
    world.vm.vm.runtime.state = VM_RUNNING;
    world_delete_all();
    world_close_daemon();
}

static void test_who_waits_for_an_end_is_answered_within_seconds(void)
{
    struct scene s;
    struct viewer later = {.not_source = true};
    world_open_daemon(-1);
    scene_open(&s);
    int64_t begin_ms = clock_mono_ms();
    scene_end_unwritten(&s);
    CHECK(world_run(viewer_is_over, &s.v));
    CHECK_INT(s.v.n_failed, 1);
    CHECK_INT(s.v.error.code, ERR_UNAVAILABLE);
    CHECK_STR(s.v.error.reason, "STORE_UNAVAILABLE");
    CHECK(clock_mono_ms() - begin_ms < 8000);
    struct err err = ERR_INIT;
    CHECK_INT(session_check_end(s.e, &err), -1);
    unlock_store();
    viewer_close(&s.v);
    CHECK(world_wait_ended(s.e));
    viewer_open(&later, s.e, &from_start);
    CHECK(viewer_finish_exit(&later));
    viewer_close(&later);
    scene_close(&s);
    world_delete_all();
    world_close_daemon();
}

struct answer {
    bool done;
    struct session_entry *e;
    struct err err;
};

static void on_started(void *arg, struct session_entry *e, const struct err *err)
{
    struct answer *a = arg;
    *a = (struct answer){.done = true, .e = e};
    if (err)
        a->err = *err;
    world_poke();
}

static void on_done(void *arg, const struct err *err)
{
    on_started(arg, NULL, err);
}

static bool is_answered(void *arg)
{
    return ((struct answer *)arg)->done;
}

static bool is_listed(void *arg)
{
    return session_shown(arg) && session_shown(arg)->state == SESSION_RUNNING;
}

static bool is_stored(void *arg)
{
    return ((struct session_entry *)arg)->stored;
}

static bool nothing_is_listed(void *arg)
{
    (void)arg;
    return session_next(&world.core, NULL) == NULL;
}

static void test_a_start_that_cannot_be_written_starts_nothing(void)
{
    struct err err = ERR_INIT;
    struct request_meta meta = {.request_id = "r-1", .digest = "sha256:1", .principal = "unix:0"};
    struct answer first = {0}, second = {0};
    char script[200];
    world_open_daemon(-1);
    snprintf(script, sizeof(script), "echo x >>%s/ran", world.agent.dir);
    lock_store();
    int64_t begin_ms = clock_mono_ms();
    CHECK_INT(world_start_async(script, NULL, &meta, on_started, &first, &err), 0);
    const struct session_entry *e = session_next(&world.core, NULL);
    CHECK(e && !session_shown(e));
    CHECK(!session_find(&world.core, NULL, session_record(e)->id, &err));
    CHECK(world_run(is_answered, &first));
    CHECK(clock_mono_ms() - begin_ms < 8000);
    CHECK_INT(first.err.code, ERR_UNAVAILABLE);
    CHECK_STR(first.err.reason, "STORE_UNAVAILABLE");
    CHECK(session_next(&world.core, NULL) == NULL);
    store_on_health(world.core.store, on_health, NULL);
    unlock_store();
    CHECK(world_run(is_writable, NULL)); /* by itself: nothing waits to be written */
    CHECK_INT(world_start_async(script, NULL, &meta, on_started, &second, &err), 0);
    CHECK(world_run(is_answered, &second));
    if (CHECK(second.e != NULL))
        CHECK(world_wait_ended(second.e));
    char path[100], text[8] = "";
    snprintf(path, sizeof(path), "%s/ran", world.agent.dir);
    FILE *f = fopen(path, "re");
    if (CHECK(f != NULL)) {
        CHECK_INT(fread(text, 1, sizeof(text), f), 2);
        fclose(f);
    }
    remove(path);
    world_delete_all();
    world_close_daemon();
}

/* The guest has answered: it is the disk that does not. */
static void test_a_session_that_runs_is_not_taken_back_for_a_slow_disk(void)
{
    struct err err = ERR_INIT;
    struct answer a = {0};
    char argv[] = "sleep\000600";
    struct session spec = {.spec.argv = {(uint8_t *)argv, sizeof(argv)}};
    world_open_daemon(-1);
    CHECK_INT(store_fault_set("commit=delay:4000@2*1", &err), 0);
    CHECK_INT(session_start(&world.core, &world.vm, &spec, NULL, clock_mono_ms() + 2500, on_started,
                            &a, NULL, &err),
              0);
    CHECK(world_run(is_answered, &a));
    CHECK_INT(a.err.code, ERR_UNAVAILABLE);
    CHECK_STR(a.err.reason, "STORE_UNAVAILABLE");
    struct session_entry *e = session_ref(session_next(&world.core, NULL));
    CHECK(!e->withdrawn);
    CHECK(world_await(is_listed, e));
    session_unref(e);
    unlock_store();
    world_delete_all();
    world_close_daemon();
}

/* Whether it has been deleted is known when that is on disk. */
static void test_who_asks_for_a_start_that_is_being_taken_back_asks_again(void)
{
    struct err err = ERR_INIT;
    struct request_meta meta = {.request_id = "r-2", .digest = "sha256:2", .principal = "unix:0"};
    char argv[] = "sleep\000600";
    struct session spec = {.spec.argv = {(uint8_t *)argv, sizeof(argv)}};
    struct session_starter *starter = NULL;
    struct answer a = {0};
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    CHECK_INT(session_start(&world.core, &world.vm, &spec, &meta, INT64_MAX, on_started, &a,
                            &starter, &err),
              0);
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK(world_await(is_stored, e));
    lock_store();
    session_start_leave(starter, false);
    CHECK_INT(
        session_start(&world.core, &world.vm, &spec, &meta, INT64_MAX, on_started, &a, NULL, &err),
        -1);
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    unlock_store();
    agent_signal_both(world.agent.pid, SIGCONT);
    CHECK(world_await(nothing_is_listed, NULL));
    CHECK_INT(
        session_start(&world.core, &world.vm, &spec, &meta, INT64_MAX, on_started, &a, NULL, &err),
        -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    world_close_daemon();
}

/* A start that was given up is not asked for, but has happened: that goes to the disk in the end.
 */
static void test_a_start_is_taken_back_however_long_the_disk_takes(void)
{
    struct err err = ERR_INIT;
    char argv[] = "sleep\000600";
    struct session spec = {.spec.argv = {(uint8_t *)argv, sizeof(argv)}};
    struct session_starter *starter = NULL;
    struct answer a = {0}, other = {0};
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    CHECK_INT(session_start(&world.core, &world.vm, &spec, NULL, INT64_MAX, on_started, &a,
                            &starter, &err),
              0);
    CHECK(world_await(is_stored, session_next(&world.core, NULL)));
    lock_store();
    session_start_leave(starter, false);
    CHECK_INT(world_start_async("exit 0", NULL, NULL, on_started, &other, &err), 0);
    CHECK(world_run(is_answered, &other));
    CHECK_STR(other.err.reason, "STORE_UNAVAILABLE"); /* what is asked for has been given up */
    CHECK(session_next(&world.core, NULL) != NULL);
    int64_t begin_ms = clock_mono_ms();
    unlock_store();
    CHECK(world_await(nothing_is_listed, NULL));
    CHECK(clock_mono_ms() - begin_ms <
          SESSION_CLAIM_MS / 2); /* it waited, and was not begun anew */
    agent_signal_both(world.agent.pid, SIGCONT);
    world_close_daemon();
}

static void test_a_deletion_that_cannot_be_written_deletes_nothing(void)
{
    struct scene s;
    struct err err = ERR_INIT;
    struct answer a = {0};
    world_open_daemon(-1);
    scene_open(&s);
    lock_store();
    CHECK_INT(session_delete(s.e, true, on_done, &a, &err), 0);
    CHECK(!session_is_removed(s.e));
    CHECK(world_run(is_answered, &a));
    CHECK_INT(a.err.code, ERR_UNAVAILABLE);
    CHECK(!session_is_removed(s.e) && s.v.n_lost == 0);
    unlock_store();
    CHECK_INT(attach_stdin_eof(s.v.attach, &err), 0); /* it lives, and its end is written */
    CHECK(viewer_finish_exit(&s.v));
    scene_close(&s);
    world_delete(s.e, false);
    CHECK(session_next(&world.core, NULL) == NULL);
    world_close_daemon();
}

static void restart(struct session_entry **e)
{
    char id[ID_BYTES];
    snprintf(id, sizeof(id), "%s", session_record((*e))->id);
    world_close_daemon();
    world_open_daemon(-1);
    *e = session_find_id(&world.core, id);
    CHECK(*e != NULL);
}

static bool size_is_on_disk(void *arg)
{
    const struct session *s = session_shown(arg);
    return s->spec.rows == 50 && s->spec.columns == 132;
}

/* Numbers of writers are never given again, and a terminal keeps its size. */
static void test_writers_and_sizes_survive_the_daemon(void)
{
    struct err err = ERR_INIT;
    struct session more = {.spec.tty = true, .spec.rows = 24, .spec.columns = 80};
    struct attach_options o = from_start;
    struct session_watch w;
    uint64_t last = 0;
    o.role = ATTACH_TAKEOVER;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", &more, &err);
    for (int i = 0; i < 6; i++) {
        struct viewer v = {.not_source = true};
        viewer_open(&v, e, &o);
        CHECK(world_run(viewer_is_opened, &v));
        CHECK(v.opened.writer_generation > last);
        last = v.opened.writer_generation;
        CHECK_INT(session_writer_generation(e), last);
        if (i == 5) {
            session_watch(e, &w, nudge, NULL);
            CHECK_INT(attach_resize(v.attach, 50, 132, &err), 0);
            CHECK(world_run(size_is_on_disk, e));
            session_unwatch(&w);
        }
        viewer_close(&v);
        if (i % 2)
            restart(&e);
    }
    CHECK_INT(session_record(e)->spec.rows, 50);
    CHECK_INT(session_record(e)->spec.columns, 132);
    CHECK_INT(session_writer_generation(e), last);
    world_delete_all();
    world_close_daemon();
}

/* A daemon whose database does not list a session that the agent has. */
static void lose_row(const char *id)
{
    struct store_txn *txn = store_txn_new();
    store_delete_session(txn, id);
    world_close_link();
    commit_now(world.core.loop, world.core.store, txn);
    world_close_daemon();
}

static bool is_known(void *arg)
{
    return session_find_id(&world.core, arg) != NULL;
}

static void test_a_session_that_the_agent_tells_of_is_seen_when_it_is_on_disk(void)
{
    struct err err = ERR_INIT;
    struct session_watch w;
    char id[ID_BYTES];
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    snprintf(id, sizeof(id), "%s", session_record(e)->id);
    lose_row(id);
    lock_store();
    world_open_daemon(-1);
    CHECK(world_run(is_known, id));
    e = session_find_id(&world.core, id);
    if (CHECK(e != NULL)) {
        CHECK(session_shown(e) == NULL);
        CHECK(session_find(&world.core, NULL, id, &err) == NULL);
        session_watch(e, &w, nudge, NULL);
        unlock_store();
        CHECK(world_run(is_listed, e));
        CHECK(session_find(&world.core, NULL, id, &err) == e);
        session_unwatch(&w);
    }
    world_close_daemon();
    world_open_daemon(-1);
    CHECK(session_find(&world.core, NULL, id, &err) != NULL);
    world_delete_all();
    world_close_daemon();
}

/* As many events as the log keeps, and one. */
static void turn_over_the_event_log(void)
{
    struct store_txn *txn = store_txn_new();
    for (int i = 0; i <= EVENTS_KEPT; i++)
        event_emit(&world.core, txn, "host.store", "host", NULL, "WRITABLE", NULL);
    commit_now(world.core.loop, world.core.store, txn);
}

/* Deleted while its agent cannot be reached. */
static void delete_unreached(const struct session_entry *e, char id[ID_BYTES])
{
    snprintf(id, ID_BYTES, "%s", session_record(e)->id);
    world_close_link();
    world_delete(session_find_id(&world.core, id), true);
    turn_over_the_event_log();
    world_close_daemon();
}

static bool is_confirmed(void *arg)
{
    return world.deletions > *(const unsigned *)arg;
}

static int count_row(void *arg, const struct session_deletion *row)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

/* In the database that the daemon has left. */
static int count_deletions(void)
{
    struct err err = ERR_INIT;
    char path[128];
    int n = 0;
    snprintf(path, sizeof(path), "%s/banger.db", world.agent.dir);
    struct loop *loop = loop_new(&err);
    struct store *store = store_open(loop, path, &err);
    CHECK_INT(store_load_session_deletions(store, count_row, &n, &err), 0);
    store_close(store);
    loop_free(loop);
    return n;
}

static void test_a_deletion_that_no_agent_has_confirmed_is_not_forgotten(void)
{
    struct err err = ERR_INIT;
    char id[ID_BYTES];
    world_open_daemon(-1);
    delete_unreached(world_start("sleep 600", NULL, &err), id);
    CHECK_INT(count_deletions(), 1);
    unsigned before = world.deletions;
    world_open_daemon(-1);
    CHECK(session_find_id(&world.core, id) == NULL);
    CHECK(world_run(is_confirmed, &before));
    CHECK(session_find_id(&world.core, id) == NULL);
    world_close_daemon();
    CHECK_INT(count_deletions(), 0);
}

/* Nor longer than there is something to be deleted. */
static void test_a_deletion_is_forgotten_where_the_guest_has_nothing_of_it(void)
{
    struct err err = ERR_INIT;
    char id[ID_BYTES];
    world_open_daemon(-1);
    delete_unreached(world_start("sleep 600", NULL, &err), id);
    agent_process_restart(&world.agent);
    world_open_daemon(-1);
    world_close_daemon();
    CHECK_INT(count_deletions(), 0);
}

int main(void)
{
    world_begin();
    RUN(test_an_end_is_told_when_it_is_on_disk);
    RUN(test_an_end_that_was_never_written_was_never_told);
    RUN(test_who_waits_for_an_end_is_answered_within_seconds);
    RUN(test_a_start_that_cannot_be_written_starts_nothing);
    RUN(test_a_session_that_runs_is_not_taken_back_for_a_slow_disk);
    RUN(test_who_asks_for_a_start_that_is_being_taken_back_asks_again);
    RUN(test_a_start_is_taken_back_however_long_the_disk_takes);
    RUN(test_a_deletion_that_cannot_be_written_deletes_nothing);
    RUN(test_writers_and_sizes_survive_the_daemon);
    RUN(test_a_session_that_the_agent_tells_of_is_seen_when_it_is_on_disk);
    RUN(test_a_deletion_that_no_agent_has_confirmed_is_not_forgotten);
    RUN(test_a_deletion_is_forgotten_where_the_guest_has_nothing_of_it);
    world_end();
    return check_end();
}
