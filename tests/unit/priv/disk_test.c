/* Disks of the helper's, as far as they need no device-mapper (tests/testhost/dm_test.sh has that):
 * which files are taken, how large the second has to be, loop devices, names. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_cow.h"
#include "daemon/priv/priv_loop.h"
#include "daemon/priv/priv_serve.h"
#include "tests/support/check.h"

#define MIB ((uint64_t)1 << 20)

static const char vm_id[] = "0123456789abcdef", other_id[] = "fedcba9876543210";
static const struct priv_owner owner = {.uid = 1000, .state = "0badcafe"};
static char top[] = "/tmp/banger-disk-XXXXXX", image[64], cow[64];

/* Asking */

struct answer {
    uint32_t code;
    char reason[48], message[256];
};

static void on_packet(void *arg, const uint8_t *packet, size_t len)
{
    struct answer *a = arg;
    Banger__Priv__V1__Reply *m = banger__priv__v1__reply__unpack(NULL, len, packet);
    if (!CHECK(m != NULL))
        return;
    a->code = m->code;
    snprintf(a->reason, sizeof(a->reason), "%s", m->reason);
    snprintf(a->message, sizeof(a->message), "%s", m->message);
    banger__priv__v1__reply__free_unpacked(m, NULL);
}

static struct answer ask(bool disks, uint64_t bytes, int base_fd, int cow_fd)
{
    const struct priv_settings settings = {.disks = disks};
    const int fds[PRIV_FDS] = {base_fd, cow_fd};
    uint8_t packed[PRIV_REQUEST_BYTES];
    struct answer a = {.code = ERR_UNKNOWN};
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = BANGER__PRIV__V1__OPERATION__OPERATION_MAKE;
    r.kind = BANGER__PRIV__V1__KIND__KIND_DM;
    r.state = (char *)owner.state;
    r.vm = (char *)vm_id;
    r.bytes = bytes;
    size_t len = banger__priv__v1__request__pack(&r, packed);
    priv_serve(&settings, (uint32_t)geteuid(), packed, len, fds, on_packet, &a);
    return a;
}

static void refused(uint64_t bytes, int base_fd, int cow_fd, enum err_code code, const char *text)
{
    struct answer a = ask(true, bytes, base_fd, cow_fd);
    CHECK_INT(a.code, code);
    CHECK_CONTAINS(a.message, text);
}

static int open_image(int flags)
{
    return open(image, flags | O_CLOEXEC);
}

static int open_cow(int flags)
{
    return open(cow, flags | O_CLOEXEC);
}

/* As they should be: an image of 4 MiB, a disk of 8. */
static void make_files(void)
{
    auto_fd int base = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    auto_fd int changes = open(cow, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(base, 4 * MIB), 0);
    CHECK_INT(ftruncate(changes, (off_t)priv_cow_bytes(4 * MIB, 8 * MIB)), 0);
}

/* What is taken */

static void test_no_disks_unless_they_are_asked_for(void)
{
    auto_fd int base = open_image(O_RDONLY), changes = open_cow(O_RDWR);
    struct answer a = ask(false, 8 * MIB, base, changes);
    CHECK_INT(a.code, ERR_PRECONDITION);
    CHECK_STR(a.reason, "STORAGE_UNAVAILABLE");
    CHECK_CONTAINS(a.message, "--disks");
}

static void test_files_that_are_none_of_those_are_refused(void)
{
    int pair[2], ends[2];
    auto_fd int base = open_image(O_RDONLY), changes = open_cow(O_RDWR);
    auto_fd int folder = open(top, O_RDONLY | O_CLOEXEC),
                null = open("/dev/null", O_RDWR | O_CLOEXEC);
    auto_fd int proc = open("/proc/version", O_RDONLY | O_CLOEXEC);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    refused(8 * MIB, -1, -1, ERR_INVALID, "image");
    refused(8 * MIB, base, -1, ERR_INVALID, "copy-on-write file");
    refused(8 * MIB, folder, changes, ERR_INVALID, "plain file");
    refused(8 * MIB, null, changes, ERR_INVALID, "plain file");
    refused(8 * MIB, pair[0], changes, ERR_INVALID, "plain file");
    refused(8 * MIB, ends[0], changes, ERR_INVALID, "plain file");
    refused(8 * MIB, base, null, ERR_INVALID, "plain file");
    refused(8 * MIB, base, pair[0], ERR_INVALID, "plain file");
    refused(8 * MIB, proc, changes, ERR_INVALID, "no disk"); /* it has no bytes */
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(ends[i]);
    }
}

