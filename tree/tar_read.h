/* An archive, piece by piece as it comes. No I/O, bounded memory: one entry's headers.
 *
 * An archive's place is how many of its bytes have been given to the handler whole, and a digest of
 * those of them that are no content: headers and maps. What is sent again does not count. Two that
 * agree on both may go on there (tree/pack.h). */
#ifndef BANGER_TREE_TAR_READ_H
#define BANGER_TREE_TAR_READ_H

#include "base/buf.h"
#include "tree/tar.h"
#include "tree/tar_header.h"

enum { TAR_TEXTS_MAX = 4 };

struct tar_place {
    uint64_t offset, digest; /* a beginning: 0, TAR_DIGEST_START */
};

/* Each 0, or -1 with err, which tar_read returns. Any may be NULL. */
struct tar_handler {
    /* Valid during the call, map and names included. */
    int (*entry)(void *arg, const struct tar_entry *entry, struct err *err);
    /* Content of the last entry: where it belongs in the file. */
    int (*data)(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *err);
    /* All of that entry's content was given. */
    int (*entry_end)(void *arg, struct err *err);
    /* The archive's bytes as they are, without those that are sent again: before what they mean. */
    int (*raw)(void *arg, const uint8_t *data, size_t len, struct err *err);
};

struct tar_reader {
    const struct tar_handler *handler;
    void *arg;
    struct tar_place place; /* of what is done */
    int state;              /* enum in tar_read.c */
    bool resumed;           /* entries may be sent again */
    struct buf head;        /* what comes before the content of the entry that is being read */
    size_t at;              /* of head: the block or text that is being read */
    size_t wanted;          /* bytes that head must have for the next step */
    struct {
        char flag; /* x, L, K */
        size_t at, len;
    } texts[TAR_TEXTS_MAX]; /* in head */
    size_t n_texts;
    char *names; /* owned: a copy of head that entry points into */
    char plain_path[257], plain_link[101];
    struct tar_header header;
    struct tar_entry entry;
    struct tar_xattr xattrs[TAR_XATTRS_MAX];
    struct tar_extent *map; /* owned */
    uint64_t map_wanted;    /* extents, once the map's first number was read */
    size_t n_map_numbers, map_at;
    bool sparse, has_size, has_time, old_sparse;
    uint64_t body_left, padding_left;
    size_t extent;      /* of the map: which is given */
    uint64_t extent_at; /* in it */
};

/* from: where to go on, NULL: at the beginning. */
void tar_reader_init(struct tar_reader *r, const struct tar_handler *handler, void *arg,
                     const struct tar_place *from);
void tar_reader_done(struct tar_reader *r);
/* Takes all of it. -1 with err: nothing may be given any more. */
int tar_read(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err);
/* The blocks that end an archive have come; what follows is passed over. */
bool tar_reader_ended(const struct tar_reader *r);

#endif
