/* What the daemon does with VMs by itself, and what the host was told, over kill -9 of the daemon.
 * policies_test sim|qemu */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { WAIT_MS = 120000 };

static struct harness h;
static struct banger_client *client;

static Banger__V1__Operation *begin_create(const char *name, Banger__V1__VMSpec *spec,
                                           struct banger_error *error)
{
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec->driver = TEXT(h.driver);
    request.name = TEXT(name);
    request.spec = spec;
    return banger_create_vm(client, &request, NULL, error);
}

static void create(const char *name, Banger__V1__VMSpec *spec)
{
    struct banger_error error = {0};
    if (!CHECK_INT(steps_finish(client, begin_create(name, spec, &error), &error), 0))
        fprintf(stderr, "create %s: %s\n", name, error.message);
}

static void delete (const char *name)
{
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_DELETE, name, &error), 0);
}

static bool draining_is(bool want)
{
    struct banger_error error = {0};
    Banger__V1__GetHostRequest get = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(client, &get, NULL, &error);
    bool is = host && host->draining == want;
    banger_message_free(host ? &host->base : NULL);
    return is;
}

static void set_draining(bool draining)
{
    struct banger_error error = {0};
    Banger__V1__SetDrainingRequest set = BANGER__V1__SET_DRAINING_REQUEST__INIT;
    set.draining = draining;
    Banger__V1__Host *host = banger_set_draining(client, &set, NULL, &error);
    if (CHECK(host))
        CHECK_INT(host->draining, draining);
    banger_message_free(host ? &host->base : NULL);
}

static void test_draining_outlives_a_crash(void)
{
    struct banger_error error = {0};
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    CHECK(draining_is(false));
    set_draining(true);
    harness_crash(&h);
    CHECK(draining_is(true));
    CHECK(begin_create("refused", &spec, &error) == NULL);
    CHECK_STR(error.reason, "HOST_DRAINING");
    set_draining(false);
    harness_crash(&h);
    CHECK(draining_is(false));
}

static void test_what_comes_due_while_no_daemon_runs_is_deleted(void)
{
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    struct banger_error error = {0};
    create("brief", &spec);
    Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
    update.vm = TEXT("brief");
    update._expire_after_ms_case = BANGER__V1__UPDATE_VMREQUEST___EXPIRE_AFTER_MS_EXPIRE_AFTER_MS;
    update.expire_after_ms = 1000;
    CHECK_INT(steps_finish(client, banger_update_vm(client, &update, NULL, &error), &error), 0);
    harness_crash(&h);
    CHECK(steps_await_vm(&h, client, "brief", STEPS_GONE, WAIT_MS));
    CHECK(harness_processes_settle(&h, 0, WAIT_MS));
}

static uint32_t restarts(const char *vm)
{
    struct banger_error error = {0};
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT(vm);
    Banger__V1__VM *of = banger_get_vm(client, &get, NULL, &error);
    uint32_t n = of ? of->runtime->restarts : UINT32_MAX;
    if (of && n > 0)
        CHECK_CONTAINS(of->runtime->last_restart_reason, "ended");
    banger_message_free(of ? &of->base : NULL);
    return n;
}

static void test_a_vm_that_is_gone_is_started_by_the_next_daemon(void)
{
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT, once = BANGER__V1__VMSPEC__INIT;
    spec.restart_policy = BANGER__V1__RESTART_POLICY__RESTART_POLICY_ON_FAILURE;
    create("again", &spec);
    once.autostart = true;
    create("auto", &once);
    once.autostart = false;
    create("once", &once);
    pid_t pids[] = {steps_vm_pid(client, "again"), steps_vm_pid(client, "auto"),
                    steps_vm_pid(client, "once")};
    harness_end(&h, SIGKILL);
    for (int i = 0; i < 3; i++)
        if (CHECK(pids[i] > 1))
            harness_kill(pids[i]);
    harness_start(&h, NULL);
    CHECK(steps_await_vm(&h, client, "auto", VM_STATE(RUNNING), WAIT_MS));
    CHECK(steps_await_vm(&h, client, "again", VM_STATE(RUNNING), WAIT_MS));
    CHECK_INT(restarts("again"), 1);
    CHECK_INT(restarts("auto"), 0);
    CHECK_INT(steps_vm_state(&h, client, "once"), VM_STATE(STOPPED));
    delete ("again");
    delete ("auto");
    delete ("once");
}

static void test_a_vm_without_viewers_stops_and_one_with_a_session_does_not(void)
{
    static const char *const argv[] = {"sleep", "3", NULL};
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    spec.idle_stop_after_ms = 1500;
    create("idle", &spec);
    CHECK_INT(steps_run(client, &h, "idle", argv, NULL, 0, NULL, 0), 0);
    CHECK_INT(steps_vm_state(&h, client, "idle"), VM_STATE(RUNNING));
    CHECK(steps_await_vm(&h, client, "idle", VM_STATE(STOPPED), WAIT_MS));
    delete ("idle");
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    RUN(test_draining_outlives_a_crash);
    RUN(test_what_comes_due_while_no_daemon_runs_is_deleted);
    RUN(test_a_vm_that_is_gone_is_started_by_the_next_daemon);
    RUN(test_a_vm_without_viewers_stops_and_one_with_a_session_does_not);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
