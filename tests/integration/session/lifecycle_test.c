/* Sessions from start to deletion, over restarts of daemon, agent and VM. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/core/operation/operation.h"
#include "daemon/store/store.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

static void test_exit_and_signal(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exit 42", NULL, &err);
    CHECK(e && world_wait_ended(e));
    CHECK_INT(session_record(e)->state, SESSION_EXITED);
    CHECK_INT(session_record(e)->exit_kind, SESSION_EXIT_CODE);
    CHECK_INT(session_record(e)->exit_code, 42);
    e = world_start("kill -USR1 $$; sleep 60", NULL, &err);
    CHECK(e && world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_kind, SESSION_EXIT_SIGNAL);
    CHECK_INT(session_record(e)->exit_signo, SIGUSR1);
    world_delete_all();
    world_close_daemon();
}

static void test_spawn_failure(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session more = {.spec.cwd = "/no/such/folder"};
    struct session_entry *e = world_start("true", &more, &err);
    CHECK(e != NULL);
    CHECK_INT(session_record(e)->state, SESSION_FAILED);
    CHECK_STR(session_record(e)->failed_stage, "cwd");
    struct viewer v = {0};
    viewer_open(&v, e, &from_start);
    CHECK(world_run(viewer_is_over, &v));
    CHECK_INT(v.n_lost, 1);
    CHECK_STR(v.reason, "failed");
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static bool has_output(void *arg)
{
    return ((struct viewer *)arg)->got[0] > 0;
}

static void test_stop_and_kill(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 60", NULL, &err);
    CHECK_INT(session_stop(e, 30000, &err), 0);
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_signo, SIGTERM);
    CHECK_INT(session_stop(e, 30000, &err), 0);
    CHECK_INT(session_signal(e, SIGHUP, 1, &err), -1);
    CHECK_STR(err.reason, "SESSION_ENDED");
    e = world_start("trap '' TERM; echo ready; while :; do sleep 1; done", NULL, &err);
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(world_run(has_output, &v));
    viewer_close(&v);
    CHECK_INT(session_stop(e, 50, &err), 0);
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_signo, SIGKILL);
    e = world_start("sleep 60", NULL, &err);
    CHECK_INT(session_kill(e, &err), 0);
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_signo, SIGKILL);
    world_delete_all();
    world_close_daemon();
}

static void never_started(void *arg, struct session_entry *e, const struct err *err)
{
    *(int *)arg = e ? (int)session_record(e)->state : -(int)err->code;
    world_poke();
}

static bool is_set(void *arg)
{
    return *(int *)arg != 0;
}

static void test_stop_before_start(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    int got = 0;
    CHECK_INT(world_start_async("sleep 60", NULL, NULL, never_started, &got, &err), 0);
    CHECK_INT(got, 0);
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK_INT(session_record(e)->state, SESSION_PENDING);
    CHECK_INT(session_kill(e, &err), 0);
    CHECK(world_run(is_set, &got));
    CHECK_INT(got, SESSION_FAILED);
    world_delete_all();
    world_close_daemon();
}

static void test_names_and_references(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session named = {.name = "web"};
    struct session_entry *a = world_start("exit 0", &named, &err);
    CHECK(a != NULL);
    CHECK(world_start("exit 0", &named, &err) == NULL);
    CHECK_STR(err.reason, "SESSION_NAME_TAKEN");
    CHECK(session_find(&world.core, NULL, "web", &err) == a);
    CHECK(session_find(&world.core, &world.vm, "web", &err) == a);
    char prefix[ID_BYTES];
    snprintf(prefix, sizeof(prefix), "%.10s", session_record(a)->id);
    CHECK(session_find(&world.core, NULL, prefix, &err) == a);
    CHECK(session_find(&world.core, NULL, "nobody", &err) == NULL);
    CHECK_STR(err.reason, "SESSION_NOT_FOUND");
    CHECK(session_find(&world.core, NULL, "../x", &err) == NULL);
    for (int i = 0; i < 33; i++) /* two of 33 share their first character */
        CHECK(world_start("exit 0", NULL, &err) != NULL);
    bool ambiguous = false;
    for (struct session_entry *e = NULL; (e = session_next(&world.core, e));) {
        snprintf(prefix, sizeof(prefix), "%.1s", session_record(e)->id);
        err_clear(&err);
        if (!session_find(&world.core, NULL, prefix, &err) &&
            strcmp(err.reason, "AMBIGUOUS_REFERENCE") == 0)
            ambiguous = true;
    }
    CHECK(ambiguous);
    world_delete_all();
    CHECK(session_next(&world.core, NULL) == NULL);
    world_close_daemon();
}

