/* For unpack.c (the stream), unpack_folders.c (where we are), unpack_entry.c (making of files),
 * unpack_small.c (of small ones). */
#ifndef BANGER_TREE_UNPACK_INTERNAL_H
#define BANGER_TREE_UNPACK_INTERNAL_H

#include "tree/owners.h"
#include "tree/unpack.h"

enum {
    UNPACK_PART_BYTES = 32,
    UNPACK_SMALL_BYTES = 64 * 1024, /* a file that is made at once, when all of it has come */
};

struct unpack_folder {
    int fd;
    char *name;               /* owned */
    struct unpack_meta *meta; /* owned: what is done to it when it is left; NULL: nothing */
    bool made;                /* it was not there before */
};

struct unpack {
    struct unpack_options options;
    struct tar_reader reader;
    int root_fd;
    struct unpack_folder folders[TREE_DEPTH_MAX]; /* below root: where we are */
    size_t depth;
    int fd;                       /* of the file whose content comes; -1 */
    struct unpack_meta *meta;     /* owned: of that file */
    char part[UNPACK_PART_BYTES]; /* its name until it is whole */
    char *name;                   /* owned: its name then */
    uint64_t size;
    bool trim; /* it may be longer, or end in a hole */
    struct {
        bool on;                /* the file whose content comes is small: that is kept here */
        bool no_unnamed;        /* files without a name cannot be had here */
        uint8_t *data;          /* owned, UNPACK_SMALL_BYTES */
        size_t len;             /* that has come */
        struct tar_place begin; /* of its content, if any has come */
    } small;
    struct unpack_counts counts;
    struct tree_trouble trouble;
    struct owners owners;
    bool failed;
};

/* unpack_folders.c. Goes to the folder of a path, making what is missing; *name is what is called
 * so in it, "" for root itself. The descriptor, which stays u's; -1 with err. */
int unpack_enter(struct unpack *u, const char *path, const char **name, struct err *err);
/* The same for a path that is only looked at: nothing is made, we stay where we are. Caller closes.
 */
int unpack_find(struct unpack *u, const char *path, char name[256], struct err *err);
/* One folder further down; it is made if missing. meta is taken. */
int unpack_enter_folder(struct unpack *u, const char *name, struct unpack_meta *meta,
                        struct err *err);
/* The one that we are in. */
int unpack_here(const struct unpack *u);
/* Out of folders until so many are left. */
void unpack_leave(struct unpack *u, size_t depth);

/* unpack_meta.c. What is done to a file when it is whole. */
struct unpack_meta *unpack_meta_new(const struct tar_entry *e);
void unpack_meta_free(struct unpack_meta *m);
/* Owner, mode, attributes and time, to what fd is; by_path: fd is an O_PATH one, of a link or node.
 */
void unpack_meta_apply(struct unpack *u, const struct unpack_meta *m, int fd, const char *name,
                       bool by_path);
bool unpack_meta_has_time(const struct unpack_meta *m, int64_t s, uint32_t ns);

/* unpack_small.c. Whether a file is small; its content is kept then, and none of it counts as done
 * before it is made. */
bool unpack_small_begin(struct unpack *u, const struct tar_entry *e);
void unpack_small_data(struct unpack *u, const uint8_t *data, size_t len);
/* Makes it without a name and gives it its own. False: it has to be made under a part's name. */
bool unpack_small_put(struct unpack *u);

/* unpack_entry.c. All of it, to fd. */
int unpack_write_at(struct unpack *u, uint64_t offset, const uint8_t *data, size_t len,
                    struct err *err);
extern const struct tar_handler unpack_handler;

#endif
