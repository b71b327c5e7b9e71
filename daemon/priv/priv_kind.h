/* What the helper makes; one const table per kind, see proto/banger/priv/v1/priv.proto. All calls
 * block, and may be repeated. */
#ifndef BANGER_DAEMON_PRIV_PRIV_KIND_H
#define BANGER_DAEMON_PRIV_PRIV_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "banger/priv/v1/priv.pb-c.h"
#include "daemon/model/egress.h"
#include "daemon/model/egress_pins.h"
#include "daemon/priv/priv_names.h"

struct err;

enum {
    PRIV_FDS = 2,        /* with a request at most */
    PRIV_PINS_MAX = 16,  /* addresses, of a PIN */
    PRIV_PIN_PORTS = 32, /* pieces of ports, of each */
    PRIV_PIN_MAX_S = EGRESS_PIN_MAX_S + EGRESS_PIN_GRACE_S,
};

/* What the helper was started with: nothing of it is its callers' to say. */
struct priv_settings {
    struct priv_pool pool; /* addresses of guests are of it */
    bool disks;            /* makes disks too */
};

/* One thing that is asked for; checked. */
struct priv_thing {
    const struct priv_settings *settings;
    struct priv_owner owner;
    char vm_id[ID_BYTES];
    uint32_t address; /* of the guest */
    Banger__Priv__V1__Egress egress;
    uint32_t user;            /* who gets it */
    uint64_t bytes;           /* of the disk */
    int fds[PRIV_FDS];        /* files that came with the request, borrowed; -1: none */
    struct egress_list allow; /* of EGRESS_LIST and NAMES; PIN: ports, whose addresses are 0 */
    uint32_t addresses[PRIV_PINS_MAX];
    size_t n_addresses;
    uint32_t seconds, port;
};

typedef void priv_found_fn(void *arg, const char *vm_id, const char *name);

struct priv_kind {
    const char *name;
    int (*probe)(const struct priv_settings *settings, struct err *err);
    /* NULL: nothing can be in the way. */
    int (*check)(bool names, struct err *err);
    int (*make)(const struct priv_thing *t, struct err *err);
    /* ERR_NOT_FOUND. */
    int (*find)(const struct priv_thing *t, struct err *err);
    int (*remove)(const struct priv_thing *t, struct err *err);
    /* NULL: it is nobody's to open. ERR_NOT_FOUND. */
    int (*give)(const struct priv_thing *t, struct err *err);
    /* NULL: it knows no names. ERR_NOT_FOUND. */
    int (*resolve)(const struct priv_thing *t, struct err *err);
    int (*pin)(const struct priv_thing *t, struct err *err);
    int (*list)(const struct priv_owner *owner, priv_found_fn *found, void *arg, struct err *err);
};

extern const struct priv_kind priv_tap, priv_rules, priv_dm;

#endif
