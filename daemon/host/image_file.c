/* Importing a disk image; see image_file.h. */
#include "daemon/host/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/host/copy.h"
#include "daemon/host/digest.h"
#include "daemon/host/publish.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/room.h"

enum {
    QCOW2_FEATURES_AT = 72, /* incompatible features, 8 bytes, of version 3 */
    QCOW2_DATA_FILE = 4,    /* the lowest byte's bit for an external data file */
};
static const uint64_t virtual_max = UINT64_C(16) << 40;

struct image_file_import {
    struct task task;
    struct publish out;
    struct image image;
    char source[PATH_BYTES], temp_file[PATH_BYTES + 32];
    void (*done)(void *arg, const struct image *image, const struct err *err);
    void *arg;
};

static bool has_data_file(int fd)
{
    uint8_t version[4], features[8];
    return pread(fd, version, sizeof(version), 4) == sizeof(version) && version[3] >= 3 &&
           pread(fd, features, sizeof(features), QCOW2_FEATURES_AT) == sizeof(features) &&
           features[7] & QCOW2_DATA_FILE;
}

/* A qcow2 header may name other files of the host, to read from or to write to; such an image is
 * refused. Fills format and size. */
static int look_at(const char *path, struct image *image, struct err *err)
{
    /* A pipe would hold the worker until someone writes to it. */
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    struct qcow2_info info;
    struct err not_qcow2;
    bool raw = qcow2_read(path, &info, &not_qcow2) < 0;
    if (!raw && *info.backing)
        return err_set(err, ERR_INVALID,
                       "%s has a backing file, %s: flatten it with qemu-img convert", path,
                       info.backing);
    if (!raw && has_data_file(fd))
        return err_set(err, ERR_INVALID,
                       "%s keeps its data in another file: flatten it with qemu-img convert", path);
    image->format = raw ? IMAGE_RAW : IMAGE_QCOW2;
    if (qcow2_virtual_size(path, raw, &image->virtual_bytes, err) < 0)
        return -1;
    if (image->virtual_bytes < 1 << 20 || image->virtual_bytes % 512 ||
        image->virtual_bytes > virtual_max)
        return err_set(err, ERR_INVALID, "%s is not a disk image: its size is %llu bytes", path,
                       (unsigned long long)image->virtual_bytes);
    return 0;
}

static int check_step(void *self, struct err *err)
{
    struct image_file_import *i = self;
    struct stat st;
    if (look_at(i->source, &i->image, err) < 0)
        return -1;
    if (stat(i->source, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", i->source);
    return room_check(i->out.temp, (uint64_t)st.st_blocks * 512, err);
}

/* The source may have changed since it was looked at: what counts is the copy. */
static int check_copy(struct image_file_import *i, struct err *err)
{
    struct image copied = i->image;
    if (look_at(i->temp_file, &copied, err) < 0)
        return -1;
    if (copied.format != i->image.format)
        return err_set(err, ERR_ABORTED, "%s has changed meanwhile", i->source);
    i->image.virtual_bytes = copied.virtual_bytes;
    return 0;
}

static bool import_is_cancelled(void *arg)
{
    struct image_file_import *i = arg;
    return atomic_load(&i->task.cancelled);
}

static int copy_step(void *self, struct err *err)
{
    struct image_file_import *i = self;
    if (publish_begin(&i->out, err) < 0)
        return -1;
    const char *file = i->image.format == IMAGE_RAW ? "root.raw" : "root.qcow2";
    snprintf(i->temp_file, sizeof(i->temp_file), "%s/%s", i->out.temp, file);
    if ((size_t)snprintf(i->image.path, sizeof(i->image.path), "%s/%s", i->out.folder, file) >=
        sizeof(i->image.path))
        return err_set(err, ERR_INVALID, "the path of the images folder is too long");
    auto_fd int from = open(i->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    auto_fd int to = open(i->temp_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct stat st;
    if (from < 0 || to < 0 || fstat(from, &st) < 0)
        return err_sys(err, errno, "cannot copy %s to %s", i->source, i->temp_file);
    if (ioctl(to, FICLONE, from) < 0 && /* a reflink, where the file system has them */
        copy_sparse(from, to, (uint64_t)st.st_size, i->source, import_is_cancelled, i, err) < 0)
        return -1;
    return check_copy(i, err);
}

static int digest_step(void *self, struct err *err)
{
    struct image_file_import *i = self;
    struct stat st;
    if (digest_file(i->temp_file, &i->task.cancelled, i->image.digest, err) < 0)
        return -1;
    if (stat(i->temp_file, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", i->temp_file);
    i->image.file_bytes = (uint64_t)st.st_blocks * 512;
    return 0;
}

static int publish_step(void *self, struct err *err)
{
    struct image_file_import *i = self;
    return publish_commit(&i->out, err);
}

static const struct task_step import_steps[] = {
    {.name = "check", .percent = 0, .work = check_step},
    {.name = "copy", .percent = 5, .work = copy_step},
    {.name = "digest", .percent = 60, .work = digest_step},
    {.name = "publish", .percent = 95, .work = publish_step},
};

static void import_cleanup(void *self, bool failed)
{
    struct image_file_import *i = self;
    if (failed)
        publish_abort(&i->out, NULL);
}

static void import_finished(void *self, const struct err *err)
{
    struct image_file_import *i = self;
    i->image.created_ns = clock_real_ns();
    i->done(i->arg, err ? NULL : &i->image, err);
    free(i);
}

struct image_file_import *image_file_import_start(struct loop *loop, struct workers *workers,
                                                  const struct image_file_spec *spec,
                                                  struct err *err)
{
    struct image_file_import *i = calloc(1, sizeof(*i));
    if (!i) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    i->done = spec->done;
    i->arg = spec->arg;
    i->task = (struct task){
        .loop = loop,
        .workers = workers,
        .steps = import_steps,
        .n_steps = sizeof(import_steps) / sizeof(import_steps[0]),
        .self = i,
        .cleanup = import_cleanup,
        .finished = import_finished,
        .progress = spec->progress,
        .progress_arg = spec->arg,
    };
    snprintf(i->image.name, sizeof(i->image.name), "%s", spec->name);
    snprintf(i->image.os, sizeof(i->image.os), "Linux");
    if (spec->path[0] != '/' || strlen(spec->path) >= sizeof(i->source)) {
        err_set(err, ERR_INVALID, "path must be absolute and shorter than %zu bytes",
                sizeof(i->source));
        goto fail;
    }
    strcpy(i->source, spec->path);
    if (publish_init(&i->out, spec->images_dir, spec->id, err) < 0)
        goto fail;
    memcpy(i->image.id, i->out.id, sizeof(i->image.id));
    if (task_start(&i->task, err) == 0)
        return i;
fail:
    free(i);
    return NULL;
}

void image_file_import_cancel(struct image_file_import *i)
{
    task_cancel(&i->task);
}
