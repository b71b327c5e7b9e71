/* How a connection's bytes travel: a Unix socket, or TCP with TLS. Not installed.
 *
 * Nothing here waits. Opening is a machine that transport_step turns on: look the host's name up
 * (lookup.h), connect to one of its addresses (dial.h), then the TLS handshake, each with a
 * deadline. What the machine waits for is in the client's epoll set. */
#ifndef BANGER_CLIENT_TRANSPORT_H
#define BANGER_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "dial.h"

struct err;
struct target;
struct tls;

enum transport_phase {
    TRANSPORT_CLOSED,
    TRANSPORT_LOOKING_UP,
    TRANSPORT_CONNECTING,
    TRANSPORT_SHAKING_HANDS,
    TRANSPORT_OPEN
};

struct transport {
    struct target *target; /* borrowed */
    int epoll_fd;          /* borrowed */
    int fd;                /* -1: none */
    uint32_t watched;      /* epoll events; 0: fd is not in the set */
    enum transport_phase phase;
    int64_t until_ms; /* when transport_step is due whatever happens; INT64_MAX when open */
    struct dial dial; /* CONNECTING */
    struct tls *tls;  /* NULL: plain */
    struct buf rest;  /* output that the socket did not take */
    struct buf plain; /* what came, while it is handed on */
    bool more;        /* the last read filled its room */
};

void transport_init(struct transport *t, struct target *target, int epoll_fd);
void transport_done(struct transport *t);
/* Begins. ERR_UNAVAILABLE: try again; ERR_UNAUTHENTICATED: one side does not take the other's
 * certificate. */
int transport_open(struct transport *t, struct err *err);
/* Goes on with opening: 1 open (what came with the end of the handshake is in plain), 0 not yet,
 * -1 as transport_open. */
int transport_step(struct transport *t, struct err *err);
void transport_close(struct transport *t);
/* Reads once: 1 with *data and *len (which may be 0), 0: nothing now, -1. input is room. */
int transport_read(struct transport *t, uint8_t *input, size_t input_bytes, const uint8_t **data,
                   size_t *len, struct err *err);
/* Sends what the socket takes and queues the rest, behind what waits already. */
int transport_send(struct transport *t, const uint8_t *data, size_t len, struct err *err);
/* Sends what is queued, as far as the socket takes it. */
int transport_flush(struct transport *t, struct err *err);

#endif
