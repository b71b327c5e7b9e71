/* A daemon with few open files: it takes what soft limit it can get, refuses the VM that would not
 * fit, gives VMs the limit that it was started with, and takes one again when one has gone.
 * files_test sim */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "banger/operation.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { SOFT = 100, HARD = 160, MOST = 16 };

static struct harness h;
static struct banger_client *client;

static bool make(int i, struct banger_error *error)
{
    char name[16];
    snprintf(name, sizeof(name), "box%d", i);
    struct steps_create how = {.name = name};
    Banger__V1__Operation *op = steps_begin_create(client, &h, &how, error);
    return op && steps_finish(client, op, error) == 0;
}

static void refuses_the_vm_that_does_not_fit(void)
{
    struct banger_error error = {0};
    int n = 0;
    while (n < MOST && make(n, &error))
        n++;
    CHECK(n > 2 && n < MOST); /* more than the soft limit alone would allow */
    CHECK_INT(error.code, BANGER_RESOURCE_EXHAUSTED);
    CHECK_STR(error.reason, "FILES_LIMIT");
    CHECK_INT((int)steps_count_vms(&h, client), n);
    memset(&error, 0, sizeof(error));
    CHECK_INT(steps_do(client, STEPS_DELETE, "box0", &error), 0);
    CHECK(make(MOST, &error));
}

/* The agent that stands for a VM gives its sessions what it was given. */
static void vms_have_the_limit_from_before(void)
{
    static const char *const argv[] = {"sh", "-c", "ulimit -Sn; ulimit -Hn", NULL};
    char out[64];
    CHECK_INT(steps_run(client, &h, "box1", argv, NULL, 0, out, sizeof(out)), 0);
    CHECK_STR(out, "100\n160\n");
}

int main(int argc, char **argv)
{
    const struct rlimit few = {.rlim_cur = SOFT, .rlim_max = HARD};
    if (argc != 2 || setrlimit(RLIMIT_NOFILE, &few) < 0)
        return 2;
    harness_open(&h, argv[1]);
    client = harness_connect(&h);
    RUN(refuses_the_vm_that_does_not_fit);
    RUN(vms_have_the_limit_from_before);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
