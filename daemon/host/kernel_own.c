/* Kernels with an initrd of their own; see kernel_own.h. One step: it takes seconds. */
#include "daemon/host/kernel_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/host/digest.h"
#include "daemon/host/publish.h"
#include "daemon/host/room.h"
#include "daemon/host/vmlinux.h"

enum {
    KERNEL_MAX_BYTES = 256 << 20,
    INITRD_MAX_BYTES = 512 << 20,
    INITRD_MIN_BYTES = 512, /* what is less is no archive */
    ROOM_BYTES = 256 << 20,
};

struct kernel_own_import {
    struct task task;
    struct publish out;
    struct kernel kernel; /* the result */
    char vmlinuz_path[PATH_BYTES], initrd_path[PATH_BYTES];
    void (*done)(void *arg, const struct kernel *kernel, const struct err *err);
    void *arg;
};

static int own_write_vmlinux(struct kernel_own_import *k, struct err *err)
{
    auto_free char *image = NULL;
    auto_free uint8_t *elf = NULL;
    size_t len, elf_len;
    char path[PATH_BYTES + 16];
    if (fs_read(k->vmlinuz_path, KERNEL_MAX_BYTES, &image, &len, err) < 0)
        return -1;
    if (vmlinux_extract((const uint8_t *)image, len, &elf, &elf_len, err) < 0 ||
        vmlinux_check(elf, elf_len, err) < 0)
        return err_wrap(err, "%s", k->vmlinuz_path);
    if (!vmlinux_release(elf, elf_len, k->kernel.version, sizeof(k->kernel.version)))
        snprintf(k->kernel.version, sizeof(k->kernel.version), "unknown");
    snprintf(path, sizeof(path), "%s/vmlinux", k->out.temp);
    if (fs_write_atomic(path, elf, elf_len, 0644, err) < 0)
        return -1;
    return digest_bytes(elf, elf_len, k->kernel.digest, err);
}

/* What is in it is the guest's business; the kernel says so where it cannot read it. */
static int own_write_initrd(struct kernel_own_import *k, struct err *err)
{
    auto_free char *data = NULL;
    size_t len;
    char path[PATH_BYTES + 16];
    if (fs_read(k->initrd_path, INITRD_MAX_BYTES, &data, &len, err) < 0)
        return -1;
    if (len < INITRD_MIN_BYTES)
        return err_set(err, ERR_INVALID, "%s is no initrd: it has %zu bytes", k->initrd_path, len);
    snprintf(path, sizeof(path), "%s/initramfs.cpio", k->out.temp);
    return fs_write_atomic(path, data, len, 0644, err);
}

static int own_work(void *self, struct err *err)
{
    struct kernel_own_import *k = self;
    struct kernel *out = &k->kernel;
    if (room_check(k->out.temp, ROOM_BYTES, err) < 0 || publish_begin(&k->out, err) < 0 ||
        own_write_vmlinux(k, err) < 0 || own_write_initrd(k, err) < 0)
        return -1;
    out->own_initrd = true;
    snprintf(out->id, sizeof(out->id), "%s", k->out.id);
    snprintf(out->name, sizeof(out->name), "%.100s-own", out->version);
    snprintf(out->vmlinux_path, sizeof(out->vmlinux_path), "%.480s/vmlinux", k->out.folder);
    snprintf(out->initramfs_path, sizeof(out->initramfs_path), "%.480s/initramfs.cpio",
             k->out.folder);
    out->created_ns = clock_real_ns();
    return publish_commit(&k->out, err);
}

static const struct task_step own_steps[] = {{.name = "import", .percent = 0, .work = own_work}};

static void own_cleanup(void *self, bool failed)
{
    struct kernel_own_import *k = self;
    struct err err = ERR_INIT;
    (void)failed; /* after a success it is gone already */
    if (publish_abort(&k->out, &err) < 0)
        log_err(LOG_LEVEL_WARN, NULL, &err, "temporary files stay until the next start");
}

static void own_finished(void *self, const struct err *err)
{
    struct kernel_own_import *k = self;
    k->done(k->arg, err ? NULL : &k->kernel, err);
    free(k);
}

struct kernel_own_import *kernel_own_import_start(struct loop *loop, struct workers *workers,
                                                  const struct kernel_own_spec *spec,
                                                  struct err *err)
{
    struct kernel_own_import *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    k->done = spec->done;
    k->arg = spec->arg;
    k->task.loop = loop;
    k->task.workers = workers;
    k->task.steps = own_steps;
    k->task.n_steps = sizeof(own_steps) / sizeof(own_steps[0]);
    k->task.self = k;
    k->task.cleanup = own_cleanup;
    k->task.finished = own_finished;
    k->task.progress = spec->progress;
    k->task.progress_arg = spec->arg;
    bool fits = snprintf(k->vmlinuz_path, PATH_BYTES, "%s", spec->vmlinuz_path) < PATH_BYTES &&
                snprintf(k->initrd_path, PATH_BYTES, "%s", spec->initrd_path) < PATH_BYTES;
    if (!fits)
        err_set(err, ERR_INVALID, "path too long");
    else if (publish_init(&k->out, spec->kernels_dir, spec->id, err) == 0 &&
             task_start(&k->task, err) == 0)
        return k;
    free(k);
    return NULL;
}

void kernel_own_import_cancel(struct kernel_own_import *k)
{
    task_cancel(&k->task);
}
