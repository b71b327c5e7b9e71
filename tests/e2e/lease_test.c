/* VMs that are their creator's alone, as long as it is heard of: over its end, and the daemon's.
 * lease_test sim */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { WAIT_MS = 60000, LEASE_MS = 2000 };

static struct harness h;
static struct banger_client *client;

static void create(const char *name, uint64_t lease_ms)
{
    struct banger_error error = {0};
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec.driver = TEXT(h.driver);
    spec.lease_ms = lease_ms;
    request.name = TEXT(name);
    request.spec = &spec;
    if (!CHECK_INT(steps_finish(client, banger_create_vm(client, &request, NULL, &error), &error),
                   0))
        fprintf(stderr, "create %s: %s\n", name, error.message);
}

static int renew(const char *name, struct banger_error *error)
{
    Banger__V1__RenewVMLeaseRequest request = BANGER__V1__RENEW_VMLEASE_REQUEST__INIT;
    request.vm = TEXT(name);
    Banger__V1__Empty *empty = banger_renew_vm_lease(client, &request, NULL, error);
    banger_message_free(empty ? &empty->base : NULL);
    return empty ? 0 : -1;
}

static bool is_there(const char *name)
{
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT(name);
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, NULL);
    banger_message_free(vm ? &vm->base : NULL);
    return vm != NULL;
}

static void test_a_vm_goes_with_its_lease(void)
{
    int64_t begun = clock_mono_ms();
    create("alone", LEASE_MS);
    CHECK(steps_await_vm(&h, client, "alone", STEPS_GONE, WAIT_MS));
    CHECK(clock_mono_ms() - begun >= LEASE_MS);
    CHECK(harness_processes_settle(&h, 0, WAIT_MS));
}

static void test_a_renewed_lease_lasts(void)
{
    struct banger_error error = {0};
    create("kept", LEASE_MS);
    for (int64_t until = clock_mono_ms() + 2 * LEASE_MS; clock_mono_ms() < until;)
        if (!CHECK_INT(renew("kept", &error), 0))
            break;
    CHECK(is_there("kept"));
    CHECK(steps_await_vm(&h, client, "kept", STEPS_GONE, WAIT_MS));
    CHECK_INT(renew("kept", &error), -1);
    CHECK_INT(error.code, BANGER_NOT_FOUND);
}

static void test_a_lease_survives_the_daemon_and_begins_anew_with_it(void)
{
    struct banger_error error = {0};
    create("long", LEASE_MS);
    CHECK_INT(WTERMSIG(harness_end(&h, SIGKILL)), SIGKILL);
    int64_t until = clock_mono_ms() + LEASE_MS; /* the daemon is down for longer than the lease */
    while (clock_mono_ms() < until)
        continue;
    harness_start(&h, NULL);
    CHECK_INT(renew("long", &error), 0);
    CHECK(steps_await_vm(&h, client, "long", STEPS_GONE, WAIT_MS));
}

static void test_what_has_no_lease_cannot_be_renewed(void)
{
    struct banger_error error = {0};
    create("free", 0);
    CHECK_INT(renew("free", &error), -1);
    CHECK_STR(error.reason, "NO_LEASE");
    CHECK_INT(steps_do(client, STEPS_DELETE, "free", &error), 0);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    RUN(test_a_vm_goes_with_its_lease);
    RUN(test_a_renewed_lease_lasts);
    RUN(test_a_lease_survives_the_daemon_and_begins_anew_with_it);
    RUN(test_what_has_no_lease_cannot_be_renewed);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
