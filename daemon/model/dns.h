/* DNS (RFC 1035) as far as addresses and names of VMs go: what is asked of us, what of another
 * server for it, what that answers, and what whoever asked is told. Without I/O.
 *
 * Nothing that comes from outside goes on to the guest but addresses and a time: all else is
 * written anew. The question's own bytes come back, as RFC 5452 and some clients want them. */
#ifndef BANGER_DAEMON_MODEL_DNS_H
#define BANGER_DAEMON_MODEL_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DNS_PACKET_BYTES = 1232, /* what we say that we take (RFC 6891, 6.2.5); none is longer */
    DNS_TOLD_BYTES = 512,    /* and what every client takes */
    DNS_WIRE_NAME_BYTES = 255,
    DNS_ADDRESSES_MAX = 8, /* that are told; of more the first */
    DNS_ALIASES_MAX = 8,   /* that are followed */
    DNS_PORT = 53,
};

/* RFC 1035, 4.1.1; of an answer: what becomes of it. */
enum {
    DNS_OK = 0,
    DNS_FORMAT_ERROR = 1,
    DNS_FAILED = 2,
    DNS_NO_SUCH_NAME = 3,
    DNS_NOT_BUILT = 4,
    DNS_REFUSED = 5,
};

/* 3.2.2 to 3.2.5: types, a class, and what is any of either. */
enum { DNS_A = 1, DNS_PTR = 12, DNS_IN = 1, DNS_ANY = 255 };

struct dns_question {
    uint16_t id, flags;
    uint16_t type, class;
    bool edns;
    size_t wire_len;
    uint8_t wire[DNS_WIRE_NAME_BYTES]; /* its name as it came */
    char name[DNS_WIRE_NAME_BYTES];    /* lower case; "": of other characters than names have */
};

/* 0: one is read; DNS_FORMAT_ERROR, DNS_NOT_BUILT: it is to be told that, by its id and flags; -1:
 * it is not answered at all. */
int dns_question_read(const uint8_t *packet, size_t len, struct dns_question *q);
/* Does it want addresses that guests can use (class IN, type A)? */
bool dns_question_is_for_addresses(const struct dns_question *q);
/* Is that (lower case) the last label of its name, or all of it? */
bool dns_question_is_below(const struct dns_question *q, const char *label);
/* As we ask another, for addresses, with an id of ours. The length. */
size_t dns_question_write(const struct dns_question *q, uint16_t id,
                          uint8_t packet[DNS_PACKET_BYTES]);

struct dns_answer {
    int code; /* of another server: DNS_OK, DNS_NO_SUCH_NAME; DNS_FAILED: it is of no use */
    bool by_authority; /* ours alone: we know it ourselves; else it is a resolver's */
    const char *name;  /* ours alone, borrowed: what an address is called; NULL */
    uint32_t ttl_s;
    size_t n;
    uint32_t addresses[DNS_ADDRESSES_MAX];
};

/* False: it is none to that question with that id, so the right one may still come. */
bool dns_answer_read(const uint8_t *packet, size_t len, const struct dns_question *q, uint16_t id,
                     struct dns_answer *a);
/* What is told. The length. */
size_t dns_answer_write(const struct dns_question *q, const struct dns_answer *a,
                        uint8_t packet[DNS_TOLD_BYTES]);

#endif
