/* Guests whose egress list has names: what they ask is answered here, and nowhere else. */
#ifndef BANGER_DAEMON_CORE_NAMES_NAMES_INTERNAL_H
#define BANGER_DAEMON_CORE_NAMES_NAMES_INTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/host/resolver.h"
#include "daemon/model/dns.h"
#include "daemon/model/egress_pins.h"
#include "rpc/event/loop.h"

enum {
    NAMES_ASKS_ALL = 256,    /* questions of all guests at once; who has most makes room */
    NAMES_ASKS_PART = 8,     /* and no more than one in so many of the files that there may be */
    NAMES_ASKS_MAX = 32,     /* of a guest, at once; more are told to come again */
    NAMES_PINS_MAX = 8,      /* answers of a guest that wait for the helper; as above */
    NAMES_ASK_MS = 1500,     /* until another server is asked */
    NAMES_ASK_TRIES = 4,     /* all of it takes no longer than clients wait */
    NAMES_ASK_STRAYS = 16,   /* packets that are no answer, until another server is asked */
    NAMES_RETRY_MS = 2000,   /* until what a guest lacks is asked for again */
    NAMES_SERVERS_MS = 1000, /* the host's servers are taken for those that they were */
};

/* What the room has of all guests. */
struct names_guests {
    struct list list; /* struct guest_names */
    unsigned n_asks, max_asks;
    struct resolvers servers; /* of the host */
    int64_t servers_until_ms; /* monotonic */
};

void names_guests_init(struct names_guests *all, uint64_t max_files);

struct guest_names;

/* A question of a guest's, as it is asked of the host's servers. */
struct names_ask {
    struct list link; /* guest_names.asks */
    struct guest_names *guest;
    struct dns_question q;
    struct sockaddr_in from;
    struct resolvers servers;
    unsigned tries, strays;
    uint16_t id;
    int fd; /* -1 */
    struct watch watch;
    struct timer timer;
};

/* What a VM has; in its slot, and counted: jobs for it are under way. */
struct guest_names {
    struct list link; /* all->list */
    struct names_guests *all;
    struct core *core;
    struct vm_entry *vm; /* counted */
    unsigned refs;
    bool closed, busy; /* busy: the helper is asked to lead its questions here */
    struct vm_allow allow;
    struct egress_ranges listed;
    struct blob text; /* the list that all this is of; owned */
    unsigned rules;   /* and how often it was made rules of */
    struct egress_pins pins;
    uint32_t address; /* of the guest */
    uint16_t port;
    int fd; /* -1 */
    struct watch watch;
    struct timer retry;
    struct list asks, pins_waiting;
    unsigned n_asks, n_pins;
    bool pinning; /* the helper is asked for one of them */
};

void guest_names_unref(struct guest_names *g);
/* The VM's record as it should be served now; opens, opens anew, or closes. */
void guest_names_sync(struct core *core, struct names_guests *all, struct vm_entry *e);
void guest_names_close(struct guest_names *g);
/* The guest is told. */
void guest_names_reply(struct guest_names *g, const struct dns_question *q,
                       const struct sockaddr_in *from, const struct dns_answer *a);

/* names_ask.c: asks, and hands what is answered to names_pin, later; one that there is no room for
 * is told to come again, at once. */
void names_ask_begin(struct guest_names *g, const struct dns_question *q,
                     const struct sockaddr_in *from);
void names_ask_end(struct names_ask *ask);
/* names_pin.c: the addresses are opened, and then the guest is told of them. */
void names_pin(struct guest_names *g, const struct dns_question *q, const struct sockaddr_in *from,
               struct dns_answer *answer);
/* None of them is told any more, and nothing is open: there is another list, or none. */
void names_pin_end(struct guest_names *g);

/* names_link.c */
struct names_link;
typedef void names_link_answer_fn(void *arg, int fd, const uint8_t *query, size_t len,
                                  const struct sockaddr_in *from);
/* NULL: out of memory. */
struct names_link *names_link_new(struct core *core, names_link_answer_fn *answer, void *arg);
/* What is set is undone, and nothing set any more. */
void names_link_end(struct names_link *n);
/* NULL is fine. */
void names_link_free(struct names_link *n);
/* Something of a VM has changed; or its machine is gone. */
void names_link_look(struct names_link *n, struct vm_entry *changed);
void names_link_gone(struct names_link *n, struct vm_entry *e);
/* For doctor; until the next call. */
const char *names_link_state(const struct names_link *n, bool *failed);

#endif
