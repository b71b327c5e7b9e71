/* An archive as files below a folder, as its bytes come. Nothing outside of the folder is touched,
 * whatever the archive says and whoever plants links meanwhile: each name is opened once, from its
 * folder's descriptor, never through a link; what exists is replaced, not written into; what is
 * said of a file (owner, mode, …) is done to the descriptor of what was made.
 *
 * A file appears under its name when it is whole. A copy that was cut off in a file of more than
 * 64 KiB leaves one .banger-….part, where another that begins at unpack_place goes on; of a smaller
 * one nothing, as it is sent again. The two ends keep nothing else. */
#ifndef BANGER_TREE_UNPACK_H
#define BANGER_TREE_UNPACK_H

#include "tree/pack.h"

struct unpack;

enum tree_owners {
    TREE_OWNERS_NONE, /* files belong to who unpacks */
    TREE_OWNERS_IDS,
    TREE_OWNERS_NAMES, /* the number where there is no such name */
};

struct unpack_options {
    enum tree_owners owners;
    bool special; /* setuid and setgid */
    bool xattrs, devices;
    struct tar_place from; /* offset 0: the beginning */
};

struct unpack_counts {
    uint64_t files, bytes; /* of all types; of content */
};

/* root: an existing folder; links on the way to it are followed. NULL with err. */
struct unpack *unpack_open(const char *root, const struct unpack_options *options, struct err *err);
/* keep_part: the copy may go on later. */
void unpack_close(struct unpack *u, bool keep_part);
/* Takes all of it. -1 with err: nothing may be given any more. */
int unpack_write(struct unpack *u, const uint8_t *data, size_t len, struct err *err);
/* No more comes. -1 where the archive has not ended. */
int unpack_end(struct unpack *u, struct err *err);
/* Where another would have to go on. */
struct tar_place unpack_place(const struct unpack *u);
struct unpack_counts unpack_counts(const struct unpack *u);
const struct tree_trouble *unpack_trouble(const struct unpack *u);

#endif
