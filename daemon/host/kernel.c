/* Importing a kernel as a task; see kernel.h and task.h.
 *
 * locate -> resolve -> files -> download -> unpack -> assemble. Where the files are at hand, the
 * three steps that speak to apt and the unpacking are skipped. self belongs to the loop's thread
 * between steps and to the worker inside one. */
#include "daemon/host/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/host/apt.h"
#include "daemon/host/digest.h"
#include "daemon/host/initramfs.h"
#include "daemon/host/module.h"
#include "daemon/host/namespace.h"
#include "daemon/host/publish.h"
#include "daemon/host/remove.h"
#include "daemon/host/room.h"
#include "daemon/host/unpack.h"
#include "daemon/host/vmlinux.h"

enum {
    KERNEL_IMAGE_MAX_BYTES = 256 << 20,
    KERNEL_ROOM_BYTES = 256 << 20, /* a package, unpacked, and what is made of it */
    KERNEL_APT_DEADLINE_MS = 60 * 1000,
    KERNEL_DOWNLOAD_DEADLINE_MS = 15 * 60 * 1000,
};

static const char kernel_meta_package[] = "linux-image-cloud-amd64";

struct kernel_import {
    struct task task;
    struct publish out;
    struct kernel kernel; /* the result */
    char cache_dir[PATH_BYTES], agent_path[PATH_BYTES];
    char vmlinuz_path[PATH_BYTES], modules_dir[PATH_BYTES]; /* "" until they are known */
    char version[128];
    bool version_given; /* else the kernel's own word counts, where it has one */
    bool ignore_host;
    char package[APT_NAME_BYTES]; /* linux-image-6.1.0-…-cloud-amd64 */
    char deb[APT_NAME_BYTES];     /* its file's name */
    uint64_t deb_bytes;
    char deb_path[PATH_BYTES + APT_NAME_BYTES]; /* in the cache */
    char fetch_dir[PATH_BYTES];                 /* in the cache, temporary */
    char tree_dir[PATH_BYTES + 16];             /* unpacked, inside out.temp */
    void (*done)(void *arg, const struct kernel *kernel, const struct err *err);
    void *arg;
};

/* locate */

/* The host's own cloud kernel, if it is readable and has its modules. */
static bool kernel_find_on_host(struct kernel_import *k)
{
    static const char prefix[] = "vmlinuz-", suffix[] = "-cloud-amd64";
    auto_dir DIR *dir = opendir("/boot");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) != 0 || n < sizeof(suffix) ||
            n > 100 || strcmp(entry->d_name + n - sizeof(suffix) + 1, suffix) != 0)
            continue;
        const char *version = entry->d_name + sizeof(prefix) - 1;
        snprintf(k->vmlinuz_path, sizeof(k->vmlinuz_path), "/boot/%s", entry->d_name);
        snprintf(k->modules_dir, sizeof(k->modules_dir), "/lib/modules/%s", version);
        if (access(k->vmlinuz_path, R_OK) == 0 && access(k->modules_dir, R_OK | X_OK) == 0) {
            snprintf(k->version, sizeof(k->version), "%s", version);
            return true;
        }
    }
    k->vmlinuz_path[0] = k->modules_dir[0] = '\0';
    return false;
}

static int kernel_locate(void *self, struct err *err)
{
    struct kernel_import *k = self;
    if (access(k->agent_path, R_OK) < 0)
        return err_sys(err, errno, "cannot read the guest agent %s", k->agent_path);
    if (room_check(k->out.temp, KERNEL_ROOM_BYTES, err) < 0)
        return -1;
    if (publish_begin(&k->out, err) < 0)
        return -1;
    if (k->vmlinuz_path[0] || (!k->ignore_host && kernel_find_on_host(k)))
        return 0;
    /* Pulls run one at a time: what is there now is of one that was killed. */
    if (host_remove_leftovers(k->cache_dir, err) < 0)
        log_err(LOG_LEVEL_WARN, NULL, err, "cannot tidy the cache");
    err_clear(err);
    return fs_make_dirs(k->cache_dir, 0755, err);
}

/* resolve, files, download: apt */

