/* Starts that are taken back, what an ended session has left, and guests that stand still. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/operation/operation.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

static char marker[128];

/* A command that shows that it has run. */
static const char *marking(void)
{
    static char script[300];
    snprintf(marker, sizeof(marker), "%s/ran", world.agent.dir);
    unlink(marker);
    snprintf(script, sizeof(script), "echo ran >%s; sleep 600", marker);
    return script;
}

static bool has_run(void)
{
    return access(marker, F_OK) == 0;
}

struct outcome {
    bool done, started;
    struct err err;
};

static void on_started(void *arg, struct session_entry *e, const struct err *err)
{
    struct outcome *o = arg;
    o->done = true;
    o->started = e != NULL;
    if (err)
        o->err = *err;
    world_poke();
}

static bool is_done(void *arg)
{
    return ((struct outcome *)arg)->done;
}

static struct session_starter *start(const char *script, const struct request_meta *meta,
                                     int64_t deadline_ms, struct outcome *o)
{
    struct err err = ERR_INIT;
    struct session_starter *starter = NULL;
    char argv[512];
    int n = snprintf(argv, sizeof(argv), "/bin/sh%c-c%c%s", 0, 0, script);
    struct session spec = {.spec.argv = {(uint8_t *)argv, (size_t)n + 1}};
    *o = (struct outcome){0};
    CHECK_INT(session_start(&world.core, &world.vm, &spec, meta, deadline_ms, on_started, o,
                            &starter, &err),
              0);
    return starter;
}

static bool nothing_is_listed(void *arg)
{
    (void)arg;
    return session_next(&world.core, NULL) == NULL;
}

/* The guest stands still: who waits is told before his time is over, and when the guest is back,
 * nothing runs. */
static void silent_guest(bool idle)
{
    struct outcome o;
    world_open_daemon(-1);
    if (idle) { /* the agent has not said anything for a while: it is not even told */
        int64_t until = clock_mono_ms() + 300;
        while (clock_mono_ms() < until)
            usleep(10000);
    } else {
        world_settle();
    }
    agent_signal_both(world.agent.pid, SIGSTOP);
    int64_t begin_ms = clock_mono_ms();
    start(marking(), NULL, begin_ms + 2500, &o);
    struct session_entry *e = session_ref(session_next(&world.core, NULL));
    CHECK(world_run(is_done, &o));
    CHECK(!o.started);
    CHECK_INT(o.err.code, ERR_DEADLINE);
    CHECK_STR(o.err.reason, "GUEST_SILENT");
    /* What a guest that was told has done is not known. */
    CHECK_INT(strstr(o.err.message, "nothing has been started") != NULL, e->sent_to[0] == '\0');
    session_unref(e);
    CHECK(clock_mono_ms() - begin_ms < 2500);
    CHECK(session_next(&world.core, NULL) == NULL);
    agent_signal_both(world.agent.pid, SIGCONT);
    world_settle();
    CHECK(!has_run());
    world_close_daemon();
    world_open_daemon(-1); /* on disk, too */
    CHECK(session_next(&world.core, NULL) == NULL);
    world_settle();
    CHECK(!has_run());
    world_close_daemon();
}

static void test_a_start_that_a_silent_guest_never_answered_is_taken_back(void)
{
    silent_guest(true);
    silent_guest(false);
}

static void test_a_start_whose_caller_leaves_is_taken_back(void)
{
    struct outcome o;
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    struct session_starter *starter = start(marking(), NULL, INT64_MAX, &o);
    int64_t begin_ms = clock_mono_ms();
    session_start_leave(starter, false);
    CHECK(world_await(nothing_is_listed, NULL));
    CHECK(clock_mono_ms() - begin_ms < SESSION_CLAIM_MS); /* at once */
    CHECK(!o.done);
    agent_signal_both(world.agent.pid, SIGCONT);
    world_settle();
    CHECK(!has_run());
    world_close_daemon();
}

/* Its connection broke; the request comes again by another, and runs once. */
static void test_a_start_that_is_asked_for_again_runs_once(void)
{
    struct outcome first, again;
    struct request_meta meta = {.request_id = "again", .principal = "me", .digest = "d"};
    char script[300];
    world_open_daemon(-1);
    snprintf(script, sizeof(script), "echo x >>%s/twice; sleep 600", world.agent.dir);
    struct session_starter *starter = start(script, &meta, INT64_MAX, &first);
    session_start_leave(starter, true);
    start(script, &meta, INT64_MAX, &again);
    CHECK(world_run(is_done, &again));
    CHECK(again.started);
    world_settle();
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK(e && session_find_request(&world.core, &meta) == e);
    char path[128], text[16] = "";
    snprintf(path, sizeof(path), "%s/twice", world.agent.dir);
    FILE *f = fopen(path, "re");
    CHECK_INT(f ? fread(text, 1, sizeof(text), f) : 0, 2);
    if (f)
        fclose(f);
    world_delete_all();
    world_close_daemon();
}

