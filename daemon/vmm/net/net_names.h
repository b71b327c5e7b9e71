/* The resolver of a guest whose egress list has names: its questions to 10.0.2.3, as frames. Pure.
 *
 * passt would hand on whatever the guest asks, and whatever it is told. So a question for a listed
 * name goes on as one that we write, with an id of ours; its answer opens the addresses that it has
 * (egress_pins.h), and the guest gets one that we write. All else is answered here. */
#ifndef BANGER_DAEMON_VMM_NET_NET_NAMES_H
#define BANGER_DAEMON_VMM_NET_NET_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/dns.h"
#include "daemon/model/egress.h"
#include "daemon/model/egress_pins.h"

struct net_own;

enum {
    NET_ASKED_MAX = 64,                             /* questions at once; the oldest makes room */
    NET_ASKED_MS = 20000,                           /* an answer is taken for so long */
    NET_DNS_BYTES = 14 + 20 + 8 + DNS_PACKET_BYTES, /* the longest frame that is written here */
};

struct net_asked {
    int64_t until_ms;  /* 0: free */
    uint16_t id, port; /* ours, the guest's */
    struct dns_question q;
};

struct net_names {
    struct egress_names names;
    struct egress_pins pins;
    struct net_asked asked[NET_ASKED_MAX];
    int64_t now_ms;   /* monotonic; the caller's to set before each call */
    uint16_t next_id; /* not to be guessed: the caller's to set, before each call too */
};

/* Is it a packet to, or from, the resolver? */
bool net_names_is_question(const uint8_t *frame, size_t len);
bool net_names_is_answer(const uint8_t *frame, size_t len);

enum net_names_way { NET_NAMES_NOWHERE, NET_NAMES_TO_PASST, NET_NAMES_TO_GUEST };

/* What becomes of a question: where the frame in out goes. */
enum net_names_way net_names_ask(struct net_names *n, const uint8_t *frame, size_t len,
                                 uint8_t out[NET_DNS_BYTES], size_t *out_len);
/* Of an answer: the frame for the guest, or false: nobody has asked for it. */
bool net_names_tell(struct net_names *n, const struct egress_ranges *listed,
                    const struct net_own *own, const uint8_t *frame, size_t len,
                    uint8_t out[NET_DNS_BYTES], size_t *out_len);

#endif
