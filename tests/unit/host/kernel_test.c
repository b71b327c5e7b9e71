/* daemon/host/kernel, initramfs, publish: an import from files, whole, twice, and failing. */
#include "daemon/host/kernel.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/host/initramfs.h"
#include "daemon/host/publish.h"
#include "daemon/host/remove.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

static struct {
    struct loop *loop;
    struct workers *workers;
    char kernels[256], cache[256], agent[256], vmlinuz[256], modules[256];
    struct kernel kernel;
    struct err err;
    bool written;
    int done;
} t;

static void set_up(void)
{
    size_t kernel_len, len;
    const char *folder = made_folder();
    memset(&t, 0, sizeof(t));
    snprintf(t.kernels, sizeof(t.kernels), "%s/state/kernels", folder);
    snprintf(t.cache, sizeof(t.cache), "%s/cache", folder);
    snprintf(t.agent, sizeof(t.agent), "%s/agent", folder);
    snprintf(t.vmlinuz, sizeof(t.vmlinuz), "%s/vmlinuz", folder);
    snprintf(t.modules, sizeof(t.modules), "%s/6.1.0-test", folder);
    auto_free uint8_t *kernel = made_vmlinux(1, &kernel_len);
    auto_free uint8_t *image = made_bzimage(kernel, kernel_len, &len);
    made_file(folder, "vmlinuz", image, len);
    made_file(folder, "agent", "#!agent", 7);
    made_modules(t.modules);
    t.loop = loop_new(&t.err);
    t.workers = workers_new(t.loop, "test", 1, 8, &t.err);
}

static void tear_down(void)
{
    workers_close(t.workers);
    loop_free(t.loop);
    made_folder_done();
}

static void on_done(void *arg, const struct kernel *kernel, const struct err *err)
{
    (void)arg;
    t.done++;
    if (kernel)
        t.kernel = *kernel;
    if (err)
        t.err = *err;
    loop_stop(t.loop);
}

/* Starts an import; 0 when it was accepted, and then done has come. */
static int import(bool cancel)
{
    struct kernel_import_spec spec = {
        .kernels_dir = t.kernels,
        .cache_dir = t.cache,
        .agent_path = t.agent,
        .vmlinuz_path = t.vmlinuz,
        .modules_dir = t.modules,
        .done = on_done,
    };
    struct kernel_import *k = kernel_import_start(t.loop, t.workers, &spec, &t.err);
    if (!k)
        return -1;
    CHECK_INT(t.done, 0);
    if (cancel)
        kernel_import_cancel(k);
    struct err err = ERR_INIT;
    return loop_run(t.loop, &err);
}

static int count_entries(const char *folder)
{
    int n = 0;
    auto_dir DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    return n;
}

/* The names in a cpio, one a line; order gets the content of modules/order. */
static void read_cpio(const char *path, char *names, size_t size, char *order, size_t order_size)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    names[0] = order[0] = '\0';
    archive_read_support_format_cpio(a);
    CHECK_INT(archive_read_open_filename(a, path, 4096), ARCHIVE_OK);
    while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        strncat(names, name, size - strlen(names) - 1);
        strncat(names, "\n", size - strlen(names) - 1);
        CHECK_INT(archive_entry_mtime(entry), 0);
        CHECK_INT(archive_entry_uid(entry), 0);
        if (strcmp(name, "dev/console") == 0) {
            CHECK_INT(archive_entry_filetype(entry), AE_IFCHR);
            CHECK_INT(archive_entry_rdevmajor(entry), 5);
            CHECK_INT(archive_entry_rdevminor(entry), 1);
        }
        if (strcmp(name, "init") == 0)
            CHECK_INT(archive_entry_perm(entry), 0755);
        if (strcmp(name, "modules/order") == 0) {
            la_ssize_t n = archive_read_data(a, order, order_size - 1);
            order[n > 0 ? n : 0] = '\0';
        }
    }
    archive_read_free(a);
}

static void test_import(void)
{
    char names[2048], order[2048];
    struct stat st;
    set_up();
    if (!CHECK_INT(import(false), 0) || !CHECK_INT(t.done, 1) || !CHECK_INT(t.err.code, ERR_NONE))
        fprintf(stderr, "%s\n", t.err.message);
    CHECK_STR(t.kernel.version, "6.1.0-test");
    CHECK_INT(stat(t.kernel.vmlinux_path, &st), 0);
    CHECK_INT(strlen(t.kernel.digest), 71);
    CHECK_INT(count_entries(t.kernels), 1);
    read_cpio(t.kernel.initramfs_path, names, sizeof(names), order, sizeof(order));
    CHECK_STR(order, "/modules/virtio_ring.ko\n/modules/virtio.ko\n/modules/virtio_mmio.ko\n"
                     "/modules/virtio_blk.ko\n/modules/virtio_console.ko\n"
                     "/modules/virtio_net.ko\n");
    CHECK_CONTAINS(names, "dev\n");
    CHECK_CONTAINS(names, "newroot\n");
    CHECK_CONTAINS(names, "dev/console\ninit\n");
    tear_down();
}

