/* Overlays: made once, kept, grown, refused. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/qcow2_new.h"
#include "daemon/host/run.h"
#include "tests/support/check.h"

enum { TOOL_MS = 30000 };

static char dir[] = "/tmp/banger-qcow2-XXXXXX";
static char base[64], other[64], overlay[64], temp[64];

static void test_made_kept_and_grown(void)
{
    struct err err = ERR_INIT;
    struct qcow2_info info;
    struct stat first, second;
    /* What a crash left does not disturb. */
    CHECK_INT(fs_write_atomic(temp, "half", 4, 0600, &err), 0);
    CHECK_INT(qcow2_make_overlay(overlay, base, true, 0, -1, &err), 0);
    CHECK(access(temp, F_OK) < 0);
    CHECK_INT(qcow2_read(overlay, &info, &err), 0);
    CHECK_INT(info.virtual_bytes, 4 << 20);
    CHECK_STR(info.backing, base);
    CHECK_INT(stat(overlay, &first), 0);
    CHECK_INT(qcow2_make_overlay(overlay, base, true, 0, -1, &err), 0);
    CHECK_INT(stat(overlay, &second), 0);
    CHECK_INT(second.st_ino, first.st_ino);
    CHECK_INT(qcow2_make_overlay(overlay, base, true, 9 << 20, -1, &err), 0);
    CHECK_INT(qcow2_read(overlay, &info, &err), 0);
    CHECK_INT(info.virtual_bytes, 9 << 20);
    CHECK_INT(stat(overlay, &second), 0);
    CHECK_INT(second.st_ino, first.st_ino);
}

