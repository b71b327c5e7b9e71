/* What an agent has to be told, and did not hear because its queue was full or its link went, is
 * told again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/core/session/attach.h"
#include "daemon/guest/agent_link.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

/* Requests that mean nothing, until no other is taken. */
static void fill_queue(void)
{
    char nobody[ID_BYTES];
    id_make(nobody);
    for (int i = 0; i < 100000; i++)
        if (agent_client_resize(world.vm.agent, nobody, 24, 80, NULL) < 0)
            return;
    CHECK(!"the queue is full");
}

/* Until the agent does not count as awake any more: this is the loop, which hears nothing of it
 * meanwhile. */
static void be_slow(void)
{
    int64_t heard_ms = clock_mono_ms();
    while (clock_mono_ms() - heard_ms <= AGENT_LINK_AWAKE_MS)
        usleep(1000);
}

static bool is_confirmed(void *arg)
{
    return world.deletions > *(const unsigned *)arg;
}

static bool has_gone(void *arg)
{
    return kill(*(const pid_t *)arg, 0) < 0 && errno == ESRCH;
}

static bool is_down(void *arg)
{
    return world.downs > *(const unsigned *)arg;
}

/* What goes next is lost with the link. */
static unsigned cut_next(void)
{
    proxy_set_cuts(&world.proxy, 1, 1);
    return world.downs;
}

static void await_cut(unsigned downs)
{
    CHECK(world_run(is_down, &downs));
    proxy_set_cuts(&world.proxy, 0, 0);
}

static void test_a_deletion_that_met_a_full_queue_is_told_when_there_is_room(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    pid_t pid = session_record(e)->guest_pid;
    agent_signal_both(world.agent.pid, SIGSTOP);
    fill_queue();
    world_delete(e, true);
    unsigned before = world.deletions;
    agent_signal_both(world.agent.pid, SIGCONT);
    CHECK(world_run(is_confirmed, &before));
    CHECK(has_gone(&pid));
    world_close_daemon();
}

static void test_a_deletion_that_a_hello_asks_for_is_told_when_there_is_room(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    pid_t pid = session_record(e)->guest_pid;
    world_close_link();
    world_delete(e, true);
    unsigned before = world.deletions;
    world.on_up = fill_queue;
    world_open_link();
    CHECK(world_run(is_confirmed, &before));
    CHECK(has_gone(&pid));
    world.on_up = NULL;
    world_close_daemon();
}

static void test_what_was_given_up_is_ended_when_there_is_room(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    pid_t pid = session_record(e)->guest_pid;
    world_close_link();
    world_vm_gone("vm_lost");
    CHECK_INT(session_record(e)->state, SESSION_LOST);
    world.on_up = fill_queue;
    world_open_link();
    CHECK(world_await(has_gone, &pid));
    world.on_up = NULL;
    world_delete_all();
    world_close_daemon();
}

struct outcome {
    bool done, started;
};

static void on_started(void *arg, struct session_entry *e, const struct err *err)
{
    (void)err;
    *(struct outcome *)arg = (struct outcome){.done = true, .started = e != NULL};
    world_poke();
}

static bool is_done(void *arg)
{
    return ((struct outcome *)arg)->done;
}

/* And cannot be sent again as soon as the link is back. */
static void lost_start(void (*hindered)(void))
{
    struct err err = ERR_INIT;
    struct outcome o = {0};
    world_open_daemon(PROXY_SOCKET);
    unsigned last = world.deletions + 1;
    world_settle();
    CHECK(world_run(is_confirmed, &last)); /* nothing is under way */
    unsigned downs = cut_next();
    CHECK_INT(world_start_async("sleep 600", NULL, NULL, on_started, &o, &err), 0);
    world.on_synced = hindered;
    await_cut(downs);
    CHECK(world_run(is_done, &o));
    CHECK(o.started);
    world.on_synced = NULL;
    world_delete_all();
    world_close_daemon();
}

static void test_a_start_that_was_lost_with_the_link_is_sent_again(void)
{
    lost_start(NULL);
    lost_start(be_slow);
    lost_start(fill_queue);
}

static void test_a_stop_that_was_lost_with_the_link_is_sent_again(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(PROXY_SOCKET);
    struct session_entry *e = world_start("sleep 600", NULL, &err);
    unsigned downs = cut_next();
    CHECK_INT(session_stop(e, 600000, &err), 0);
    await_cut(downs);
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_signo, SIGTERM);
    world_delete_all();
    world_close_daemon();
}

static bool has_none_left(void *arg)
{
    return session_left_processes(arg) == 0;
}

static void test_a_kill_of_what_is_left_that_was_lost_is_sent_again(void)
{
    struct err err = ERR_INIT;
    pid_t pid;
    world_open_daemon(PROXY_SOCKET);
    struct session_entry *e = world_leave_one(&pid);
    unsigned downs = cut_next();
    CHECK_INT(session_kill(e, &err), 0);
    await_cut(downs);
    CHECK(world_await(has_none_left, e));
    CHECK(has_gone(&pid));
    e = world_leave_one(&pid);
    world_close_link();
    CHECK_INT(session_kill(e, &err), 0); /* nor is a link needed to ask */
    world_open_link();
    CHECK(world_await(has_none_left, e));
    CHECK(has_gone(&pid));
    world_delete_all();
    world_close_daemon();
}

static bool says_ready(void *arg)
{
    return strstr(((struct viewer *)arg)->text, "ready") != NULL;
}

static bool says_size(void *arg)
{
    return strstr(((struct viewer *)arg)->text, "50 132") != NULL;
}

static void test_a_size_that_was_lost_with_the_link_is_sent_again(void)
{
    struct err err = ERR_INIT;
    struct session more = {.spec.tty = true, .spec.rows = 24, .spec.columns = 80};
    struct attach_options o = from_start;
    struct viewer v = {.not_source = true};
    o.role = ATTACH_WRITER;
    world_open_daemon(PROXY_SOCKET);
    struct session_entry *e =
        world_start("trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done", &more, &err);
    viewer_open(&v, e, &o);
    CHECK(world_run(says_ready, &v));
    unsigned downs = cut_next();
    CHECK_INT(attach_resize(v.attach, 50, 132, &err), 0);
    await_cut(downs);
    CHECK(world_run(says_size, &v));
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_a_deletion_that_met_a_full_queue_is_told_when_there_is_room);
    RUN(test_a_deletion_that_a_hello_asks_for_is_told_when_there_is_room);
    RUN(test_what_was_given_up_is_ended_when_there_is_room);
    RUN(test_a_start_that_was_lost_with_the_link_is_sent_again);
    RUN(test_a_stop_that_was_lost_with_the_link_is_sent_again);
    RUN(test_a_kill_of_what_is_left_that_was_lost_is_sent_again);
    RUN(test_a_size_that_was_lost_with_the_link_is_sent_again);
    world_end();
    return check_end();
}
