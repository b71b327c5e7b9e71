/* The clusters of an empty overlay: header, refcount table, refcount block, L1 table; see
 * qcow2_new.h. All but the first bytes of the first three are zeros, which are holes.
 * Format: https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt */
#include "daemon/host/qcow2_new.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/qcow2.h"

enum {
    CLUSTER_BITS = 16,
    CLUSTER_BYTES = 1 << CLUSTER_BITS,
    REFCOUNT_TABLE_AT = CLUSTER_BYTES,
    REFCOUNT_BLOCK_AT = 2 * CLUSTER_BYTES,
    L1_AT = 3 * CLUSTER_BYTES,
    REFCOUNT_ORDER = 4, /* 16 bits each */
    L1_BYTES_MAX = 32 << 20,
    HEADER_BYTES = 104,
    EXTENSIONS_BYTES = 24, /* the backing format's, and the end */
    SECTOR_BYTES = 512,
    CLUSTERS_MAX = L1_AT / CLUSTER_BYTES + L1_BYTES_MAX / CLUSTER_BYTES,
};

static const uint64_t l1_covers = (uint64_t)CLUSTER_BYTES * (CLUSTER_BYTES / 8);
static const uint32_t extension_backing_format = 0xe2792aca;

static void put(uint8_t *at, int n, uint64_t v)
{
    for (; n-- > 0; v >>= 8)
        at[n] = (uint8_t)v;
}

/* Without a NUL; returns how long it is. */
static size_t put_text(uint8_t *at, const char *text)
{
    size_t n = 0;
    for (; text[n]; n++)
        at[n] = (uint8_t)text[n];
    return n;
}

/* h is all zeros, and so are features, snapshots, encryption. Returns how many bytes it has. */
static size_t write_header(uint8_t *h, const char *backing, bool backing_raw, uint64_t bytes,
                           uint64_t l1_entries)
{
    const char *format = backing_raw ? "raw" : "qcow2";
    size_t name_at = HEADER_BYTES + EXTENSIONS_BYTES, name_len = put_text(h + name_at, backing);
    put_text(h, "QFI\xfb");
    put(h + 4, 4, 3);
    put(h + 8, 8, name_at);
    put(h + 16, 4, name_len);
    put(h + 20, 4, CLUSTER_BITS);
    put(h + 24, 8, bytes);
    put(h + 36, 4, l1_entries);
    put(h + 40, 8, L1_AT);
    put(h + 48, 8, REFCOUNT_TABLE_AT);
    put(h + 56, 4, 1);
    put(h + 96, 4, REFCOUNT_ORDER);
    put(h + 100, 4, HEADER_BYTES);
    put(h + HEADER_BYTES, 4, extension_backing_format);
    put(h + HEADER_BYTES + 4, 4, put_text(h + HEADER_BYTES + 8, format));
    return name_at + name_len;
}

static bool write_at(int fd, const uint8_t *data, size_t n, off_t at)
{
    ssize_t wrote = pwrite(fd, data, n, at);
    if (wrote >= 0 && wrote != (ssize_t)n)
        errno = ENOSPC;
    return wrote == (ssize_t)n;
}

static bool write_overlay(int fd, const char *backing, bool backing_raw, uint64_t bytes)
{
    uint8_t header[HEADER_BYTES + EXTENSIONS_BYTES + QCOW2_BACKING_BYTES] = {0};
    uint8_t table[8], block[2 * CLUSTERS_MAX] = {0};
    uint64_t l1_entries = (bytes + l1_covers - 1) / l1_covers;
    size_t l1_clusters = (8 * l1_entries + CLUSTER_BYTES - 1) / CLUSTER_BYTES;
    size_t clusters = L1_AT / CLUSTER_BYTES + (l1_clusters ? l1_clusters : 1);
    put(table, 8, REFCOUNT_BLOCK_AT);
    for (size_t i = 0; i < clusters; i++)
        put(block + 2 * i, 2, 1);
    size_t n = write_header(header, backing, backing_raw, bytes, l1_entries);
    return write_at(fd, header, n, 0) && write_at(fd, table, sizeof(table), REFCOUNT_TABLE_AT) &&
           write_at(fd, block, 2 * clusters, REFCOUNT_BLOCK_AT) &&
           ftruncate(fd, (off_t)clusters * CLUSTER_BYTES) == 0 && fsync(fd) == 0;
}

int qcow2_new_overlay(const char *path, const char *backing, bool backing_raw, uint64_t bytes,
                      struct err *err)
{
    char temp[PATH_MAX];
    if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp) ||
        strlen(backing) >= QCOW2_BACKING_BYTES)
        return err_set(err, ERR_INVALID, "path too long: %s over %s", path, backing);
    if (bytes > L1_BYTES_MAX / 8 * l1_covers - SECTOR_BYTES)
        return err_set(err, ERR_INVALID, "a disk of %llu bytes is too large",
                       (unsigned long long)bytes);
    unlink(temp);
    auto_fd int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 &&
        write_overlay(fd, backing, backing_raw,
                      (bytes + SECTOR_BYTES - 1) & -(uint64_t)SECTOR_BYTES) &&
        rename(temp, path) == 0)
        return 0;
    err_sys(err, errno, "cannot make the overlay %s", path);
    unlink(temp);
    return -1;
}