/* Every argv here begins with env LC_ALL=C: the answers are read by us. */
static int kernel_apt_run(struct kernel_import *k, const char *const *argv, const char *cwd,
                          int64_t deadline_ms, struct err *err)
{
    return task_run(&k->task, argv, NULL, cwd, deadline_ms, err);
}

static int kernel_apt_error(const struct child_exit *exit, struct err *err, const char *what)
{
    if (exit->code == 127)
        return err_set(err, ERR_NOT_FOUND,
                       "the kernel comes from Debian's package, but there is no apt here: give a "
                       "kernel and its modules as files instead");
    if (exit->timed_out)
        return err_set(err, ERR_DEADLINE, "apt does not answer about %s", what);
    return err_set(err, ERR_NOT_FOUND,
                   "apt knows no %s: run `apt-get update` as root (the host's apt sources need "
                   "Debian's main component)",
                   what);
}

static int kernel_resolve(void *self, struct err *err)
{
    struct kernel_import *k = self;
    const char *argv[] = {
        "env", "LC_ALL=C", "apt-cache", "show", "--no-all-versions", kernel_meta_package, NULL};
    if (k->vmlinuz_path[0])
        return task_skip(&k->task);
    return kernel_apt_run(k, argv, NULL, KERNEL_APT_DEADLINE_MS, err);
}

static int kernel_resolved(void *self, const struct child_exit *exit, struct err *err)
{
    struct kernel_import *k = self;
    if (exit->code != 0 ||
        apt_find_depends(exit->out, "linux-image-", "-cloud-amd64", k->package, NULL) < 0)
        return kernel_apt_error(exit, err, kernel_meta_package);
    return 0;
}

static int kernel_list_files(void *self, struct err *err)
{
    struct kernel_import *k = self;
    const char *argv[] = {"env",          "LC_ALL=C", "apt-get", "download",
                          "--print-uris", k->package, NULL};
    if (k->vmlinuz_path[0])
        return task_skip(&k->task);
    return kernel_apt_run(k, argv, k->out.temp, KERNEL_APT_DEADLINE_MS, err);
}

static int kernel_listed_files(void *self, const struct child_exit *exit, struct err *err)
{
    struct kernel_import *k = self;
    if (exit->code != 0 || apt_parse_uris(exit->out, k->deb, &k->deb_bytes, NULL) < 0)
        return kernel_apt_error(exit, err, k->package);
    snprintf(k->deb_path, sizeof(k->deb_path), "%s/%s", k->cache_dir, k->deb);
    return 0;
}

static bool kernel_is_cached(const struct kernel_import *k)
{
    struct stat st;
    return stat(k->deb_path, &st) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == k->deb_bytes;
}

static int kernel_download(void *self, struct err *err)
{
    struct kernel_import *k = self;
    static const char *const args[] = {
        "apt-get", "-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download"};
    struct namespace_argv a;
    if (k->vmlinuz_path[0] || kernel_is_cached(k))
        return task_skip(&k->task);
    if (mkdir(k->fetch_dir, 0755) < 0)
        return err_sys(err, errno, "cannot create folder %s", k->fetch_dir);
    namespace_argv_init(&a, NAMESPACE_NONE);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        namespace_argv_add(&a, args[i]);
    namespace_argv_add(&a, k->package);
    return kernel_apt_run(k, a.argv, k->fetch_dir, KERNEL_DOWNLOAD_DEADLINE_MS, err);
}

/* apt has checked the hash; a half file never gets the final name. */
static int kernel_downloaded(void *self, const struct child_exit *exit, struct err *err)
{
    struct kernel_import *k = self;
    char from[PATH_BYTES + APT_NAME_BYTES];
    if (exit->code != 0) {
        task_child_error(exit, "apt-get download", err);
        err->code = ERR_UNAVAILABLE;
        return err_wrap(err, "cannot download %s (stale lists? run `apt-get update` as root)",
                        k->package);
    }
    snprintf(from, sizeof(from), "%s/%s", k->fetch_dir, k->deb);
    if (rename(from, k->deb_path) < 0)
        return err_sys(err, errno, "cannot keep %s", k->deb_path);
    return 0;
}

/* unpack, assemble: files */