/* What its caller may not do is not done for him. */
static void test_files_are_to_be_open_for_what_is_done_to_them(void)
{
    auto_fd int base = open_image(O_RDONLY), changes = open_cow(O_RDWR);
    auto_fd int written = open_image(O_WRONLY), named = open_image(O_PATH);
    auto_fd int read = open_cow(O_RDONLY), appended = open_cow(O_WRONLY);
    auto_fd int named_too = open_cow(O_PATH);
    refused(8 * MIB, written, changes, ERR_DENIED, "reading");
    refused(8 * MIB, named, changes, ERR_DENIED, "reading");
    refused(8 * MIB, base, read, ERR_DENIED, "writing");
    refused(8 * MIB, base, appended, ERR_DENIED, "writing");
    refused(8 * MIB, base, named_too, ERR_DENIED, "writing");
    if (geteuid() == 0) {
        CHECK_INT(chown(cow, 12345, 12345), 0);
        refused(8 * MIB, base, changes, ERR_DENIED, "another's");
        CHECK_INT(chown(cow, 0, 0), 0);
    }
}

static void test_sizes_are_to_fit(void)
{
    auto_fd int base = open_image(O_RDWR), changes = open_cow(O_RDWR);
    refused(2 * MIB, base, changes, ERR_INVALID, "no less");
    refused(8 * MIB + 1, base, changes, ERR_INVALID, "whole sectors");
    refused(UINT64_MAX - 511, base, changes, ERR_INVALID, "no disk");
    refused(9 * MIB, base, changes, ERR_INVALID, "bytes and not");
    CHECK_INT(ftruncate(changes, 0), 0);
    refused(8 * MIB, base, changes, ERR_INVALID, "bytes and not");
    CHECK_INT(ftruncate(changes, (off_t)priv_cow_bytes(4 * MIB, 8 * MIB) + 512), 0);
    refused(8 * MIB, base, changes, ERR_INVALID, "bytes and not");
    CHECK_INT(ftruncate(base, 4 * MIB + 100), 0);
    refused(8 * MIB, base, changes, ERR_INVALID, "whole sectors");
    make_files();
}

/* What the kernel's store takes of its file when every chunk of the base is written, as it gives
 * them out (drivers/md/dm-snap-persistent.c, persistent_prepare_exception). */
static uint64_t store_chunks(uint64_t base_bytes)
{
    const uint64_t per_area = PRIV_COW_CHUNK / PRIV_COW_REFERENCE;
    uint64_t next = 2; /* behind the header and the first area */
    for (uint64_t n = (base_bytes + PRIV_COW_CHUNK - 1) / PRIV_COW_CHUNK; n > 0; n--) {
        next++;
        if (next % (per_area + 1) == 1)
            next++;
    }
    return next;
}

static void test_the_store_never_runs_full(void)
{
    for (uint64_t bytes = PRIV_SECTOR; bytes <= 4096 * MIB;
         bytes = bytes * 3 / 2 / 512 * 512 + 512) {
        /* the kernel wants a chunk more than it has given out, and clears the area behind */
        CHECK((store_chunks(bytes) + 2) * PRIV_COW_CHUNK <= priv_cow_store_bytes(bytes));
        CHECK(priv_cow_store_bytes(bytes) < bytes + bytes / 128 + 2 * MIB);
        CHECK_INT(priv_cow_bytes(bytes, bytes + MIB) - priv_cow_store_bytes(bytes), MIB);
    }
}

/* Loop devices */

