/* Trees to copy, and copies of them: for the tests of tree/. */
#ifndef BANGER_TESTS_TREE_RIG_H
#define BANGER_TESTS_TREE_RIG_H

#include "base/buf.h"
#include "tree/unpack.h"

/* A folder of its own below /tmp, which is removed with rig_done. */
struct rig {
    char root[64], from[80], to[80];
};

void rig_init(struct rig *rig);
void rig_done(struct rig *rig);
/* Runs a shell command in rig->root; false: it failed. */
bool rig_run(const struct rig *rig, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One of everything: odd names, holes, links of both kinds, attributes, modes, times, deep folders.
 */
void rig_make_tree(const struct rig *rig);

extern const struct pack_options rig_pack; /* all that can be copied, contents only */
extern const struct unpack_options rig_unpack;

/* The whole archive of a tree; buf_done by the caller. False with err. */
bool rig_pack_all(struct buf *to, const char *path, const struct pack_options *options,
                  struct err *err);
/* Unpacks, len bytes at a time. */
bool rig_unpack_all(const struct buf *archive, const char *path, size_t len,
                    const struct unpack_options *options, struct err *err);
/* Whether both are the same, by hash and metadata: their archives are the same bytes. */
bool rig_same(const char *a, const char *b);

#endif