/* What was published serves as the source of another import. */
static void test_import_again(void)
{
    set_up();
    CHECK_INT(import(false), 0);
    snprintf(t.vmlinuz, sizeof(t.vmlinuz), "%.200s", t.kernel.vmlinux_path);
    snprintf(t.modules, sizeof(t.modules), "%.200s/%s/modules", t.kernels, t.kernel.id);
    struct kernel first = t.kernel;
    t.done = 0;
    CHECK_INT(import(false), 0);
    CHECK_STR(t.err.message, "");
    CHECK(strcmp(t.kernel.id, first.id) != 0);
    CHECK_STR(t.kernel.digest, first.digest);
    tear_down();
}

static void on_refreshed(void *arg, bool written, const struct err *err)
{
    (void)arg;
    CHECK(!err);
    t.written = written;
    loop_stop(t.loop);
}

static bool refresh(void)
{
    CHECK_INT(initramfs_refresh_start(t.workers, t.agent, &t.kernel, on_refreshed, NULL, &t.err),
              0);
    loop_run(t.loop, &t.err);
    return t.written;
}

static void test_refresh(void)
{
    set_up();
    import(false);
    CHECK(!refresh());
    FILE *f = fopen(t.agent, "w");
    fputs("#!another agent", f);
    fclose(f);
    CHECK(refresh());
    CHECK(!refresh());
    tear_down();
}

static void test_failure_leaves_nothing(void)
{
    set_up();
    unlink(t.agent);
    CHECK_INT(import(false), 0);
    CHECK_INT(t.done, 1);
    CHECK_INT(t.err.code, ERR_NOT_FOUND);
    CHECK_STR(t.err.stage, "locate");
    CHECK_INT(count_entries(t.kernels), 0);
    tear_down();
    set_up();
    FILE *f = fopen(t.vmlinuz, "w");
    fputs("not a kernel", f);
    fclose(f);
    CHECK_INT(import(false), 0);
    CHECK_INT(t.err.code, ERR_INVALID);
    CHECK_STR(t.err.stage, "assemble");
    CHECK_INT(count_entries(t.kernels), 0);
    tear_down();
}

static void test_cancel(void)
{
    set_up();
    CHECK_INT(import(true), 0);
    CHECK_INT(t.done, 1);
    CHECK_INT(t.err.code, ERR_CANCELLED);
    CHECK_INT(count_entries(t.kernels), 0);
    tear_down();
}

static void test_bad_spec(void)
{
    struct kernel_import_spec spec = {.kernels_dir = "/tmp",
                                      .cache_dir = "/tmp",
                                      .agent_path = "/x",
                                      .vmlinuz_path = "/x",
                                      .done = on_done};
    set_up();
    CHECK(!kernel_import_start(t.loop, t.workers, &spec, &t.err));
    CHECK_INT(t.err.code, ERR_INVALID);
    tear_down();
}

static void test_leftovers(void)
{
    char path[512];
    struct publish p;
    set_up();
    CHECK_INT(publish_init(&p, t.kernels, NULL, &t.err), 0);
    CHECK_INT(publish_begin(&p, &t.err), 0);
    made_file(p.temp, "half", "x", 1);
    snprintf(path, sizeof(path), "%s/kept", t.kernels);
    CHECK_INT(fs_make_dirs(path, 0755, &t.err), 0);
    CHECK_INT(count_entries(t.kernels), 2);
    CHECK_INT(host_remove_leftovers(t.kernels, &t.err), 0);
    CHECK_INT(count_entries(t.kernels), 1);
    CHECK_INT(host_remove_leftovers("/tmp/banger-no-such-folder", &t.err), 0);
    tear_down();
}

int main(void)
{
    RUN(test_import);
    RUN(test_import_again);
    RUN(test_refresh);
    RUN(test_failure_leaves_nothing);
    RUN(test_cancel);
    RUN(test_bad_spec);
    RUN(test_leftovers);
    return check_end();
}
