/* How a client's bytes travel: a Unix socket, or TCP with TLS. Not installed.
 *
 * What TLS brought together with the end of its handshake is in plain after opening.
 * Opening waits (bounded, and interruptible) until the socket stands and the handshake is done, so
 * that a call that could not reach the server fails before it began. */
#ifndef BANGER_CLIENT_TRANSPORT_H
#define BANGER_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

struct banger_client_options;
struct err;
struct tls;

enum { TRANSPORT_HOST_BYTES = 256, TRANSPORT_PORT_BYTES = 6 };

/* Certificates as PEM texts, for a client that has no files yet. */
struct transport_credentials {
    const char *certificate_pem, *key_pem;
    const uint8_t *pin_sha256; /* of the CA to trust */
};

struct transport {
    char path[108]; /* Unix; "" for TLS */
    char host[TRANSPORT_HOST_BYTES], port[TRANSPORT_PORT_BYTES];
    char authority[TRANSPORT_HOST_BYTES + TRANSPORT_PORT_BYTES + 2];
    char *ca_file, *certificate_file, *key_file; /* owned; TLS */
    struct transport_credentials memory;         /* borrowed; in place of the files */
    int fd;                                      /* -1: closed */
    struct tls *tls;                             /* NULL: plain */
    struct buf rest;                             /* output that the socket did not take */
    struct buf plain;                            /* what came, while it is handed on */
    bool more;                                   /* the last read filled its room */
};

/* Reads "unix:PATH", "PATH" or "tls:HOST:PORT"; options and memory may be NULL. Opens nothing, but
 * looks at the certificates. ERR_INVALID with the reason. */
int transport_init(struct transport *t, const char *target,
                   const struct banger_client_options *options,
                   const struct transport_credentials *memory, struct err *err);
void transport_done(struct transport *t);
/* interrupt_fd: -1, or what ends the wait (ERR_CANCELLED, reason INTERRUPTED). ERR_UNAVAILABLE: try
 * again; ERR_UNAUTHENTICATED: one side does not take the other's certificate. */
int transport_open(struct transport *t, int interrupt_fd, struct err *err);
void transport_close(struct transport *t);
/* Reads once: 1 with *data and *len (which may be 0), 0: nothing now, -1. input is room. */
int transport_read(struct transport *t, uint8_t *input, size_t input_bytes, const uint8_t **data,
                   size_t *len, struct err *err);
/* Sends what the socket takes and queues the rest, behind what waits already. */
int transport_send(struct transport *t, const uint8_t *data, size_t len, struct err *err);
/* Sends what is queued, as far as the socket takes it. */
int transport_flush(struct transport *t, struct err *err);

#endif
