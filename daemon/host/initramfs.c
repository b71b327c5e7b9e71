/* The guest's initramfs as a cpio archive; see initramfs.h. */
#include "daemon/host/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/digest.h"
#include "rpc/event/worker.h"

enum {
    INITRAMFS_MAX_BYTES = 64 << 20,
    INITRAMFS_AGENT_MAX_BYTES = 16 << 20,
    INITRAMFS_ORDER_MAX_BYTES = 16 << 10,
    INITRAMFS_BLOCK_BYTES = 512,
};

struct initramfs_out {
    struct archive *cpio;
    uint8_t *data; /* owned */
    size_t len;
};

static int initramfs_entry(struct initramfs_out *out, const char *path, mode_t mode,
                           const void *data, size_t len, struct err *err)
{
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return err_set(err, ERR_LIMIT, "out of memory writing the initramfs");
    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_nlink(entry, S_ISDIR(mode) ? 2 : 1);
    archive_entry_set_size(entry, (int64_t)len);
    if (S_ISCHR(mode))
        archive_entry_set_rdev(entry, makedev(5, 1));
    bool ok = archive_write_header(out->cpio, entry) == ARCHIVE_OK &&
              (len == 0 || archive_write_data(out->cpio, data, len) == (la_ssize_t)len);
    archive_entry_free(entry);
    if (!ok)
        return err_set(err, ERR_LIMIT, "cannot put %s into the initramfs: %s", path,
                       archive_error_string(out->cpio));
    return 0;
}

static int initramfs_agent(struct initramfs_out *out, const char *agent_path, struct err *err)
{
    auto_free char *data = NULL;
    size_t len;
    if (fs_read(agent_path, INITRAMFS_AGENT_MAX_BYTES, &data, &len, err) < 0)
        return -1;
    return initramfs_entry(out, "init", S_IFREG | 0755, data, len, err);
}

/* Of the kernel's folder. */
static int initramfs_module(struct initramfs_out *out, const char *source, const char *path,
                            struct err *err)
{
    auto_free char *data = NULL;
    size_t len;
    if (fs_read_own(source, INITRAMFS_MAX_BYTES, &data, &len, err) < 0)
        return -1;
    return initramfs_entry(out, path, S_IFREG | 0644, data, len, err);
}

