/* Names of users and groups, and back, of the machine that we are on: the latest are remembered. */
#ifndef BANGER_TREE_OWNERS_H
#define BANGER_TREE_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tree/tar.h"

enum { OWNERS_CACHED = 64 };

struct owners_known {
    bool used, exists;
    uint32_t id;
    char name[TAR_OWNER_BYTES];
};

struct owners {
    struct owners_known by_id[2][OWNERS_CACHED], by_name[2][OWNERS_CACHED];
};

enum owners_kind { OWNERS_USER, OWNERS_GROUP };

/* "" where there is none. Borrowed until the next call. */
const char *owners_name(struct owners *o, enum owners_kind kind, uint32_t id);
bool owners_id(struct owners *o, enum owners_kind kind, const char *name, uint32_t *id);

#endif