static int kernel_unpack(void *self, struct err *err)
{
    struct kernel_import *k = self;
    if (k->vmlinuz_path[0])
        return 0;
    if (fs_make_dirs(k->tree_dir, 0755, err) < 0)
        return -1;
    if (unpack_kernel_package(k->deb_path, k->tree_dir, k->version, sizeof(k->version),
                              &k->task.cancelled, err) < 0) {
        unlink(k->deb_path); /* whatever is wrong with it, the next try should fetch it again */
        return -1;
    }
    if ((size_t)snprintf(k->vmlinuz_path, PATH_BYTES, "%s/vmlinuz", k->tree_dir) >= PATH_BYTES)
        return err_set(err, ERR_INVALID, "path too long: %s", k->tree_dir);
    snprintf(k->modules_dir, PATH_BYTES, "%.*s", PATH_BYTES - 1, k->tree_dir);
    return 0;
}

static int kernel_write_vmlinux(struct kernel_import *k, struct err *err)
{
    auto_free char *image = NULL;
    auto_free uint8_t *elf = NULL;
    size_t len, elf_len;
    char path[PATH_BYTES + 16];
    if (fs_read(k->vmlinuz_path, KERNEL_IMAGE_MAX_BYTES, &image, &len, err) < 0)
        return -1;
    if (vmlinux_extract((const uint8_t *)image, len, &elf, &elf_len, err) < 0 ||
        vmlinux_check(elf, elf_len, err) < 0)
        return err_wrap(err, "%s", k->vmlinuz_path);
    if (!k->version_given)
        vmlinux_release(elf, elf_len, k->version, sizeof(k->version));
    snprintf(path, sizeof(path), "%s/vmlinux", k->out.temp);
    if (fs_write_atomic(path, elf, elf_len, 0644, err) < 0)
        return -1;
    return digest_bytes(elf, elf_len, k->kernel.digest, err);
}

