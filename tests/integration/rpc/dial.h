/* A blocking client of the echo service over a real socket, plain or TLS; and raw bytes the same
 * way, for those who attack. One thread each; failures to connect end the program. */
#ifndef BANGER_TESTS_RPC_DIAL_H
#define BANGER_TESTS_RPC_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/client.h"
#include "rpc/wire/tls.h"
#include "tests/support/certs.h"
#include "tests/support/echo_service.h"

enum { DIAL_WAIT_MS = 60000 };

typedef Banger__Test__V1__EchoRequest echo_request;
typedef Banger__Test__V1__EchoResponse echo_response;

struct dial {
    int fd;
    struct tls_context *context;
    struct tls *tls;        /* NULL: plain */
    struct rpc_client *rpc; /* NULL: raw */
    struct buf plain;       /* TLS: received, to be looked at */
    struct buf out;         /* on its way to the server */
    struct buf frames;      /* raw: received, not yet a whole frame */
    size_t step;            /* bytes to a send(); 0: all */
    bool lost;              /* the server closed, or said no */
    bool goaway;            /* raw: it came, with … */
    uint32_t goaway_code;
    char goaway_text[256];
    struct err why;
};

/* Raw until dial_client. */
void dial_unix(struct dial *d, const char *path);
/* cert may be NULL. Does not shake hands yet. */
void dial_tls(struct dial *d, uint16_t port, const char *ca_pem, const struct cert *cert);
void dial_done(struct dial *d);

/* Ends the handshake, or loses. */
bool dial_shake(struct dial *d);
/* Behind what waits to be sent, which dial_turn does. */
void dial_queue(struct dial *d, const uint8_t *data, size_t len);
/* Sends, reading meanwhile as a client does, until all is sent or the server has had enough. */
void dial_push(struct dial *d, const void *data, size_t len);
/* Reads until the server closes: false when it has not by then. */
bool dial_await_end(struct dial *d, int64_t wait_ms);

/* From now on a gRPC client. */
void dial_client(struct dial *d);
/* Moves bytes once: waits up to wait_ms for some to come. */
void dial_turn(struct dial *d, int wait_ms);
/* A unary call: the text comes back, and all of the payload. False, with d->why, if it does not. */
bool dial_echo(struct dial *d, const char *text, size_t payload_bytes);

#endif
