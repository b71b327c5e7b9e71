/* A guest whose disk for output takes no writes any more, or is taken away, while its agent is
 * killed: commands run on and end with their codes, and what is lost of their output is said.
 * guest_disk_test qemu */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    WORK_DISK_MIB = 64,
    GUEST_MS = 240000,
    PART_BYTES = 2688895, /* of what `seq 400000` writes */
    LEAST_BYTES = 16 * 1024,
};

static struct harness h;
static struct banger_client *client;
static struct banger_error error;

static void in_guest(const char *command)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    CHECK_INT(steps_run(client, &h, "box", argv, NULL, 0, NULL, 0), 0);
}

static void kill_agent(void)
{
    in_guest("kill -9 $(grep -vx 1 /sys/fs/cgroup/banger-agent/cgroup.procs)");
}

static void start(const char *command, char id[STEPS_ID_BYTES])
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    if (steps_start_session(client, &h, "box", argv, true, id, &error) < 0)
        harness_die(&h, "%s: %s", command, error.message);
}

struct written {
    char *session;
    uint64_t bytes;
};

static bool is_written(void *arg)
{
    struct written *w = arg;
    Banger__V1__GetSessionRequest get = BANGER__V1__GET_SESSION_REQUEST__INIT;
    get.session = w->session;
    Banger__V1__GuestSession *s = banger_get_session(client, &get, NULL, &error);
    bool is = s && s->stdout_total >= w->bytes;
    banger_message_free(s ? &s->base : NULL);
    return is;
}

static void go_on(char *session)
{
    Banger__V1__SendStdinRequest request = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    request.session = session;
    request.data.data = (uint8_t *)TEXT("go\n");
    request.data.len = 3;
    Banger__V1__SendStdinResponse *sent = banger_send_stdin(client, &request, NULL, &error);
    CHECK(sent != NULL);
    banger_message_free(sent ? &sent->base : NULL);
}

/* Ends with that code, and so many bytes are kept or said to be gone. */
static void check_end_of(const char *id, int code, uint64_t total)
{
    struct attach_reader r;
    reader_open(&r, client, id, NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, code);
    CHECK_INT(r.total[1], total);
    CHECK_INT(r.data_bytes + r.gap_bytes, total);
    CHECK(r.data_bytes >= LEAST_BYTES);
    printf("     %" PRIu64 " bytes kept, %" PRIu64 " gone (%s)\n", r.data_bytes, r.gap_bytes,
           r.gap_reason);
    if (r.gaps)
        CHECK_STR(r.gap_reason, "disk_full");
    reader_close(&r);
}

/* One that writes before and after it, and one that begins behind it, over the agent's end. */
static void harm_disk(const char *harm)
{
    char across[STEPS_ID_BYTES], behind[STEPS_ID_BYTES];
    start("seq 400000; read -r line; seq 400000; exit 7", across);
    struct written w = {.session = across, .bytes = PART_BYTES};
    CHECK(harness_until(is_written, &w, GUEST_MS));
    in_guest(harm);
    kill_agent();
    start("seq 400000; read -r line; exit 8", behind);
    w.session = behind;
    CHECK(harness_until(is_written, &w, GUEST_MS));
    kill_agent();
    go_on(across);
    go_on(behind);
    check_end_of(across, 7, 2 * PART_BYTES);
    check_end_of(behind, 8, PART_BYTES);
}

static void a_disk_that_takes_no_writes(void)
{
    /* The guest's kernel does it behind the write. */
    harm_disk("echo u >/proc/sysrq-trigger; for i in $(seq 100); do "
              "touch /work/file 2>/dev/null || exit 0; sleep 0.1; done; exit 1");
}

static void a_disk_that_is_gone(void)
{
    harm_disk("disk=$(basename $(awk '$2 == \"/work\" { print $1 }' /proc/mounts)) && "
              "echo $(basename $(readlink -f /sys/block/$disk/device)) "
              ">/sys/bus/virtio/drivers/virtio_blk/unbind && ! test -e /sys/block/$disk");
}

int main(int argc, char **argv)
{
    struct steps_create how = {.name = "box", .work_disk_bytes = (uint64_t)WORK_DISK_MIB << 20};
    char id[STEPS_ID_BYTES];
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, &how, id, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(a_disk_that_takes_no_writes);
    RUN(a_disk_that_is_gone);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
