/* A guest whose kernel panics: it is told as that, and its restart policy decides.
 * guest_panic_test qemu */
#include <stdio.h>
#include <string.h>

#include "banger/methods.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { WAIT_MS = 120000 };

static struct harness h;
static struct banger_client *client;

static const char *const panic[] = {"sh", "-c",
                                    "echo 'the last \033[31mwords' >/dev/console; sync;"
                                    "echo c >/proc/sysrq-trigger; sleep 100",
                                    NULL};
static const char *const reboot[] = {
    "sh", "-c", "echo 'Kernel panic - not syncing: no' >/dev/console; echo b >/proc/sysrq-trigger",
    NULL};

static void create(const char *name, Banger__V1__RestartPolicy policy)
{
    struct banger_error error = {0};
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec.driver = TEXT(h.driver);
    spec.restart_policy = policy;
    request.name = TEXT(name);
    request.spec = &spec;
    if (!CHECK_INT(steps_finish(client, banger_create_vm(client, &request, NULL, &error), &error),
                   0))
        fprintf(stderr, "create %s: %s\n", name, error.message);
}

static void run_last(const char *vm, const char *const *argv, char session[STEPS_ID_BYTES])
{
    struct banger_error error = {0};
    CHECK_INT(steps_start_session(client, &h, vm, argv, false, session, &error), 0);
}

static Banger__V1__VM *get(const char *vm)
{
    struct banger_error error = {0};
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = TEXT(vm);
    Banger__V1__VM *of = banger_get_vm(client, &request, NULL, &error);
    CHECK(of != NULL);
    return of;
}

/* How many events of that kind the VM has; the last one's detail. */
static unsigned events(const char *vm_id, const char *kind, char detail[600])
{
    struct banger_error error = {0};
    char resource[96];
    unsigned n = 0;
    snprintf(resource, sizeof(resource), "vm/%s", vm_id);
    Banger__V1__ListEventsRequest list = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    list.resource = resource;
    Banger__V1__ListEventsResponse *all = banger_list_events(client, &list, NULL, &error);
    for (size_t i = 0; CHECK(all) && i < all->n_events; i++)
        if (strcmp(all->events[i]->kind, kind) == 0) {
            snprintf(detail, 600, "%s", all->events[i]->detail);
            n++;
        }
    banger_message_free(all ? &all->base : NULL);
    return n;
}

static void test_a_panic_is_a_failure_with_its_words(void)
{
    char session[STEPS_ID_BYTES], detail[600] = "";
    create("box", BANGER__V1__RESTART_POLICY__RESTART_POLICY_NEVER);
    run_last("box", panic, session);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(FAILED), WAIT_MS));
    Banger__V1__VM *vm = get("box");
    CHECK_STR(vm->runtime->failed_stage, "guest_panic");
    CHECK_CONTAINS(vm->runtime->last_error, "Kernel panic - not syncing: sysrq triggered crash");
    CHECK_INT(events(vm->id, "vm.panic", detail), 1);
    CHECK_CONTAINS(detail, "Kernel panic - not syncing: sysrq triggered crash");
    CHECK(!strchr(detail, '\033'));
    CHECK_INT(steps_session_state(&h, client, session), SESSION_STATE(LOST));
    banger_message_free(&vm->base);
}

static void test_an_ordered_reboot_is_none_whatever_the_console_says(void)
{
    char session[STEPS_ID_BYTES], detail[600];
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    Banger__V1__VM *vm = get("box");
    run_last("box", reboot, session);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(STARTING), WAIT_MS));
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(RUNNING), WAIT_MS));
    CHECK_INT(events(vm->id, "vm.panic", detail), 1);
    banger_message_free(&vm->base);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
}

static bool was_restarted(void *arg)
{
    (void)arg;
    Banger__V1__VM *vm = get("again");
    bool so = vm->runtime->restarts == 1 && vm->runtime->state == VM_STATE(RUNNING);
    if (so)
        CHECK_CONTAINS(vm->runtime->last_restart_reason, "kernel panicked");
    banger_message_free(&vm->base);
    return so;
}

static void test_its_restart_policy_starts_it_again(void)
{
    char session[STEPS_ID_BYTES];
    struct banger_error error = {0};
    create("again", BANGER__V1__RESTART_POLICY__RESTART_POLICY_ON_FAILURE);
    run_last("again", panic, session);
    CHECK(harness_until(was_restarted, NULL, WAIT_MS));
    CHECK_INT(steps_do(client, STEPS_DELETE, "again", &error), 0);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    RUN(test_a_panic_is_a_failure_with_its_words);
    RUN(test_an_ordered_reboot_is_none_whatever_the_console_says);
    RUN(test_its_restart_policy_starts_it_again);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
