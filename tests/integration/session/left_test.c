/* The deletion of a session that has left processes is promised, on disk, and comes when they have
 * ended. */
#include <signal.h>
#include <stdio.h>

#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

static void lock_store(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set("begin=busy", &err), 0);
}

static bool is_writable(void *arg)
{
    (void)arg;
    return store_health(world.core.store)->state == STORE_WRITABLE;
}

static void unlock_store(void)
{
    CHECK_INT(store_fault_set(NULL, NULL), 0);
    CHECK(world_await(is_writable, NULL));
}

struct answer {
    bool done;
    struct err err;
};

static void on_done(void *arg, const struct err *err)
{
    struct answer *a = arg;
    a->done = true;
    if (err)
        a->err = *err;
    world_poke();
}

static bool is_answered(void *arg)
{
    return ((struct answer *)arg)->done;
}

static bool has_none_left(void *arg)
{
    return session_left_processes(arg) == 0;
}

static bool nothing_is_listed(void *arg)
{
    (void)arg;
    return session_next(&world.core, NULL) == NULL;
}

static void test_a_promised_deletion_that_is_refused_deletes_nothing(void)
{
    struct err err = ERR_INIT;
    struct answer a = {0};
    pid_t pid;
    world_open_daemon(-1);
    struct session_entry *e = world_leave_one(&pid);
    lock_store();
    CHECK_INT(session_delete(e, false, on_done, &a, &err), 0);
    kill(pid, SIGKILL);
    CHECK(world_await(has_none_left, e));
    CHECK(world_run(is_answered, &a));
    CHECK_INT(a.err.code, ERR_UNAVAILABLE);
    unlock_store();
    world_settle();
    CHECK(session_find(&world.core, NULL, session_record(e)->id, &err) == e);
    world_delete_all();
    world_close_daemon();
}

static void test_a_promised_deletion_holds_whatever_is_asked_later(void)
{
    struct err err = ERR_INIT;
    struct answer a = {0};
    pid_t pid;
    world_open_daemon(-1);
    struct session_entry *e = world_leave_one(&pid);
    world_delete(e, false);
    CHECK(session_record(e)->forget);
    lock_store();
    CHECK_INT(session_delete(e, false, on_done, &a, &err), 0);
    CHECK(world_run(is_answered, &a));
    CHECK_INT(a.err.code, ERR_NONE); /* it is promised already */
    unlock_store();
    kill(pid, SIGKILL);
    CHECK(world_await(nothing_is_listed, NULL));
    world_close_daemon();
}

/* Neither the daemon that promised it nor the agent that would tell is there any more. */
static void test_a_promised_deletion_comes_when_the_agent_knows_nothing_of_it(void)
{
    pid_t pid;
    world_open_daemon(-1);
    world_delete(world_leave_one(&pid), false);
    world_close_daemon();
    agent_process_restart(&world.agent);
    kill(pid, SIGKILL);
    world_open_daemon(-1);
    CHECK(world_await(nothing_is_listed, NULL));
    world_close_daemon();
}

static void test_a_promised_deletion_comes_when_the_agent_has_forgotten_it(void)
{
    pid_t pid;
    world_open_daemon(-1);
    struct session_entry *e = world_leave_one(&pid);
    world_delete(e, false);
    world_agent_deleted(session_record(e)->id);
    CHECK(world_await(nothing_is_listed, NULL));
    kill(pid, SIGKILL);
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_a_promised_deletion_that_is_refused_deletes_nothing);
    RUN(test_a_promised_deletion_holds_whatever_is_asked_later);
    RUN(test_a_promised_deletion_comes_when_the_agent_knows_nothing_of_it);
    RUN(test_a_promised_deletion_comes_when_the_agent_has_forgotten_it);
    world_end();
    return check_end();
}
