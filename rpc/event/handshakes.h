/* Whose handshake goes when there is room for no more: the choice alone, without sockets. */
#ifndef BANGER_RPC_EVENT_HANDSHAKES_H
#define BANGER_RPC_EVENT_HANDSHAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HANDSHAKE_SOURCE_BYTES = 16, HANDSHAKES_LOOKED_AT = 64 };

struct handshake {
    /* Where it comes from: an IPv4 address, or the network (64 bits) of one of IPv6. */
    uint8_t source[HANDSHAKE_SOURCE_BYTES];
    int64_t since_ns; /* any clock */
    bool silent;      /* has said nothing yet */
};

/* The next number of a sequence (splitmix64); *seed moves on. */
uint64_t handshakes_chance(uint64_t *seed);
/* Which of n (1 to HANDSHAKES_LOOKED_AT) goes. By chance, so that nobody can make sure of another's
 * end: rather of a source that has many here, there rather one that has said nothing, and has had
 * more time for it than others. */
size_t handshakes_choose(const struct handshake *all, size_t n, uint64_t *seed);

#endif
