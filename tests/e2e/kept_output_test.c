/* The output of ended sessions has one bound for all of a VM's: that of the oldest goes, and what
 * is kept can be seen. kept_output_test sim|qemu
 *
 * sim's guest has the disk of this machine, so its agent gets a smaller bound by an option. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { GUEST_MS = 120000, WORK_DISK_MIB = 64, SIM_LIMIT_BYTES = 6 * 1024 * 1024 };

static struct harness h;
static struct banger_client *client;
static Banger__V1__KeptOutput kept; /* as GetVM told last; all 0 where it did not */

static bool kept_is_told(void *arg)
{
    const uint64_t *ended_bytes = arg;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)(uintptr_t) "box";
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, NULL);
    bool told = vm && vm->kept_output;
    kept = told ? *vm->kept_output : (Banger__V1__KeptOutput)BANGER__V1__KEPT_OUTPUT__INIT;
    banger_message_free(vm ? &vm->base : NULL);
    return told && kept.ended_bytes == *ended_bytes;
}

static bool await_kept(uint64_t ended_bytes)
{
    return harness_until(kept_is_told, &ended_bytes, GUEST_MS);
}

static void write_and_end(uint64_t n_bytes, char id[STEPS_ID_BYTES])
{
    char bytes[24];
    struct banger_error error = {0};
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)n_bytes);
    const char *const argv[] = {"head", "-c", bytes, "/dev/zero", NULL};
    CHECK_INT(steps_start_session(client, &h, "box", argv, false, id, &error), 0);
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), GUEST_MS));
}

static void check_output(const char *id, uint64_t n_bytes, bool dropped)
{
    struct attach_reader r;
    reader_open(&r, client, id, NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 0);
    CHECK_INT(r.next[1], n_bytes);
    CHECK_INT(r.gap_bytes, dropped ? n_bytes : 0);
    CHECK_STR(r.gap_reason, dropped ? "ended_limit" : "");
    reader_close(&r);
}

static void the_oldest_ended_goes_first(void)
{
    char first[STEPS_ID_BYTES], second[STEPS_ID_BYTES];
    if (!CHECK(await_kept(0)) || !CHECK(kept.ended_limit_bytes > 0))
        return;
    printf("     at most %llu KiB\n", (unsigned long long)kept.ended_limit_bytes / 1024);
    CHECK(kept.ended_limit_bytes <= SIM_LIMIT_BYTES + SIM_LIMIT_BYTES / 10);
    uint64_t much = kept.ended_limit_bytes / 3 * 2;
    write_and_end(much, first);
    CHECK(await_kept(much));
    check_output(first, much, false);
    write_and_end(much + 7, second);
    CHECK(await_kept(much + 7));
    check_output(first, much, true);
    check_output(second, much + 7, false);
    harness_crash(&h); /* the guest tells the next daemon */
    CHECK(await_kept(much + 7));
    check_output(first, much, true);
}

static void a_vm_that_does_not_run_keeps_nothing(void)
{
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    CHECK(!kept_is_told(&kept.ended_bytes));
}

static void use_bounded_agent(void)
{
    static char path[80];
    snprintf(path, sizeof(path), "%s/agent", h.dir);
    FILE *script = fopen(path, "we");
    if (!script || fprintf(script, "#!/bin/sh\nexec \"%s\" \"$@\" --keep-ended %d\n",
                           BANGER_TEST_SIM_AGENT_FILE, SIM_LIMIT_BYTES) < 0)
        harness_die(&h, "cannot write %s", path);
    fclose(script);
    chmod(path, 0700);
    setenv("BANGER_TEST_SIM_AGENT", path, 1);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    struct steps_create how = {.name = "box", .work_disk_bytes = (uint64_t)WORK_DISK_MIB << 20};
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    if (!h.boots)
        use_bounded_agent();
    harness_start(&h, NULL);
    if (h.boots)
        harness_import_assets(&h);
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, &how, id, &error) < 0)
        harness_die(&h, "cannot create a VM: %s", error.message);
    RUN(the_oldest_ended_goes_first);
    RUN(a_vm_that_does_not_run_keeps_nothing);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