static bool is_past(void *arg)
{
    return clock_mono_ms() >= *(const int64_t *)arg;
}

/* Each who waits has a deadline of his own; the others wait on. */
static void test_a_caller_in_a_hurry_does_not_take_a_start_from_others(void)
{
    struct outcome patient, hasty;
    struct request_meta meta = {.request_id = "shared", .principal = "me", .digest = "d"};
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    int64_t soon_ms = clock_mono_ms() + 500;
    start(marking(), &meta, INT64_MAX, &patient);
    struct session_starter *leaves = start(marking(), &meta, soon_ms, &hasty);
    CHECK(world_await(is_past, &soon_ms));
    if (CHECK(!hasty.done))
        session_start_leave(leaves, false);
    CHECK(!patient.done);
    agent_signal_both(world.agent.pid, SIGCONT);
    CHECK(world_run(is_done, &patient));
    CHECK(patient.started);
    world_delete_all();
    world_close_daemon();
}

/* Allocations of libevent's, which all timers are. */
static bool no_timers;

static void *allocate(size_t n)
{
    return no_timers ? NULL : malloc(n);
}

static void test_a_start_that_is_refused_for_lack_of_memory_does_not_run(void)
{
    struct err err = ERR_INIT;
    struct outcome o;
    world_open_daemon(-1);
    const char *script = marking();
    no_timers = true;
    CHECK_INT(world_start_async(script, NULL, NULL, on_started, &o, &err), -1);
    no_timers = false;
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK(session_next(&world.core, NULL) == NULL);
    world_settle();
    CHECK(!has_run());
    world_delete_all();
    world_close_daemon();
}

/* The request ids that sessions remember. */
static bool no_requests;

int __real_map_put(struct map *m, const char *key, void *value);
int __wrap_map_put(struct map *m, const char *key, void *value);

int __wrap_map_put(struct map *m, const char *key, void *value)
{
    return no_requests && strstr(key, "session.start") ? -1 : __real_map_put(m, key, value);
}

/* It would run once more when it is sent again. */
static void test_a_start_whose_request_cannot_be_remembered_does_not_run(void)
{
    struct err err = ERR_INIT;
    struct outcome o;
    struct request_meta meta = {.request_id = "unremembered", .principal = "me", .digest = "d"};
    world_open_daemon(-1);
    const char *script = marking();
    no_requests = true;
    CHECK_INT(world_start_async(script, NULL, &meta, on_started, &o, &err), -1);
    no_requests = false;
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK(session_next(&world.core, NULL) == NULL);
    world_settle();
    CHECK(!has_run());
    world_delete_all();
    world_close_daemon();
}

static bool is_stored(void *arg)
{
    return ((struct session_entry *)arg)->stored;
}

/* The daemon died with a start that it had not answered: it waits for whoever began it. */
static void test_a_start_of_an_earlier_daemon_waits_for_its_caller(void)
{
    struct outcome o;
    struct request_meta meta = {.request_id = "claim", .principal = "me", .digest = "d"};
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    start(marking(), &meta, INT64_MAX, &o);
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK(e && world_await(is_stored, e));
    world_close_daemon();
    agent_signal_both(world.agent.pid, SIGCONT);
    world_open_daemon(-1);
    world_settle();
    CHECK(!has_run());
    start(marking(), &meta, INT64_MAX, &o);
    CHECK(world_run(is_done, &o));
    CHECK(o.started);
    world_delete_all();
    world_close_daemon();
}

/* Nobody does: of his own daemon, or of the next. */
static void test_a_start_that_nobody_asks_for_again_is_taken_back(void)
{
    struct outcome o;
    struct request_meta meta = {.request_id = "nobody", .principal = "me", .digest = "d"};
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    start("exit 0", &meta, INT64_MAX, &o);
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK(e && world_await(is_stored, e));
    world_close_daemon();
    agent_signal_both(world.agent.pid, SIGCONT);
    world_open_daemon(-1);
    agent_signal_both(world.agent.pid, SIGSTOP);
    meta.request_id[0] = 'N';
    session_start_leave(start(marking(), &meta, INT64_MAX, &o), true);
    int64_t begin_ms = clock_mono_ms();
    CHECK(world_await(nothing_is_listed, NULL));
    int64_t took_ms = clock_mono_ms() - begin_ms;
    CHECK(took_ms >= SESSION_CLAIM_MS && took_ms < SESSION_START_MS);
    agent_signal_both(world.agent.pid, SIGCONT);
    world_settle();
    CHECK(!has_run());
    world_close_daemon();
}