static int kernel_write_modules(struct kernel_import *k, const struct module_set *set,
                                struct err *err)
{
    char path[PATH_BYTES + 128], order[MODULE_SET_MAX * 72] = "";
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/modules", k->out.temp);
    if (fs_make_dirs(path, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < set->n; i++) {
        const struct module *m = &set->at[i];
        snprintf(path, sizeof(path), "%s/modules/%s.ko", k->out.temp, m->name);
        if (fs_write_atomic(path, m->content, m->len, 0644, err) < 0)
            return -1;
        n += (size_t)snprintf(order + n, sizeof(order) - n, "%s.ko\n", m->name);
    }
    snprintf(path, sizeof(path), "%s/modules/order", k->out.temp);
    if (fs_write_atomic(path, order, n, 0644, err) < 0)
        return -1;
    /* What is published can be imported again: it says which modules are no files. */
    snprintf(path, sizeof(path), "%s/modules/modules.builtin", k->out.temp);
    return fs_write_atomic(path, set->builtin, strlen(set->builtin), 0644, err);
}

static int kernel_write_initramfs(struct kernel_import *k, struct err *err)
{
    char modules[PATH_BYTES + 16], path[PATH_BYTES + 16];
    snprintf(modules, sizeof(modules), "%s/modules", k->out.temp);
    snprintf(path, sizeof(path), "%s/initramfs.cpio", k->out.temp);
    return initramfs_write(k->agent_path, modules, path, NULL, err);
}

static int kernel_assemble(void *self, struct err *err)
{
    struct kernel_import *k = self;
    struct module_set set = {.n = 0, .builtin = NULL};
    if (kernel_write_vmlinux(k, err) < 0)
        return -1;
    int rc = module_collect(k->modules_dir, module_guest_wants, module_guest_wants_n, &set, err);
    if (rc == 0)
        rc = kernel_write_modules(k, &set, err);
    module_set_done(&set);
    if (rc < 0 || kernel_write_initramfs(k, err) < 0 || fs_remove_tree(k->tree_dir, err) < 0)
        return -1;
    struct kernel *out = &k->kernel;
    snprintf(out->id, sizeof(out->id), "%s", k->out.id);
    snprintf(out->version, sizeof(out->version), "%s", k->version);
    snprintf(out->name, sizeof(out->name), "%s%.100s", k->package[0] ? "debian-" : "", k->version);
    snprintf(out->vmlinux_path, sizeof(out->vmlinux_path), "%.480s/vmlinux", k->out.folder);
    snprintf(out->initramfs_path, sizeof(out->initramfs_path), "%.480s/initramfs.cpio",
             k->out.folder);
    out->created_ns = clock_real_ns();
    return publish_commit(&k->out, err);
}

static const struct task_step kernel_steps[] = {
    {.name = "locate", .percent = 0, .work = kernel_locate},
    {.name = "resolve", .percent = 2, .spawn = kernel_resolve, .exited = kernel_resolved},
    {.name = "resolve", .percent = 5, .spawn = kernel_list_files, .exited = kernel_listed_files},
    {.name = "download", .percent = 10, .spawn = kernel_download, .exited = kernel_downloaded},
    {.name = "unpack", .percent = 50, .work = kernel_unpack},
    {.name = "assemble", .percent = 80, .work = kernel_assemble},
};

static void kernel_cleanup(void *self, bool failed)
{
    struct kernel_import *k = self;
    struct err err = ERR_INIT;
    (void)failed; /* after a success both are gone already */
    if (publish_abort(&k->out, &err) < 0 || fs_remove_tree(k->fetch_dir, &err) < 0)
        log_err(LOG_LEVEL_WARN, NULL, &err, "temporary files stay until the next start");
}

static void kernel_finished(void *self, const struct err *err)
{
    struct kernel_import *k = self;
    k->done(k->arg, err ? NULL : &k->kernel, err);
    free(k);
}

static int kernel_copy(char *to, size_t size, const char *from, struct err *err)
{
    if ((size_t)snprintf(to, size, "%s", from ? from : "") < size)
        return 0;
    return err_set(err, ERR_INVALID, "path too long: %s", from);
}

static int kernel_take_spec(struct kernel_import *k, const struct kernel_import_spec *spec,
                            struct err *err)
{
    if (!spec->vmlinuz_path != !spec->modules_dir)
        return err_set(err, ERR_INVALID, "a kernel file needs its modules folder, and vice versa");
    if (publish_init(&k->out, spec->kernels_dir, spec->id, err) < 0 ||
        kernel_copy(k->cache_dir, PATH_BYTES - 64, spec->cache_dir, err) < 0 ||
        kernel_copy(k->agent_path, PATH_BYTES, spec->agent_path, err) < 0 ||
        kernel_copy(k->vmlinuz_path, PATH_BYTES, spec->vmlinuz_path, err) < 0 ||
        kernel_copy(k->modules_dir, PATH_BYTES, spec->modules_dir, err) < 0)
        return -1;
    snprintf(k->fetch_dir, sizeof(k->fetch_dir), "%.480s/.tmp-%s", k->cache_dir, k->out.id);
    snprintf(k->tree_dir, sizeof(k->tree_dir), "%s/tree", k->out.temp);
    const char *version = spec->version;
    k->version_given = version != NULL;
    if (!version && spec->modules_dir) {
        const char *slash = strrchr(spec->modules_dir, '/');
        version = slash && slash[1] ? slash + 1 : "unknown";
    }
    return kernel_copy(k->version, sizeof(k->version), version, err);
}

struct kernel_import *kernel_import_start(struct loop *loop, struct workers *workers,
                                          const struct kernel_import_spec *spec, struct err *err)
{
    struct kernel_import *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    k->ignore_host = spec->ignore_host;
    k->done = spec->done;
    k->arg = spec->arg;
    k->task.loop = loop;
    k->task.workers = workers;
    k->task.steps = kernel_steps;
    k->task.n_steps = sizeof(kernel_steps) / sizeof(kernel_steps[0]);
    k->task.self = k;
    k->task.cleanup = kernel_cleanup;
    k->task.finished = kernel_finished;
    k->task.progress = spec->progress;
    k->task.progress_arg = spec->arg;
    if (kernel_take_spec(k, spec, err) == 0 && task_start(&k->task, err) == 0)
        return k;
    free(k);
    return NULL;
}

void kernel_import_cancel(struct kernel_import *k)
{
    task_cancel(&k->task);
}