/* Modules and /modules/order, which has one absolute path a line. */
static int initramfs_modules(struct initramfs_out *out, const char *modules_dir, struct err *err)
{
    char source[PATH_MAX], path[NAME_MAX + 16];
    auto_free char *order = NULL, *paths = NULL;
    size_t len, n_paths = 0;
    snprintf(source, sizeof(source), "%s/order", modules_dir);
    if (fs_read_own(source, INITRAMFS_ORDER_MAX_BYTES, &order, &len, err) < 0)
        return -1;
    paths = malloc(len * (sizeof("/modules/") + 1) + 1);
    if (!paths)
        return err_set(err, ERR_LIMIT, "out of memory writing the initramfs");
    char *rest = NULL;
    for (char *name = strtok_r(order, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        if (strchr(name, '/') || strlen(name) > NAME_MAX)
            return err_set(err, ERR_INVALID, "%s: %.80s is not a file name", source, name);
        char file[PATH_MAX];
        if ((size_t)snprintf(file, sizeof(file), "%s/%s", modules_dir, name) >= sizeof(file))
            return err_set(err, ERR_INVALID, "path too long: %s/%s", modules_dir, name);
        snprintf(path, sizeof(path), "modules/%s", name);
        if (initramfs_module(out, file, path, err) < 0)
            return -1;
        n_paths += (size_t)sprintf(paths + n_paths, "/%s\n", path);
    }
    return initramfs_entry(out, "modules/order", S_IFREG | 0644, paths, n_paths, err);
}

static int initramfs_fill(struct initramfs_out *out, const char *agent_path,
                          const char *modules_dir, struct err *err)
{
    static const char *const folders[] = {"dev", "proc", "sys", "run", "newroot", "modules"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (initramfs_entry(out, folders[i], S_IFDIR | 0755, NULL, 0, err) < 0)
            return -1;
    if (initramfs_entry(out, "dev/console", S_IFCHR | 0600, NULL, 0, err) < 0 ||
        initramfs_agent(out, agent_path, err) < 0)
        return -1;
    return initramfs_modules(out, modules_dir, err);
}

/* Content in memory; caller frees out->data. */
static int initramfs_make(struct initramfs_out *out, const char *agent_path,
                          const char *modules_dir, struct err *err)
{
    out->data = malloc(INITRAMFS_MAX_BYTES);
    out->cpio = archive_write_new();
    out->len = 0;
    int rc = -1;
    if (!out->data || !out->cpio)
        err_set(err, ERR_LIMIT, "out of memory writing the initramfs");
    else if (archive_write_set_format_cpio_newc(out->cpio) != ARCHIVE_OK ||
             archive_write_set_bytes_per_block(out->cpio, INITRAMFS_BLOCK_BYTES) != ARCHIVE_OK ||
             archive_write_open_memory(out->cpio, out->data, INITRAMFS_MAX_BYTES, &out->len) !=
                 ARCHIVE_OK)
        err_set(err, ERR_INTERNAL, "libarchive writes no cpio: %s",
                archive_error_string(out->cpio));
    else if (initramfs_fill(out, agent_path, modules_dir, err) == 0)
        rc = archive_write_close(out->cpio) == ARCHIVE_OK
                 ? 0
                 : err_set(err, ERR_LIMIT, "the initramfs is larger than %d MiB",
                           INITRAMFS_MAX_BYTES >> 20);
    if (out->cpio)
        archive_write_free(out->cpio);
    out->cpio = NULL;
    return rc;
}

int initramfs_write(const char *agent_path, const char *modules_dir, const char *path,
                    char digest[DIGEST_BYTES], struct err *err)
{
    struct initramfs_out out;
    int rc = initramfs_make(&out, agent_path, modules_dir, err);
    if (rc == 0 && digest)
        rc = digest_bytes(out.data, out.len, digest, err);
    if (rc == 0)
        rc = fs_write_atomic(path, out.data, out.len, 0644, err);
    free(out.data);
    return rc;
}

struct initramfs_job {
    struct job job;
    char *agent_path; /* owned */
    struct kernel kernel;
    bool written, failed;
    struct err err;
    void (*done)(void *arg, bool written, const struct err *err);
    void *arg;
};

static int initramfs_refresh(struct initramfs_job *j, struct err *err)
{
    char modules_dir[PATH_BYTES + 16], want[DIGEST_BYTES], have[DIGEST_BYTES] = "";
    const char *slash = strrchr(j->kernel.initramfs_path, '/');
    int folder_len = slash ? (int)(slash - j->kernel.initramfs_path) : 0;
    snprintf(modules_dir, sizeof(modules_dir), "%.*s/modules", folder_len,
             j->kernel.initramfs_path);
    struct initramfs_out out;
    int rc = initramfs_make(&out, j->agent_path, modules_dir, err);
    if (rc == 0)
        rc = digest_bytes(out.data, out.len, want, err);
    if (rc == 0 &&
        (digest_file(j->kernel.initramfs_path, NULL, have, NULL) < 0 || strcmp(want, have) != 0)) {
        rc = fs_write_atomic(j->kernel.initramfs_path, out.data, out.len, 0644, err);
        j->written = rc == 0;
    }
    free(out.data);
    return rc;
}

static void initramfs_job_run(struct job *job)
{
    struct initramfs_job *j = container_of(job, struct initramfs_job, job);
    j->failed = initramfs_refresh(j, &j->err) < 0;
}

static void initramfs_job_done(struct job *job)
{
    struct initramfs_job *j = container_of(job, struct initramfs_job, job);
    j->done(j->arg, j->written, j->failed ? &j->err : NULL);
    free(j->agent_path);
    free(j);
}

int initramfs_refresh_start(struct workers *workers, const char *agent_path,
                            const struct kernel *kernel,
                            void (*done)(void *arg, bool written, const struct err *err), void *arg,
                            struct err *err)
{
    struct initramfs_job *j = calloc(1, sizeof(*j));
    if (!j || !(j->agent_path = strdup(agent_path))) {
        free(j);
        return err_set(err, ERR_LIMIT, "out of memory");
    }
    j->kernel = *kernel;
    j->job.run = initramfs_job_run;
    j->job.done = initramfs_job_done;
    j->done = done;
    j->arg = arg;
    if (workers_submit(workers, &j->job, err) == 0)
        return 0;
    free(j->agent_path);
    free(j);
    return -1;
}