static bool has_left(void *arg)
{
    return session_left_processes(arg) > 0;
}

/* Processes that a command has left keep its record, whoever deletes it; killing ends them. */
static void test_what_is_left_is_listed_until_it_has_gone(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600 >/dev/null 2>&1 &", NULL, &err);
    CHECK(e && world_wait_ended(e));
    CHECK(world_await(has_left, e));
    world_delete(e, false);
    CHECK(session_next(&world.core, NULL) == e);
    world_settle();
    CHECK(session_next(&world.core, NULL) == e);
    CHECK_INT(session_left_processes(e), 1);
    char id[ID_BYTES];
    memcpy(id, session_record(e)->id, sizeof(id));
    world_close_daemon(); /* it is remembered that it is to go */
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    if (CHECK(e != NULL)) {
        CHECK(world_await(has_left, e));
        CHECK_INT(session_kill(e, &err), 0);
        CHECK(world_await(nothing_is_listed, NULL));
    }
    e = world_start("sleep 600 >/dev/null 2>&1 &", NULL, &err);
    CHECK(e && world_wait_ended(e));
    world_delete(e, true);
    CHECK(session_next(&world.core, NULL) == NULL);
    world_close_daemon();
}

static void on_sent(void *arg, uint64_t offset, const struct err *err)
{
    (void)arg, (void)offset, (void)err;
}

/* Nothing waits for a guest that stands still by intent. */
static void test_a_paused_vm_refuses_what_it_cannot_do(void)
{
    struct err err = ERR_INIT;
    struct session more = {.spec.stdin_mode = SESSION_STDIN_PIPE};
    world_open_daemon(-1);
    struct session_entry *e = world_start("echo hello; sleep 600", &more, &err);
    struct session_entry *ended = world_start("echo hello", NULL, &err);
    if (!CHECK(e && ended) || !CHECK(world_wait_ended(ended)))
        return;
    world.vm.vm.runtime.state = VM_PAUSED;
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        err = (struct err)ERR_INIT;                                                                \
        CHECK_INT(call, -1);                                                                       \
        CHECK_INT(err.code, ERR_PRECONDITION);                                                     \
        CHECK_STR(err.reason, "VM_PAUSED");                                                        \
    } while (0)
    REFUSED(session_stop(e, 1000, &err));
    REFUSED(session_kill(e, &err));
    REFUSED(session_signal(e, SIGTERM, 2, &err));
    REFUSED(session_send_stdin(e, NULL, "x", 1, false, on_sent, NULL, &err));
    err = (struct err)ERR_INIT;
    CHECK(world_start("true", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_PAUSED");
    struct session_entry *of[] = {e, ended};
    for (int i = 0; i < 2; i++) {
        struct viewer v = {.not_source = true};
        CHECK_INT(viewer_open(&v, of[i], &from_start), -1);
        CHECK_STR(v.error.reason, "VM_PAUSED");
    }
    world_delete(ended, false); /* needs no guest */
    world.vm.vm.runtime.state = VM_RUNNING;
    CHECK_INT(session_kill(e, &err), 0);
    CHECK(world_wait_ended(e));
    world_delete_all();
    world_close_daemon();
}

int main(void)
{
    event_set_mem_functions(allocate, realloc, free);
    world_begin();
    RUN(test_a_start_that_a_silent_guest_never_answered_is_taken_back);
    RUN(test_a_start_whose_caller_leaves_is_taken_back);
    RUN(test_a_start_that_is_asked_for_again_runs_once);
    RUN(test_a_caller_in_a_hurry_does_not_take_a_start_from_others);
    RUN(test_a_start_that_is_refused_for_lack_of_memory_does_not_run);
    RUN(test_a_start_whose_request_cannot_be_remembered_does_not_run);
    RUN(test_a_start_of_an_earlier_daemon_waits_for_its_caller);
    RUN(test_a_start_that_nobody_asks_for_again_is_taken_back);
    RUN(test_what_is_left_is_listed_until_it_has_gone);
    RUN(test_a_paused_vm_refuses_what_it_cannot_do);
    world_end();
    return check_end();
}