static void test_request_ids(void)
{
    struct err err = ERR_INIT;
    struct request_meta meta = {.request_id = "r-1", .digest = "sha256:1", .principal = "unix:0"};
    world_open_daemon(-1);
    int got = 0, again = 0;
    CHECK_INT(world_start_async("exit 3", NULL, &meta, never_started, &got, &err), 0);
    CHECK_INT(world_start_async("exit 3", NULL, &meta, never_started, &again, &err), 0);
    CHECK(world_run(is_set, &got) && world_run(is_set, &again));
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK(e && session_next(&world.core, e) == NULL);
    world_close_daemon();
    world_open_daemon(-1);
    again = 0;
    CHECK_INT(world_start_async("exit 3", NULL, &meta, never_started, &again, &err), 0);
    CHECK(world_run(is_set, &again));
    e = session_next(&world.core, NULL);
    CHECK(e && session_next(&world.core, e) == NULL);
    strcpy(meta.digest, "sha256:2");
    CHECK_INT(world_start_async("exit 4", NULL, &meta, never_started, &again, &err), -1);
    CHECK_STR(err.reason, "REQUEST_ID_REUSED");
    world_delete_all();
    world_close_daemon();
}

static void test_daemon_restart(void)
{
    struct err err = ERR_INIT;
    char script[200];
    world_open_daemon(-1);
    snprintf(script, sizeof(script), "head -c 100000 %s; sleep 0.2; exit 5", world.source_path);
    struct session_entry *e = world_start(script, NULL, &err);
    struct session_entry *forever = world_start("sleep 600", NULL, &err);
    CHECK(e && forever);
    char id[ID_BYTES], forever_id[ID_BYTES];
    strcpy(id, session_record(e)->id);
    strcpy(forever_id, session_record(forever)->id);
    world_close_daemon();

    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    forever = session_find_id(&world.core, forever_id);
    CHECK(e && forever);
    CHECK_INT(session_record(forever)->state, SESSION_RUNNING);
    struct viewer v = {0};
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.got[0], 100000);
    CHECK_INT(session_record(e)->exit_code, 5);
    viewer_close(&v);
    CHECK_INT(session_kill(forever, &err), 0);
    CHECK(world_wait_ended(forever));
    world_close_daemon();

    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    CHECK_INT(session_record(e)->state, SESSION_EXITED);
    CHECK_INT(session_record(e)->exit_code, 5);
    CHECK_INT(session_record(e)->stdout_total, 100000);
    world_delete_all();
    world_close_daemon();
}

