/* A folder or file as an archive, read as it is asked for: sorted, so that the same tree is the
 * same bytes, and a copy that was cut off goes on where it was (tar_read.h, struct tar_place).
 *
 * Each name is opened once, from its folder's descriptor and without following a link; what is said
 * of a file is said of what was opened. So no link that is planted meanwhile leads out of the tree.
 *
 * Going on: the walk is made again without reading contents, up to the place; if it does not come
 * out at the same digest the tree has changed (ESTALE). What the reader has to know of what came
 * before (the folders it is in, the file that was broken off) is sent again, marked as such. */
#ifndef BANGER_TREE_PACK_H
#define BANGER_TREE_PACK_H

#include <sys/types.h>

#include "base/err.h"
#include "tree/tar_read.h"

enum { TREE_DEPTH_MAX = 256, TREE_PATH_MAX_BYTES = 64 * 1024, PACK_LINKED_MAX = 1024 * 1024 };

struct pack;

struct pack_options {
    const char *name; /* the tree's in the archive; "": a folder's content without itself */
    bool follow;      /* if path itself is a link, what it leads to */
    bool xattrs, devices;
    enum tar_times times;
    struct tar_place from; /* offset 0: the beginning */
    /* Whether a file or folder below the tree goes along, by its path in the archive; NULL: all do.
     * The same answers are wanted of who goes on. */
    bool (*wanted)(void *arg, const char *path);
    void *arg;
};

/* What could not be copied and did not keep the rest from it. */
struct tree_trouble {
    uint64_t count;
    struct err first;
};

/* NULL with err. */
struct pack *pack_open(const char *path, const struct pack_options *options, struct err *err);
void pack_close(struct pack *p);
/* Fills data as far as there is something; 0: the archive has ended; -1 with err. */
ssize_t pack_read(struct pack *p, uint8_t *data, size_t len, struct err *err);
const struct tree_trouble *pack_trouble(const struct pack *p);

/* Counts it; for the neighbours. */
void tree_note(struct tree_trouble *trouble, int sys, const char *path, const char *what);

#endif
