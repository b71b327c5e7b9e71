/* Makes what tests boot: a kernel with our initramfs, and a root image, by the product's own code.
 *
 *   test_assets FOLDER AGENT [--own | --debian NAME SUITE PACKAGE…]
 *
 * Idempotent: FOLDER/assets.json names what is there; the initramfs is written again when the agent
 * differs, the rest when it is missing. A lock keeps two runs apart. Prints progress on stderr.
 * --own: also FOLDER/own/{root.raw,vmlinuz,initrd.img}, a Debian that boots its own way. --debian:
 * also FOLDER/NAME with the same, of that suite and with those packages, a kernel's among them. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/initramfs.h"
#include "daemon/host/kernel.h"
#include "daemon/host/remove.h"
#include "daemon/host/rootfs.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct assets {
    struct loop *loop;
    struct workers *workers;
    const char *folder, *agent;
    struct kernel kernel;
    struct image image;
    bool failed;
};

static void assets_progress(void *arg, const char *stage, uint32_t percent, const char *message)
{
    (void)arg;
    fprintf(stderr, "%3u%% %s%s%s\n", percent, stage, *message ? ": " : "", message);
}

static void assets_ended(struct assets *a, const struct err *err)
{
    if (err)
        fprintf(stderr, "test_assets: %s%s%s\n", err->stage, err->stage[0] ? ": " : "",
                err->message);
    a->failed = a->failed || err;
    loop_stop(a->loop);
}

static void assets_kernel_done(void *arg, const struct kernel *kernel, const struct err *err)
{
    struct assets *a = arg;
    if (kernel)
        a->kernel = *kernel;
    assets_ended(a, err);
}

static void assets_image_done(void *arg, const struct image *image, const struct err *err)
{
    struct assets *a = arg;
    if (image)
        a->image = *image;
    assets_ended(a, err);
}

static void assets_initramfs_done(void *arg, bool written, const struct err *err)
{
    if (written)
        fprintf(stderr, "initramfs written for this agent\n");
    assets_ended(arg, err);
}

/* The loop runs until the done callback of what was started stops it. */
static int assets_await(struct assets *a, bool started, const struct err *err)
{
    struct err copy = *err;
    if (!started)
        fprintf(stderr, "test_assets: %s\n", copy.message);
    else if (loop_run(a->loop, &copy) == 0 && !a->failed)
        return 0;
    return -1;
}

static int assets_make_kernel(struct assets *a)
{
    struct err err = ERR_INIT;
    char kernels[PATH_MAX], cache[PATH_MAX];
    snprintf(kernels, sizeof(kernels), "%s/kernels", a->folder);
    /* Beside the folder: the package outlives a change of the recipe that names the folder. */
    snprintf(cache, sizeof(cache), "%s/../packages", a->folder);
    if (a->kernel.id[0] && access(a->kernel.vmlinux_path, R_OK) == 0)
        return assets_await(a,
                            initramfs_refresh_start(a->workers, a->agent, &a->kernel,
                                                    assets_initramfs_done, a, &err) == 0,
                            &err);
    struct kernel_import_spec spec = {
        .kernels_dir = kernels,
        .cache_dir = cache,
        .agent_path = a->agent,
        .progress = assets_progress,
        .done = assets_kernel_done,
        .arg = a,
    };
    host_remove_leftovers(kernels, NULL);
    return assets_await(a, kernel_import_start(a->loop, a->workers, &spec, &err), &err);
}

static int assets_make_image(struct assets *a)
{
    struct err err = ERR_INIT;
    char images[PATH_MAX];
    snprintf(images, sizeof(images), "%s/images", a->folder);
    if (a->image.id[0] && access(a->image.path, R_OK) == 0)
        return 0;
    struct rootfs_build_spec spec = {
        .images_dir = images,
        .progress = assets_progress,
        .done = assets_image_done,
        .arg = a,
    };
    host_remove_leftovers(images, NULL);
    return assets_await(a, rootfs_build_start(a->loop, a->workers, &spec, &err), &err);
}

/* One that boots its own way; 0 and NULL: as images are by default. */
struct debian {
    const char *name, *suite;
    uint64_t disk_bytes;
    const char *const *packages;
};

static const char *const own_packages[] = {
    "systemd-sysv", "dbus", "openssh-server", "linux-image-cloud-amd64", "initramfs-tools", NULL};
static const struct debian own_debian = {.name = "own", .packages = own_packages};

/* Its kernel and initrd, as the packages have left them in /boot. */
static int assets_take_boot(const char *folder)
{
    char command[4 * PATH_MAX];
    snprintf(
        command, sizeof(command),
        "cd '%s' && for f in vmlinuz initrd.img; do "
        "name=$(debugfs -R 'ls -p /boot' root.raw 2>/dev/null | cut -d/ -f6 | grep \"^$f-\") && "
        "debugfs -R \"dump /boot/$name $f.new\" root.raw 2>/dev/null && test -s $f.new && "
        "mv $f.new $f || exit 1; done",
        folder);
    if (system(command) == 0) /* NOLINT: a test's */
        return 0;
    fprintf(stderr, "test_assets: no kernel and initrd in %s/root.raw\n", folder);
    return -1;
}

