/* daemon/host/image_file: what is imported, byte by byte, from file systems of another kind too,
 * and what is refused because it names other files of the host. */
#include "daemon/host/image_file.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/room.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

enum { DISK_BYTES = 4 << 20, DATA_AT = 3 << 20, WAIT_MS = 30000 };

static const char *folder;

struct imported {
    struct loop *loop;
    struct image image;
    struct err err;
    bool done;
};

static void on_done(void *arg, const struct image *image, const struct err *err)
{
    struct imported *r = arg;
    r->done = true;
    if (image)
        r->image = *image;
    if (err)
        r->err = *err;
    loop_stop(r->loop);
}

static void on_late(void *arg)
{
    struct imported *r = arg;
    loop_stop(r->loop);
}

static struct imported import(const char *path)
{
    char images[256];
    struct imported r = {.loop = loop_new(NULL)};
    struct workers *workers = workers_new(r.loop, "work", 1, 8, &r.err);
    struct timer late;
    snprintf(images, sizeof(images), "%s/images", folder);
    const struct image_file_spec spec = {
        .images_dir = images, .path = path, .name = "disk", .done = on_done, .arg = &r};
    timer_init(&late, r.loop, on_late, &r);
    timer_start(&late, WAIT_MS);
    struct image_file_import *i = image_file_import_start(r.loop, workers, &spec, &r.err);
    if (i) {
        loop_run(r.loop, NULL);
        CHECK(r.done);
    }
    timer_done(&late);
    workers_close(workers);
    loop_free(r.loop);
    return r;
}

/* A disk with a hole, some data, and a hole at the end. */
static void make_disk(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, DISK_BYTES), 0);
    CHECK_INT(pwrite(fd, "data", 4, DATA_AT), 4);
    close(fd);
}

static void check_disk(const struct imported *r)
{
    char *data = NULL;
    size_t len = 0;
    struct stat st;
    if (!CHECK_INT(r->err.code, ERR_NONE)) {
        fprintf(stderr, "  (%s)\n", r->err.message);
        return;
    }
    CHECK_INT(r->image.format, IMAGE_RAW);
    CHECK_INT(r->image.virtual_bytes, DISK_BYTES);
    CHECK_INT(stat(r->image.path, &st), 0);
    CHECK(st.st_blocks * 512 < DISK_BYTES); /* holes stay holes */
    CHECK_INT(fs_read(r->image.path, DISK_BYTES, &data, &len, NULL), 0);
    CHECK_INT(len, DISK_BYTES);
    CHECK(len == DISK_BYTES && memcmp(data + DATA_AT, "data", 4) == 0 && data[0] == 0 &&
          data[DISK_BYTES - 1] == 0);
    free(data);
}

static void test_disk_with_holes(void)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/disk", folder);
    make_disk(path);
    struct imported r = import(path);
    check_disk(&r);
}

static void test_disk_of_another_file_system(void)
{
    char other[] = "/dev/shm/banger-XXXXXX", path[64];
    if (!mkdtemp(other)) {
        printf("     no /dev/shm: only one kind of file system was tried\n");
        return;
    }
    snprintf(path, sizeof(path), "%s/disk", other);
    make_disk(path);
    struct imported r = import(path);
    check_disk(&r);
    CHECK_INT(fs_remove_tree(other, NULL), 0);
}

/* A version 3 header of 1 MiB; see the format's description in qcow2.c. */
static void make_qcow2(const char *name, const char *backing, uint8_t features)
{
    static uint8_t file[65536];
    memset(file, 0, sizeof(file));
    memcpy(file, "QFI\xfb", 4);
    file[7] = 3;
    file[24 + 5] = 0x10; /* 1 MiB */
    file[79] = features;
    if (backing) {
        file[8 + 6] = 2; /* at 512 */
        file[19] = (uint8_t)strlen(backing);
        memcpy(file + 512, backing, strlen(backing));
    }
    made_file(folder, name, file, sizeof(file));
}

static void check_refused(const char *name, const char *why)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct imported r = import(path);
    CHECK_INT(r.err.code, ERR_INVALID);
    CHECK_CONTAINS(r.err.message, why);
}

static void test_what_names_other_files_is_refused(void)
{
    char path[256];
    make_qcow2("plain", NULL, 0);
    snprintf(path, sizeof(path), "%s/plain", folder);
    struct imported r = import(path);
    CHECK_INT(r.err.code, ERR_NONE);
    CHECK_INT(r.image.format, IMAGE_QCOW2);
    CHECK_INT(r.image.virtual_bytes, 1 << 20);
    make_qcow2("backed", "/etc/shadow", 0);
    check_refused("backed", "has a backing file, /etc/shadow");
    make_qcow2("external", NULL, 4);
    check_refused("external", "keeps its data in another file");
}

static void test_what_is_no_disk_is_refused(void)
{
    char path[256];
    made_file(folder, "small", "no disk", 7);
    check_refused("small", "not a disk image");
    snprintf(path, sizeof(path), "%s/pipe", folder);
    CHECK_INT(mkfifo(path, 0600), 0);
    check_refused("pipe", "not a regular file");
    snprintf(path, sizeof(path), "%s/huge", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool sized = ftruncate(fd, (off_t)1 << 45) == 0; /* ext4 ends at 16 TiB */
    close(fd);
    if (sized)
        check_refused("huge", "not a disk image");
}

/* Nothing is copied before it is known to fit. */
static void test_what_does_not_fit_is_refused_before_it_is_copied(void)
{
    char path[256], images[256], found[32];
    snprintf(path, sizeof(path), "%s/disk", folder);
    snprintf(images, sizeof(images), "%s/images", folder);
    make_disk(path);
    CHECK_INT(fs_make_dirs(images, 0700, NULL), 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", images, "tmpfs", 0, "size=8m") < 0) {
        printf("     no mount namespace here: no small file system was tried\n");
        return;
    }
    struct imported r = import(path);
    CHECK_INT(r.err.code, ERR_LIMIT);
    CHECK_STR(r.err.reason, "DISK_FULL");
    CHECK_STR(r.err.stage, "check");
    snprintf(found, sizeof(found), "%d are free", 8 << 20);
    CHECK_CONTAINS(r.err.message, found);
    CHECK_INT(umount(images), 0);
}

static void test_room_is_counted_with_a_reserve(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(room_check(folder, (uint64_t)1 << 62, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_STR(err.reason, "DISK_FULL");
    CHECK_CONTAINS(err.message, "4611686018427387904 bytes are needed");
    CHECK_INT(room_check("/no/such/folder/at/all", (uint64_t)1 << 62, &err), -1);
    CHECK_STR(err.reason, "DISK_FULL"); /* of what is above it */
}

int main(void)
{
    folder = made_folder();
    RUN(test_disk_with_holes);
    RUN(test_disk_of_another_file_system);
    RUN(test_what_names_other_files_is_refused);
    RUN(test_what_is_no_disk_is_refused);
    RUN(test_room_is_counted_with_a_reserve);
    RUN(test_what_does_not_fit_is_refused_before_it_is_copied);
    made_folder_done();
    return check_end();
}
