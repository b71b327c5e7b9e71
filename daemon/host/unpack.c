/* libarchive at work; see unpack.h.
 *
 * Nothing is extracted by path: files are picked by pattern and written under their last name into
 * a folder of ours, so a hostile package cannot point anywhere else. */
#include "daemon/host/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum {
    UNPACK_PIECE_BYTES = 256 * 1024,
    UNPACK_MAX_ENTRIES = 100000,
    UNPACK_MAX_FILE_BYTES = 256 << 20,
    UNPACK_MAX_PACKED_BYTES = 256 << 20,
};
#define UNPACK_MAX_TOTAL_BYTES ((uint64_t)2 << 30)

static void cleanup_archive(struct archive **a)
{
    if (*a)
        archive_read_free(*a);
}
#define auto_archive __attribute__((cleanup(cleanup_archive)))

static int unpack_error(struct archive *a, const char *what, struct err *err)
{
    const char *text = archive_error_string(a);
    return err_set(err, ERR_INVALID, "%s: %s", what, text ? text : "not readable");
}

/* Decompressed data of the current entry, up to max_bytes. */
static int unpack_read_all(struct archive *a, size_t max_bytes, uint8_t **out, size_t *out_len,
                           struct err *err)
{
    size_t cap = 1 << 20, n = 0;
    auto_free uint8_t *all = malloc(cap);
    for (;;) {
        if (!all)
            return err_set(err, ERR_LIMIT, "out of memory decompressing");
        la_ssize_t got = archive_read_data(a, all + n, cap - n);
        if (got < 0)
            return unpack_error(a, "cannot decompress", err);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max_bytes)
            return err_set(err, ERR_LIMIT, "more than %zu bytes when decompressed", max_bytes);
        if (n == cap) {
            uint8_t *more = realloc(all, cap *= 2);
            if (!more)
                return err_set(err, ERR_LIMIT, "out of memory decompressing");
            all = more;
        }
    }
    *out = take_ptr(&all);
    *out_len = n;
    return 0;
}

int unpack_bytes(const void *data, size_t len, size_t max_bytes, uint8_t **out, size_t *out_len,
                 struct err *err)
{
    auto_archive struct archive *a = archive_read_new();
    struct archive_entry *entry;
    if (!a)
        return err_set(err, ERR_LIMIT, "out of memory decompressing");
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_format_raw(a);
    if (archive_read_open_memory(a, data, len) != ARCHIVE_OK ||
        archive_read_next_header(a, &entry) != ARCHIVE_OK)
        return unpack_error(a, "cannot decompress", err);
    return unpack_read_all(a, max_bytes, out, out_len, err);
}

int unpack_file(const char *path, size_t max_bytes, uint8_t **out, size_t *out_len, struct err *err)
{
    auto_free char *data = NULL;
    size_t len;
    if (fs_read(path, UNPACK_MAX_PACKED_BYTES, &data, &len, err) < 0)
        return -1;
    if (len == 0)
        return err_set(err, ERR_INVALID, "%s is empty", path);
    if (unpack_bytes(data, len, max_bytes, out, out_len, err) < 0)
        return err_wrap(err, "%s", path);
    return 0;
}

/* A member of an ar archive as the input of another reader. */
struct unpack_nested {
    struct archive *outer; /* borrowed */
    uint8_t piece[UNPACK_PIECE_BYTES];
};

static la_ssize_t unpack_nested_read(struct archive *inner, void *arg, const void **piece)
{
    struct unpack_nested *n = arg;
    la_ssize_t got = archive_read_data(n->outer, n->piece, sizeof(n->piece));
    if (got < 0)
        archive_set_error(inner, EIO, "%s", archive_error_string(n->outer));
    *piece = n->piece;
    return got < 0 ? -1 : got;
}

static bool unpack_has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);
    return n > s && strcmp(name + n - s, suffix) == 0;
}

static bool unpack_is_module(const char *name)
{
    return unpack_has_suffix(name, ".ko") || unpack_has_suffix(name, ".ko.xz") ||
           unpack_has_suffix(name, ".ko.gz") || unpack_has_suffix(name, ".ko.zst");
}

/* The name under which an entry is kept, or NULL where it is none of ours. version is learnt. */
static const char *unpack_kernel_name(const char *path, char *version, size_t version_bytes)
{
    static const char *const roots[] = {"lib/modules/", "usr/lib/modules/"};
    while (*path == '.' || *path == '/')
        path++;
    if (strncmp(path, "boot/vmlinuz-", 13) == 0)
        return "vmlinuz";
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        size_t n = strlen(roots[i]);
        if (strncmp(path, roots[i], n) != 0)
            continue;
        size_t len = strcspn(path + n, "/");
        if (len == 0 || len >= version_bytes)
            return NULL;
        if (!version[0])
            snprintf(version, version_bytes, "%.*s", (int)len, path + n);
        const char *last = strrchr(path, '/') + 1;
        return unpack_is_module(last) || strcmp(last, "modules.builtin") == 0 ? last : NULL;
    }
    return NULL;
}