static void alter_database(const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/banger.db", world.agent.dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static bool says_over(void *arg)
{
    return strcmp(((struct viewer *)arg)->text, "before over") == 0;
}

static void on_sent(void *arg, uint64_t offset, const struct err *err)
{
    (void)arg;
    CHECK(err == NULL);
    CHECK_INT(offset, 5);
}

/* The database was lost, the guest was not: the session goes on, and nothing of its output is gone.
 * One that was deleted stays so. */
static void test_a_session_outlives_its_record(void)
{
    struct err err = ERR_INIT;
    char id[ID_BYTES], deleted[ID_BYTES];
    world_open_daemon(-1);
    struct session more = {.spec.stdin_mode = SESSION_STDIN_PIPE, .name = "job"};
    struct session_entry *e =
        world_start("printf before; read x; printf \" $x\"; exit 3", &more, &err);
    struct session_entry *gone = world_start("sleep 1000", NULL, &err);
    if (!CHECK(e && gone))
        return;
    memcpy(id, session_record(e)->id, sizeof(id));
    memcpy(deleted, session_record(gone)->id, sizeof(deleted));
    world_close_link();
    world_delete(gone, true); /* the agent does not hear of it */
    world_close_daemon();
    alter_database("DELETE FROM sessions");
    world_open_daemon(-1);
    CHECK(session_find_id(&world.core, deleted) == NULL);
    e = session_find_id(&world.core, id);
    if (CHECK(e != NULL)) {
        struct viewer v = {.not_source = true};
        CHECK_INT(session_record(e)->state, SESSION_RUNNING);
        viewer_open(&v, e, &from_start);
        CHECK_INT(session_send_stdin(e, NULL, "over\n", 5, true, on_sent, NULL, &err), 0);
        CHECK(world_run(says_over, &v));
        CHECK(viewer_finish_exit(&v));
        CHECK_INT(session_record(e)->exit_code, 3);
        viewer_close(&v);
    }
    world_delete_all();
    world_close_daemon();
}

static void test_agent_restart(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *ended = world_start("echo hello; exit 1", NULL, &err);
    CHECK(world_wait_ended(ended));
    struct session_entry *live = world_start("echo hello; sleep 600", NULL, &err);
    struct viewer v = {.not_source = true}, w = {.not_source = true};
    viewer_open(&v, live, &from_start);
    CHECK(world_run(viewer_is_opened, &v));
    agent_process_restart(&world.agent);
    CHECK(world_wait_ended(live));
    CHECK_INT(session_record(live)->state, SESSION_LOST);
    CHECK_STR(session_record(live)->lost_reason, "agent_lost");
    CHECK(world_run(viewer_is_over, &v));
    CHECK_INT(v.n_lost, 1);
    CHECK(!v.wrong);
    CHECK_STR(v.reason, "agent_lost");
    viewer_open(&w, ended, &from_start);
    CHECK(viewer_finish_exit(&w));
    CHECK_INT(w.gaps[0], 6);
    CHECK_STR(w.gap_reason, "agent_lost");
    viewer_close(&v);
    viewer_close(&w);
    world_delete_all();
    world_close_daemon();
}

static void test_vm_gone(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *ended = world_start("echo hello; exit 1", NULL, &err);
    CHECK(world_wait_ended(ended));
    struct session_entry *live = world_start("echo hello; sleep 600", NULL, &err);
    struct viewer v = {.not_source = true}, w = {.not_source = true}, x = {.not_source = true};
    viewer_open(&v, live, &from_start);
    CHECK(world_run(viewer_is_opened, &v));
    world_close_link();
    world_vm_gone("vm_stopped");
    world.vm.vm.runtime.state = VM_STOPPED;
    CHECK(world_run(viewer_is_over, &v));
    CHECK_INT(v.n_lost, 1);
    CHECK(!v.wrong);
    CHECK_STR(v.reason, "vm_stopped");
    viewer_open(&w, ended, &from_start);
    CHECK(viewer_finish_exit(&w));
    CHECK_INT(w.gaps[0], 6);
    CHECK_STR(w.gap_reason, "vm_stopped");
    struct attach_options past = from_start;
    past.from_stdout.value = 7;
    viewer_open(&x, ended, &past);
    CHECK(world_run(viewer_is_over, &x));
    CHECK_INT(x.n_failed, 1);
    CHECK_INT(x.error.code, ERR_RANGE);
    CHECK(world_start("true", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_NOT_RUNNING");
    viewer_close(&v);
    viewer_close(&w);
    viewer_close(&x);
    world.vm.vm.runtime.state = VM_RUNNING;
    world_delete_all();
    world_close_daemon();
}

/* The daemon died between the end of a VM and that of its sessions; and what it has given up does
 * not live on in a guest that turns up after all. */
static void test_vm_found_stopped(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    char id[ID_BYTES];
    strcpy(id, session_record(e)->id);
    pid_t pid = session_record(e)->guest_pid;
    world_close_daemon();
    world.vm.vm.runtime.state = VM_STOPPED;
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    CHECK_INT(session_record(e)->state, SESSION_LOST);
    CHECK_STR(session_record(e)->lost_reason, "vm_lost");
    world.vm.vm.runtime.state = VM_RUNNING;
    int64_t until = clock_mono_ms() + 10000;
    while (kill(pid, 0) == 0 && clock_mono_ms() < until)
        CHECK(world_start("exit 0", NULL, &err) != NULL); /* a round trip to the agent */
    CHECK(kill(pid, 0) < 0);
    world_delete_all();
    world_close_daemon();
}

static void on_done(void *arg, const struct err *err)
{
    *(int *)arg = err ? -1 : 1;
    world_poke();
}

static void test_delete(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    CHECK_INT(session_delete(e, false, NULL, NULL, &err), -1);
    CHECK_STR(err.reason, "SESSION_RUNNING");
    pid_t pid = session_record(e)->guest_pid;
    CHECK(pid > 0 && kill(pid, 0) == 0);
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(world_run(viewer_is_opened, &v));
    int done = 0;
    world_close_link(); /* the agent hears of it at the next hello */
    CHECK_INT(session_delete(e, true, on_done, &done, &err), 0);
    CHECK(world_run(is_set, &done));
    CHECK_INT(done, 1);
    CHECK(world_run(viewer_is_over, &v));
    CHECK_STR(v.reason, "deleted");
    viewer_close(&v);
    CHECK(session_next(&world.core, NULL) == NULL);
    world_open_link();
    int64_t until = clock_mono_ms() + 10000;
    while (kill(pid, 0) == 0 && clock_mono_ms() < until) {
        e = world_start("exit 0", NULL, &err); /* a round trip to the agent */
        CHECK(e && world_wait_ended(e));
        world_delete(e, false);
    }
    CHECK(kill(pid, 0) < 0);
    world_close_daemon();
}

static void test_fast_exit(void)
{
    enum { COMMANDS = 300 };
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    srand(7);
    int64_t begin_ms = clock_mono_ms();
    for (int i = 0; i < COMMANDS; i++) {
        char script[300];
        unsigned out = (unsigned)rand() % (256 * 1024), code = (unsigned)rand() % 256;
        unsigned more = i % 3 ? 0 : (unsigned)rand() % 5000;
        snprintf(script, sizeof(script), "head -c %u %s; head -c %u %s >&2; exit %u", out,
                 world.source_path, more, world.source_path, code);
        struct session_entry *e = world_start(script, NULL, &err);
        if (!CHECK(e != NULL))
            break;
        struct viewer v = {0};
        viewer_open(&v, e, &from_start);
        CHECK(viewer_finish_exit(&v));
        CHECK_INT(v.got[0], out);
        CHECK_INT(v.got[1], more);
        CHECK_INT(session_record(e)->exit_code, code);
        viewer_close(&v);
        world_delete(e, false);
    }
    printf("     %d commands, %.2f ms each\n", COMMANDS,
           (double)(clock_mono_ms() - begin_ms) / COMMANDS);
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_exit_and_signal);
    RUN(test_spawn_failure);
    RUN(test_stop_and_kill);
    RUN(test_stop_before_start);
    RUN(test_names_and_references);
    RUN(test_request_ids);
    RUN(test_daemon_restart);
    RUN(test_a_session_outlives_its_record);
    RUN(test_agent_restart);
    RUN(test_vm_gone);
    RUN(test_vm_found_stopped);
    RUN(test_delete);
    RUN(test_fast_exit);
    world_end();
    return check_end();
}