static int assets_make_debian(struct assets *a, const struct debian *debian)
{
    struct err err = ERR_INIT;
    char images[PATH_MAX], own[PATH_MAX], initrd[PATH_MAX + 16];
    struct image kept = a->image;
    snprintf(images, sizeof(images), "%s/images", a->folder);
    snprintf(own, sizeof(own), "%s/%s", a->folder, debian->name);
    snprintf(initrd, sizeof(initrd), "%s/initrd.img", own);
    if (access(initrd, R_OK) == 0)
        return 0;
    struct rootfs_build_spec spec = {
        .images_dir = images,
        .suite = debian->suite,
        .disk_bytes = debian->disk_bytes,
        .packages = debian->packages,
        .progress = assets_progress,
        .done = assets_image_done,
        .arg = a,
    };
    if (assets_await(a, rootfs_build_start(a->loop, a->workers, &spec, &err), &err) < 0)
        return -1;
    char from[PATH_MAX];
    snprintf(from, sizeof(from), "%s/%s", images, a->image.id);
    a->image = kept;
    fs_remove_tree(own, NULL);
    if (rename(from, own) < 0) {
        fprintf(stderr, "test_assets: cannot move %s: %s\n", from, strerror(errno));
        return -1;
    }
    return assets_take_boot(own);
}

static void assets_get_string(const json_t *from, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(from, key));
    snprintf(to, size, "%s", text ? text : "");
}

static void assets_load(struct assets *a, const char *path)
{
    json_t *all = json_load_file(path, 0, NULL);
    const json_t *kernel = json_object_get(all, "kernel"), *image = json_object_get(all, "image");
    assets_get_string(kernel, "id", a->kernel.id, sizeof(a->kernel.id));
    assets_get_string(kernel, "version", a->kernel.version, sizeof(a->kernel.version));
    assets_get_string(kernel, "digest", a->kernel.digest, sizeof(a->kernel.digest));
    assets_get_string(kernel, "vmlinux", a->kernel.vmlinux_path, PATH_BYTES);
    assets_get_string(kernel, "initramfs", a->kernel.initramfs_path, PATH_BYTES);
    assets_get_string(image, "id", a->image.id, sizeof(a->image.id));
    assets_get_string(image, "os", a->image.os, sizeof(a->image.os));
    assets_get_string(image, "digest", a->image.digest, sizeof(a->image.digest));
    assets_get_string(image, "path", a->image.path, PATH_BYTES);
    json_decref(all);
}

static int assets_save(const struct assets *a, const char *path)
{
    struct err err = ERR_INIT;
    json_t *all =
        json_pack("{s:{s:s,s:s,s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s}}", "kernel", "id", a->kernel.id,
                  "version", a->kernel.version, "digest", a->kernel.digest, "vmlinux",
                  a->kernel.vmlinux_path, "initramfs", a->kernel.initramfs_path, "image", "id",
                  a->image.id, "os", a->image.os, "digest", a->image.digest, "path", a->image.path);
    auto_free char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    int rc = text ? fs_write_atomic(path, text, strlen(text), 0644, &err)
                  : err_set(&err, ERR_LIMIT, "out of memory");
    if (rc < 0)
        fprintf(stderr, "test_assets: %s\n", err.message);
    return rc;
}

static int assets_lock(const char *folder)
{
    char path[PATH_MAX];
    struct err err = ERR_INIT;
    if (fs_make_dirs(folder, 0755, &err) < 0) {
        fprintf(stderr, "test_assets: %s\n", err.message);
        return -1;
    }
    snprintf(path, sizeof(path), "%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        fprintf(stderr, "test_assets: cannot lock %s: %s\n", path, strerror(errno));
    return fd;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct assets a = {.folder = argv[1], .agent = argv[2]};
    char path[PATH_MAX];
    bool with_own = argc == 4 && strcmp(argv[3], "--own") == 0;
    bool with_more = argc > 6 && strcmp(argv[3], "--debian") == 0;
    if ((argc != 3 && !with_own && !with_more) || argv[1][0] != '/') {
        fprintf(stderr,
                "usage: test_assets /FOLDER AGENT [--own | --debian NAME SUITE PACKAGE...]\n");
        return 2;
    }
    struct debian more = own_debian;
    if (with_more)
        more = (struct debian){.name = argv[4],
                               .suite = argv[5],
                               .disk_bytes = (uint64_t)8 << 30,
                               .packages = (const char *const *)&argv[6]};
    auto_fd int lock = assets_lock(a.folder);
    if (lock < 0)
        return 1;
    snprintf(path, sizeof(path), "%s/assets.json", a.folder);
    assets_load(&a, path);
    a.loop = loop_new(&err);
    a.workers = a.loop ? workers_new(a.loop, "assets", 1, 16, &err) : NULL;
    if (!a.workers) {
        fprintf(stderr, "test_assets: %s\n", err.message);
        return 1;
    }
    int rc = assets_make_kernel(&a);
    /* What is made stays known, even if the image then fails. */
    if (rc == 0)
        rc = assets_save(&a, path);
    if (rc == 0)
        rc = assets_make_image(&a);
    if (rc == 0)
        rc = assets_save(&a, path);
    if (rc == 0 && (with_own || with_more))
        rc = assets_make_debian(&a, &more);
    workers_close(a.workers);
    loop_free(a.loop);
    return rc == 0 ? 0 : 1;
}