/* Copies the current entry to folder/name. *total counts what was written altogether. */
static int unpack_write(struct archive *a, const char *folder, const char *name, uint64_t *total,
                        const atomic_bool *cancelled, struct err *err)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return err_set(err, ERR_INVALID, "path too long: %s/%s", folder, name);
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, errno, "cannot create %s", path);
    auto_free uint8_t *piece = malloc(UNPACK_PIECE_BYTES);
    if (!piece)
        return err_set(err, ERR_LIMIT, "out of memory unpacking %s", name);
    uint64_t bytes = 0;
    for (;;) {
        if (cancelled && atomic_load(cancelled))
            return err_set(err, ERR_CANCELLED, "cancelled while unpacking %s", name);
        la_ssize_t got = archive_read_data(a, piece, UNPACK_PIECE_BYTES);
        if (got < 0)
            return unpack_error(a, name, err);
        if (got == 0)
            return 0;
        bytes += (uint64_t)got;
        *total += (uint64_t)got;
        if (bytes > UNPACK_MAX_FILE_BYTES || *total > UNPACK_MAX_TOTAL_BYTES)
            return err_set(err, ERR_LIMIT, "%s is too large for a kernel package", name);
        for (la_ssize_t at = 0; at < got;) {
            ssize_t n = write(fd, piece + at, (size_t)(got - at));
            if (n < 0 && errno != EINTR)
                return err_sys(err, errno, "cannot write %s", path);
            at += n > 0 ? n : 0;
        }
    }
}

static int unpack_kernel_tree(struct archive *tree, const char *folder, char *version,
                              size_t version_bytes, const atomic_bool *cancelled, struct err *err)
{
    uint64_t total = 0;
    bool kernel_seen = false;
    for (int i = 0; i < UNPACK_MAX_ENTRIES; i++) {
        struct archive_entry *entry;
        int rc = archive_read_next_header(tree, &entry);
        if (rc == ARCHIVE_EOF) {
            if (!kernel_seen || !version[0])
                return err_set(err, ERR_INVALID, "there is no kernel with modules in it");
            return 0;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return unpack_error(tree, "cannot read the package's data", err);
        const char *path = archive_entry_pathname(entry);
        if (!path || archive_entry_filetype(entry) != AE_IFREG)
            continue;
        const char *name = unpack_kernel_name(path, version, version_bytes);
        if (!name)
            continue;
        if (unpack_write(tree, folder, name, &total, cancelled, err) < 0)
            return -1;
        kernel_seen = kernel_seen || strcmp(name, "vmlinuz") == 0;
    }
    return err_set(err, ERR_LIMIT, "more than %d files", UNPACK_MAX_ENTRIES);
}

/* The ar archive's data.tar.* is the next entry of package. */
static int unpack_data_member(struct archive *package, const char *folder, char *version,
                              size_t version_bytes, const atomic_bool *cancelled, struct err *err)
{
    auto_archive struct archive *tree = archive_read_new();
    auto_free struct unpack_nested *nested = calloc(1, sizeof(*nested));
    if (!tree || !nested)
        return err_set(err, ERR_LIMIT, "out of memory unpacking");
    nested->outer = package;
    archive_read_support_filter_all(tree);
    archive_read_support_format_tar(tree);
    if (archive_read_open(tree, nested, NULL, unpack_nested_read, NULL) != ARCHIVE_OK)
        return unpack_error(tree, "cannot read the package's data", err);
    int rc = unpack_kernel_tree(tree, folder, version, version_bytes, cancelled, err);
    archive_read_free(take_ptr(&tree)); /* before what it reads from */
    return rc;
}

int unpack_kernel_package(const char *deb, const char *folder, char *version, size_t version_bytes,
                          const atomic_bool *cancelled, struct err *err)
{
    auto_archive struct archive *package = archive_read_new();
    struct archive_entry *entry;
    version[0] = '\0';
    if (!package)
        return err_set(err, ERR_LIMIT, "out of memory unpacking %s", deb);
    archive_read_support_format_ar(package);
    if (archive_read_open_filename(package, deb, UNPACK_PIECE_BYTES) != ARCHIVE_OK)
        return unpack_error(package, deb, err);
    for (int i = 0; i < 16 && archive_read_next_header(package, &entry) == ARCHIVE_OK; i++) {
        const char *name = archive_entry_pathname(entry);
        if (!name || strncmp(name, "data.tar", 8) != 0)
            continue;
        if (unpack_data_member(package, folder, version, version_bytes, cancelled, err) < 0)
            return err_wrap(err, "%s", deb);
        return 0;
    }
    return err_set(err, ERR_INVALID, "%s is not a Debian package", deb);
}
