/* A TLS client and server filter with buffers between them, in steps of any size. */
#ifndef BANGER_TESTS_TLS_PAIR_H
#define BANGER_TESTS_TLS_PAIR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/tls.h"
#include "tests/support/certs.h"

/* What a test may want of certificates; made once (an expired one, one of another CA, …). */
struct tls_certs {
    struct cert ca, server, client;
};

struct tls_side {
    struct tls *tls;
    struct buf cipher; /* on its way to the other side */
    struct buf plain;  /* what came */
    struct err err;    /* of the first failure */
    bool failed;
};

struct tls_pair {
    struct tls_context *server_context, *client_context;
    struct tls_side server, client;
    size_t step; /* bytes carried at a time */
};

void tls_certs_make(struct tls_certs *certs);
void tls_certs_done(struct tls_certs *certs);
/* Starts the handshake. -1 with *err when a context or filter could not be made; close anyway. */
int tls_pair_open(struct tls_pair *p, const struct tls_config *server,
                  const struct tls_config *client, const char *host, struct err *err);
/* Carries bytes both ways until none are left. */
void tls_pair_run(struct tls_pair *p);
void tls_pair_close(struct tls_pair *p);

#endif
