/* The inside of a struct banger_metadata. Not installed. */
#ifndef BANGER_CLIENT_METADATA_INTERNAL_H
#define BANGER_CLIENT_METADATA_INTERNAL_H

#include "banger/metadata.h"
#include "rpc/wire/metadata.h"

struct rpc_call;

struct banger_metadata {
    struct metadata entries; /* "-bin" values as they are */
    size_t n;
};

void call_metadata_init(struct banger_metadata *m);
void call_metadata_done(struct banger_metadata *m);
void call_metadata_reset(struct banger_metadata *m);
/* What a call sends: the defaults whose keys its own has not, then its own, which may be NULL. to
 * is empty; -1: it is half filled. */
int call_metadata_merge(struct banger_metadata *to, const struct banger_metadata *defaults,
                        const struct banger_metadata *own, struct banger_error *error);
/* Fills the list, which has room for OUTGOING_MAX, with what m has and keeps; returns how much. */
size_t call_metadata_list(const struct banger_metadata *m, struct rpc_metadata *list);
/* What came, in place of what was there; next: rpc_call_next_header or …_trailer. -1: no memory. */
int call_metadata_take(struct banger_metadata *to, const struct rpc_call *call,
                       bool (*next)(const struct rpc_call *, size_t *, struct rpc_metadata *));

#endif