static void test_refused(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(qcow2_make_overlay(overlay, base, true, 1 << 20, -1, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_make_overlay(overlay, base, true, 8 << 20, -1, &err), -1); /* shrink */
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_make_overlay(overlay, other, true, 0, -1, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_INT(qcow2_make_overlay(base, other, true, 0, -1, &err), -1); /* no qcow2 there */
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_make_overlay("json:x", base, true, 0, -1, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_make_overlay(overlay, "/nonexistent", true, 0, -1, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

static void make(const char *path)
{
    auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, 4 << 20), 0);
}

/* A state folder that was moved: images and VMs are elsewhere, together. */
static void test_backing_that_was_moved(void)
{
    struct err err = ERR_INIT;
    struct qcow2_info info;
    char from[80], to[80], image[100], moved[100], layer[100], moved_layer[100];
    snprintf(from, sizeof(from), "%s/from", dir);
    snprintf(to, sizeof(to), "%s/to", dir);
    snprintf(image, sizeof(image), "%s/abc/root.raw", from);
    snprintf(moved, sizeof(moved), "%s/abc/root.raw", to);
    snprintf(layer, sizeof(layer), "%s/system.qcow2", from);
    snprintf(moved_layer, sizeof(moved_layer), "%s/system.qcow2", to);
    char folder[90];
    snprintf(folder, sizeof(folder), "%s/abc", from);
    CHECK_INT(fs_make_dirs(folder, 0700, &err), 0);
    make(image);
    CHECK_INT(qcow2_make_overlay(layer, image, true, 0, -1, &err), 0);
    CHECK_INT(rename(from, to), 0);
    CHECK_INT(qcow2_make_overlay(moved_layer, moved, true, 8 << 20, -1, &err), 0);
    CHECK_INT(qcow2_read(moved_layer, &info, &err), 0);
    CHECK_STR(info.backing, moved);
    CHECK_INT(info.virtual_bytes, 8 << 20);
    /* Another image is another. */
    snprintf(image, sizeof(image), "%s/xbc", to);
    snprintf(folder, sizeof(folder), "%s/abc", to);
    CHECK_INT(rename(folder, image), 0);
    snprintf(image, sizeof(image), "%s/xbc/root.raw", to);
    CHECK_INT(qcow2_make_overlay(moved_layer, image, true, 0, -1, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
}

/* What qemu-img says of one, but for its name and what it takes of the disk. */
static void told(const char *path, char *text, size_t size)
{
    struct err err = ERR_INIT;
    struct run_result result;
    const char *argv[] = {"qemu-img", "info", "-f", "qcow2", "--output=json", path, NULL};
    CHECK_INT(run_program(argv, TOOL_MS, -1, &result, &err), 0);
    CHECK_INT(result.code, 0);
    json_t *o = json_loads(result.out, 0, NULL);
    json_object_del(o, "filename");
    json_object_del(o, "actual-size");
    json_object_del(o, "dirty-flag");
    char *found = json_dumps(o, JSON_SORT_KEYS);
    snprintf(text, size, "%s", found ? found : result.out);
    free(found);
    json_decref(o);
}

/* Ours is what qemu-img would have made, and as sound, at every size. */
static void test_the_same_as_qemu_img_makes(void)
{
    static const uint64_t sizes[] = {4 << 20,      (4 << 20) + 1,
                                     512ull << 20, (512ull << 20) + 512,
                                     20ull << 30,  (4ull << 40) + 1000};
    char ours[1024], theirs[1024];
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
        struct err err = ERR_INIT;
        char layer[70], size[32];
        bool raw = i % 2 == 0;
        const char *backing = raw ? base : overlay;
        snprintf(layer, sizeof(layer), "%s/layer", dir);
        snprintf(size, sizeof(size), "%llu",
                 (unsigned long long)(sizes[i / 2] + (raw ? 0 : 9 << 20)));
        CHECK_INT(qcow2_new_overlay(layer, backing, raw, strtoull(size, NULL, 10), &err), 0);
        const char *check[] = {"qemu-img", "check", "-q", "-f", "qcow2", layer, NULL};
        CHECK_INT(run_checked(check, TOOL_MS, -1, &err), 0);
        const char *write[] = {"qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 128k", layer, NULL};
        CHECK_INT(run_checked(write, TOOL_MS, -1, &err), 0);
        CHECK_INT(run_checked(check, TOOL_MS, -1, &err), 0);
        told(layer, ours, sizeof(ours));
        const char *create[] = {
            "qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", raw ? "raw" : "qcow2",
            layer,      size,     NULL};
        CHECK_INT(run_checked(create, TOOL_MS, -1, &err), 0);
        told(layer, theirs, sizeof(theirs));
        CHECK_STR(ours, theirs);
        CHECK_INT(unlink(layer), 0);
    }
}

static void test_new_ones_that_cannot_be(void)
{
    struct err err = ERR_INIT;
    char name[QCOW2_BACKING_BYTES + 1], layer[70];
    snprintf(layer, sizeof(layer), "%s/layer", dir);
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[QCOW2_BACKING_BYTES] = '\0';
    CHECK_INT(qcow2_new_overlay(layer, name, true, 4 << 20, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_new_overlay(layer, base, true, UINT64_MAX, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(qcow2_new_overlay("/dev/full/layer", base, true, 4 << 20, &err), -1);
    CHECK_INT(err.sys, ENOTDIR);
    CHECK(access(layer, F_OK) < 0);
    name[QCOW2_BACKING_BYTES - 1] = '\0'; /* the longest */
    CHECK_INT(qcow2_new_overlay(layer, name, true, 4 << 20, &err), 0);
    struct qcow2_info info;
    CHECK_INT(qcow2_read(layer, &info, &err), 0);
    CHECK_STR(info.backing, name);
}

static void test_overlay_of_an_overlay(void)
{
    struct err err = ERR_INIT;
    char second[70];
    uint64_t bytes = 0;
    snprintf(second, sizeof(second), "%s.2", overlay);
    CHECK_INT(qcow2_make_overlay(second, overlay, false, 0, -1, &err), 0);
    CHECK_INT(qcow2_virtual_size(second, false, &bytes, &err), 0);
    CHECK_INT(bytes, 9 << 20);
}

static void test_broken_headers(void)
{
    struct err err = ERR_INIT;
    struct qcow2_info info;
    auto_free char *good = NULL;
    size_t len;
    CHECK_INT(fs_read(overlay, 4 << 20, &good, &len, &err), 0);
    for (size_t cut = 0; cut < 80; cut += 7) {
        CHECK_INT(fs_write_atomic(temp, good, cut, 0600, &err), 0);
        CHECK_INT(qcow2_read(temp, &info, &err), -1);
    }
    static const size_t at[] = {0, 7, 8, 16, 17};
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        char was = good[at[i]];
        good[at[i]] = '\x7e';
        CHECK_INT(fs_write_atomic(temp, good, len, 0600, &err), 0);
        CHECK_INT(qcow2_read(temp, &info, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
        good[at[i]] = was;
    }
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(base, sizeof(base), "%s/base", dir);
    snprintf(other, sizeof(other), "%s/other", dir);
    snprintf(overlay, sizeof(overlay), "%s/overlay", dir);
    snprintf(temp, sizeof(temp), "%s/overlay.new", dir);
    make(base);
    make(other);
    RUN(test_made_kept_and_grown);
    RUN(test_refused);
    RUN(test_the_same_as_qemu_img_makes);
    RUN(test_new_ones_that_cannot_be);
    RUN(test_overlay_of_an_overlay);
    RUN(test_backing_that_was_moved);
    RUN(test_broken_headers);
    fs_remove_tree(dir, NULL);
    return check_end();
}
