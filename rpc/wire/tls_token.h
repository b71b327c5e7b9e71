/* One-time tokens: how a client without a certificate comes over TLS all the same.
 *
 * A token holds a secret and the fingerprint of the server's CA. The secret is never sent: both
 * sides derive a key from it, the client shows a self-signed certificate of that key, and the
 * server (tls_config.admit) knows the key's hash. So the server trusts the client by the key, the
 * client the server by the fingerprint, and whoever listens learns nothing. */
#ifndef BANGER_RPC_WIRE_TLS_TOKEN_H
#define BANGER_RPC_WIRE_TLS_TOKEN_H

#include <stdint.h>

#include "rpc/wire/tls.h"

struct err;

enum { TLS_TOKEN_BYTES = 100 };

/* A new one: its text, to be handed out once, and the hash by which its key is known. */
int tls_token_make(const uint8_t ca_sha256[TLS_HASH_BYTES], char text[TLS_TOKEN_BYTES],
                   uint8_t key_sha256[TLS_HASH_BYTES], struct err *err);

struct tls_token {
    uint8_t ca_sha256[TLS_HASH_BYTES];
    char *certificate_pem, *key_pem; /* owned */
};

/* ERR_INVALID for what is no token. */
int tls_token_open(struct tls_token *token, const char *text, struct err *err);
void tls_token_done(struct tls_token *token);

#endif
