/* tar, as POSIX.1-2001 (pax) has it with GNU's and libarchive's customs: long names, sparse files
 * (GNU.sparse 1.0), extended attributes (SCHILY.xattr.), hard links, owners by name and number. No
 * I/O.
 *
 * Two things are ours, and others' tars pass over them: nanoseconds of a time in a header's spare
 * bytes (TAR_COMPACT), which saves a KiB a file, and BANGER.again, an entry that is sent once more
 * because a stream goes on in the middle of an archive (tree/pack.h). */
#ifndef BANGER_TREE_TAR_H
#define BANGER_TREE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
    TAR_BLOCK_BYTES = 512,
    TAR_EXTENDED_MAX_BYTES = 1024 * 1024, /* records of one entry, names included */
    TAR_XATTRS_MAX = 256,
    TAR_MAP_MAX = 64 * 1024,              /* extents of one sparse file */
    TAR_MAP_MAX_BYTES = TAR_MAP_MAX * 42, /* two numbers of 20 digits each */
    TAR_END_BYTES = 2 * TAR_BLOCK_BYTES,
    TAR_OWNER_BYTES = 64,
};

enum tar_type {
    TAR_FILE,
    TAR_DIRECTORY,
    TAR_SYMLINK,
    TAR_HARDLINK,
    TAR_CHAR_DEVICE,
    TAR_BLOCK_DEVICE,
    TAR_FIFO,
};

struct tar_extent {
    uint64_t offset, len; /* bytes of the file that are not a hole */
};

struct tar_xattr {
    const char *name;
    const uint8_t *value;
    size_t len;
};

struct tar_entry {
    enum tar_type type;
    const char *path; /* no slash at its end */
    const char *link; /* SYMLINK: where to, HARDLINK: path of the first; else "" */
    uint32_t mode;    /* permissions, setuid and so on; no type */
    uint32_t uid, gid;
    char user[TAR_OWNER_BYTES], group[TAR_OWNER_BYTES]; /* "": not known */
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t dev_major, dev_minor;
    uint64_t size;       /* of the file, holes included */
    uint64_t body_bytes; /* of its content in the archive, without holes, map and padding */
    bool sparse;
    const struct tar_extent *map; /* in order, if sparse */
    size_t n_map;
    const struct tar_xattr *xattrs;
    size_t n_xattrs;
    bool again; /* known already: sent for what it says of itself */
    uint64_t
        again_at; /* of a file: how much of its content was had, which is left out; whole blocks */
};

/* Bytes that fill up the last block. */
static inline uint64_t tar_padding(uint64_t bytes)
{
    return (TAR_BLOCK_BYTES - bytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}

/* Where a text goes on that is hashed piece by piece: FNV-1a of 64 bits. */
#define TAR_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t tar_digest(uint64_t digest, const void *data, size_t len);

/* Writing: all that comes before an entry's content, the map included. */
enum tar_times {
    TAR_COMPACT,  /* nanoseconds where only we look */
    TAR_PORTABLE, /* as a record */
};
int tar_put_entry(struct buf *to, const struct tar_entry *entry, enum tar_times times,
                  struct err *err);

#endif
