/* A VM whose system disk is a copy of its image boots from it and keeps what it writes, and its
 * image stays as it was. storage_test qemu */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger/methods.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s)       ((char *)(uintptr_t)(s))
#define STORAGE(name) BANGER__V1__STORAGE__STORAGE_##name

static struct harness h;
static struct banger_client *client;
static char disk[600];

static int create(Banger__V1__Storage storage, struct banger_error *error)
{
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec.driver = TEXT(h.driver);
    spec.storage = storage;
    request.name = TEXT("box");
    request.spec = &spec;
    return steps_finish(client, banger_create_vm(client, &request, NULL, error), error);
}

static Banger__V1__Storage look(void)
{
    struct banger_error error = {0};
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = TEXT("box");
    Banger__V1__VM *vm = banger_get_vm(client, &request, NULL, &error);
    if (!CHECK(vm != NULL))
        return STORAGE(UNSPECIFIED);
    Banger__V1__Storage storage = vm->spec->storage;
    snprintf(disk, sizeof(disk), "%s", vm->runtime->system_overlay);
    banger_message_free(&vm->base);
    return storage;
}

static int run(const char *command)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    return steps_run(client, &h, "box", argv, NULL, 0, NULL, 0);
}

static void a_copy_boots_and_keeps_what_is_written(void)
{
    struct banger_error error = {0};
    struct stat st;
    if (!CHECK_INT(create(STORAGE(COPY), &error), 0)) {
        fprintf(stderr, "%s\n", error.message);
        return;
    }
    CHECK_INT(look(), STORAGE(COPY));
    CHECK_CONTAINS(disk, "/system.raw");
    CHECK_INT(stat(disk, &st), 0);
    CHECK(st.st_blocks * 512 < st.st_size); /* sparse, as its image */
    CHECK_INT(run("echo mine >/root/mine && sync"), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    CHECK_INT(run("grep -q mine /root/mine"), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    CHECK(stat(disk, &st) < 0);
}

static void the_next_VM_has_a_fresh_image(void)
{
    struct banger_error error = {0};
    CHECK_INT(create(STORAGE(UNSPECIFIED), &error), 0);
    CHECK_INT(look(), STORAGE(QCOW2));
    CHECK_INT(run("test ! -e /root/mine"), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    RUN(a_copy_boots_and_keeps_what_is_written);
    RUN(the_next_VM_has_a_fresh_image);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
