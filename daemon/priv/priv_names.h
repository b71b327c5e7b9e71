/* What things of the host that need privileges are called: daemon and helper work it out alike.
 *
 * A name follows from who asks for it (his user, and a tag of his state folder) and the VM's id;
 * the whole of that is written on the thing itself as its label, by which it is recognised. A thing
 * with our name and no such label is a stranger's. */
#ifndef BANGER_DAEMON_PRIV_PRIV_NAMES_H
#define BANGER_DAEMON_PRIV_PRIV_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/model.h"
#include "daemon/model/state_tag.h"

struct err;

enum {
    PRIV_STATE_BYTES = STATE_TAG_BYTES,
    PRIV_TAP_BYTES = 16,   /* IFNAMSIZ */
    PRIV_LABEL_BYTES = 96, /* "banger UID STATE ID" */
};

struct priv_owner {
    uint32_t uid;
    char state[PRIV_STATE_BYTES];
};

/* This process, with that state folder. */
int priv_owner_of(const char *state_dir, struct priv_owner *owner, struct err *err);
bool priv_state_is_valid(const char *state);

void priv_tap_name(const struct priv_owner *owner, const char *vm_id, char name[PRIV_TAP_BYTES]);
/* Whether one of ours could be called so. */
bool priv_is_tap_name(const char *name);
void priv_label(const struct priv_owner *owner, const char *vm_id, char label[PRIV_LABEL_BYTES]);
/* False: it is no label, or of another owner. */
bool priv_label_read(const struct priv_owner *owner, const char *label, char vm_id[ID_BYTES]);

/* A guest has a /30 of its own: the host's address is the one before the guest's. */
enum { PRIV_PREFIX = 30 };
/* Is it the guest's part of a /30? */
static inline bool priv_address_is_valid(uint32_t address)
{
    return address % 4 == 2;
}
/* Networks that guests' addresses are taken from. */
struct priv_pool {
    uint32_t base;
    unsigned prefix;
};

enum { PRIV_POOL_PREFIX_MIN = 8 };

/* Of guests, unless the helper is told others. */
#define PRIV_POOL "10.213.0.0/16"

/* "10.213.0.0/16"; false: it is none, or there is no room for a guest in it. */
bool priv_pool_read(const char *text, struct priv_pool *pool);
bool priv_pool_has(const struct priv_pool *pool, uint32_t address);
/* How many guests have room, and the address of one of them. */
static inline uint32_t priv_pool_size(const struct priv_pool *pool)
{
    return UINT32_C(1) << (PRIV_PREFIX - pool->prefix);
}
static inline uint32_t priv_pool_at(const struct priv_pool *pool, uint32_t i)
{
    return pool->base + 4 * i + 2;
}

/* "10.213.0.2"; text holds 16 bytes. */
void priv_address_text(uint32_t address, char text[16]);

#endif