static void test_a_loop_device_goes_with_the_last_that_has_it_open(void)
{
    struct err err = ERR_INIT;
    struct loop_device loop;
    char text[8] = "";
    auto_fd int base = open_image(O_RDWR), changes = open_cow(O_RDWR), given = open_image(O_RDONLY);
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0) {
        printf("     left out: it needs root and /dev/loop-control\n");
        return;
    }
    CHECK_INT(pwrite(base, "content", 7, 0), 7);
    CHECK_INT(fsync(base), 0);
    if (!CHECK_INT(loop_attach(given, true, &loop, &err), 0)) {
        fprintf(stderr, "%s\n", err.message);
        return;
    }
    CHECK_INT(pread(loop.fd, text, 7, 0), 7);
    CHECK_STR(text, "content");
    CHECK(loop_is_of(loop.number, given));
    CHECK(!loop_is_of(loop.number, changes));
    char path[32];
    snprintf(path, sizeof(path), "/dev/loop%u", (unsigned)(loop.number & 255));
    int again = open(path, O_RDWR | O_CLOEXEC);
    CHECK(again < 0 || write(again, "x", 1) < 0 || fsync(again) < 0); /* it is for reading */
    if (again >= 0)
        close(again);
    again = open(path, O_RDONLY | O_CLOEXEC);
    close(loop.fd);
    CHECK(loop_is_of(loop.number, given));
    close(again);
    CHECK(!loop_is_of(loop.number, given));

    CHECK_INT(loop_attach(changes, false, &loop, &err), 0);
    CHECK_INT(pwrite(loop.fd, "written", 7, 512), 7);
    CHECK_INT(fsync(loop.fd), 0);
    CHECK_INT(pread(changes, text, 7, 512), 7);
    CHECK_STR(text, "written");
    close(loop.fd);
    CHECK(!loop_is_of(loop.number, changes));
    auto_fd int folder = open(top, O_RDONLY | O_CLOEXEC);
    CHECK_INT(loop_attach(folder, true, &loop, &err), -1);
    CHECK_CONTAINS(err.message, "/dev/loop");
}

/* Names */

static void test_a_uuid_is_its_owners(void)
{
    static const struct priv_owner user = {.uid = 1001, .state = "0badcafe"},
                                   folder = {.uid = 1000, .state = "0badcaff"};
    char name[PRIV_DM_BYTES], other[PRIV_DM_BYTES], uuid[PRIV_LABEL_BYTES], id[ID_BYTES];
    priv_dm_name(&owner, vm_id, name);
    priv_dm_name(&owner, other_id, other);
    CHECK(strcmp(name, other) != 0);
    priv_dm_name(&user, vm_id, other);
    CHECK(strcmp(name, other) != 0);
    CHECK(priv_is_dm_name(name));
    CHECK(!priv_is_dm_name("banger-") && !priv_is_dm_name("vg-root"));
    CHECK_INT(strlen(name), PRIV_DM_BYTES - 4);
    priv_dm_uuid(&owner, vm_id, uuid);
    CHECK_STR(uuid, "banger-1000-0badcafe-0123456789abcdef");
    CHECK(priv_dm_uuid_read(&owner, uuid, id));
    CHECK_STR(id, vm_id);
    CHECK(!priv_dm_uuid_read(&user, uuid, id));
    CHECK(!priv_dm_uuid_read(&folder, uuid, id));
    const char *strangers[] = {"", "LVM-abc", "banger 1000 0badcafe 0123456789abcdef",
                               "banger-1000-0badcafe-0123456789abcdef-x",
                               "banger-01000-0badcafe-0123456789abcdef"};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
        CHECK(!priv_dm_uuid_read(&owner, strangers[i], id));
}

int main(void)
{
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    snprintf(image, sizeof(image), "%s/image", top);
    snprintf(cow, sizeof(cow), "%s/cow", top);
    make_files();
    RUN(test_no_disks_unless_they_are_asked_for);
    RUN(test_files_that_are_none_of_those_are_refused);
    RUN(test_files_are_to_be_open_for_what_is_done_to_them);
    RUN(test_sizes_are_to_fit);
    RUN(test_the_store_never_runs_full);
    RUN(test_a_loop_device_goes_with_the_last_that_has_it_open);
    RUN(test_a_uuid_is_its_owners);
    unlink(image);
    unlink(cow);
    rmdir(top);
    return check_end();
}
