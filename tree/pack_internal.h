/* For pack.c (the walk, the stream) and pack_entry.c (what is said of a file). */
#ifndef BANGER_TREE_PACK_INTERNAL_H
#define BANGER_TREE_PACK_INTERNAL_H

#include <sys/stat.h>

#include "tree/owners.h"
#include "tree/pack.h"

enum { PACK_XATTRS_MAX_BYTES = 256 * 1024 };

struct pack_folder {
    int fd;
    struct stat st;
    size_t path_len; /* of its path in pack.path */
    char **names;    /* owned, sorted */
    size_t n, next;
};

/* A file with several names, by which it was met first. */
struct pack_linked {
    dev_t dev;
    ino_t ino;
    char *path; /* owned; NULL: a free slot */
};

struct pack {
    struct pack_options options;
    char *name; /* owned; options.name */
    char path[TREE_PATH_MAX_BYTES];
    size_t path_len;
    struct pack_folder folders[TREE_DEPTH_MAX];
    size_t depth;
    bool open, ended; /* its top was taken; all was given */
    bool going_on;    /* towards options.from */
    struct buf head;  /* headers to be given */
    int fd;           /* of the file whose content is given; -1 */
    uint64_t body_left, padding_left;
    bool cut_short; /* it ended before its size: zeros follow */
    size_t extent;
    uint64_t extent_at;
    struct tar_place place; /* of what was walked */
    struct tree_trouble trouble;
    struct owners owners;
    struct pack_linked *linked; /* owned; a hash of cap slots */
    size_t n_linked, linked_cap;
    /* What tar_entry points into, of the file that is looked at. */
    struct tar_extent *map; /* owned: TAR_MAP_MAX */
    size_t n_map;
    struct tar_xattr xattrs[TAR_XATTRS_MAX];
    char *xattr_block; /* owned: PACK_XATTRS_MAX_BYTES, once needed */
    char link[4096 + 1];
};

/* Fills e for what fd (-1: a link or device, of which there is no more than st) and st are; its
 * path is p->path. -1: noted as trouble, or err. */
int pack_describe(struct pack *p, int fd, const struct stat *st, struct tar_entry *e,
                  struct err *err);
/* The path by which the same file was met before, or NULL: it is remembered now. */
const char *pack_met_before(struct pack *p, const struct stat *st);

#endif
