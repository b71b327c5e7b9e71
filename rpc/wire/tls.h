/* TLS 1.3 with certificates on both sides, as a byte filter without I/O: whoever owns the socket
 * feeds what came from it, and sends what this appends to its buffers.
 *
 * A filter keeps no bytes of its own, but for the part of a record that OpenSSL holds: n bytes
 * received make at most n + 16 KiB of plaintext at once. There are no session tickets: each
 * connection shows its certificate, so a revocation holds from the next handshake on. One thread a
 * filter; a context may be shared by filters of one thread and replaced while they live. */
#ifndef BANGER_RPC_WIRE_TLS_H
#define BANGER_RPC_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct tls;
struct tls_context;

enum {
    TLS_PRINCIPAL_BYTES = 128,
    TLS_SERIAL_BYTES = 44, /* 20 bytes in hex (RFC 5280 4.1.2.2), a sign, a NUL */
    TLS_HASH_BYTES = 32,
    TLS_PLAIN_EXTRA_BYTES = 32 << 10, /* room that tls_receive wants above what it is fed */
    /* Room that tls_send and tls_receive want above the plaintext: record heads and tags, alerts,
     * a whole flight of a handshake with its certificates. */
    TLS_CIPHER_EXTRA_BYTES = 128 << 10,
};

/* Who a certificate names. */
struct tls_identity {
    char principal[TLS_PRINCIPAL_BYTES]; /* "" where self_signed */
    char serial[TLS_SERIAL_BYTES];       /* lower-case hex */
    uint8_t key_sha256[TLS_HASH_BYTES];  /* of its SubjectPublicKeyInfo */
    int64_t ends_s;                      /* seconds since 1970: when the first of its chain ends */
    bool self_signed;                    /* by no CA of ours */
    bool mapped;                         /* by tls_config.name, not by a URI of ours */
};

/* Where a certificate has a name. */
enum tls_name_kind { TLS_NAME_DNS, TLS_NAME_COMMON };

/* What a certificate may call a principal: letters, digits and ._@- */
bool tls_principal_is_valid(const char *name);

/* PEM texts, borrowed for tls_context_new. */
struct tls_config {
    bool server;
    const char *certificate_pem; /* own first, then what leads to the CA; NULL: a client without */
    const char *key_pem;
    const char *ca_pem; /* whom to trust; NULL only with pin_sha256 */
    /* CAs whose certificates count by tls_config.name alone: a URI of ours is refused from them, as
     * only our own CA gives those out. NULL: none. */
    const char *mapped_ca_pem;
    const char *crl_pem; /* NULL: none; then one of each CA that signs peers must be in it */
    /* Client without a CA yet: trust that CA certificate in what the server shows whose SHA-256
     * this is. */
    const uint8_t *pin_sha256;
    /* For certificates without a URI banger://principal/NAME: asked for each DNS name, then for the
     * common name. True: principal is set (TLS_PRINCIPAL_BYTES). NULL: such are refused. */
    bool (*name)(void *arg, enum tls_name_kind kind, const char *name, char *principal);
    /* Server, in the handshake: -1 refuses the peer with an alert. Self-signed certificates get in
     * through here alone: the peer has their key, and nothing else about them is proven. NULL:
     * whom the CA signed. */
    int (*admit)(void *arg, const struct tls_identity *peer, struct err *err);
    void *arg;
};

/* ERR_INVALID with the reason for anything missing, unreadable, expired or not matching. */
struct tls_context *tls_context_new(const struct tls_config *config, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* host (client): the name or address the server's certificate must have. NULL: any. */
struct tls *tls_new(struct tls_context *context, const char *host, struct err *err);
void tls_free(struct tls *tls);

/* Client: the first bytes. */
int tls_start(struct tls *tls, struct buf *cipher, struct err *err);
/* Takes all of data. Appends what it said to plain and what must be answered to cipher: to be sent
 * even after -1, as it may hold the alert that tells the peer why. ERR_UNAUTHENTICATED: one side
 * does not accept the other's certificate; a client learns that from the server only after its own
 * handshake is done (RFC 8446 4.4.2.4, appendix E.1). */
int tls_receive(struct tls *tls, const uint8_t *data, size_t len, struct buf *plain,
                struct buf *cipher, struct err *err);
/* Once ready. cipher needs room for len and TLS_CIPHER_EXTRA_BYTES. */
int tls_send(struct tls *tls, const uint8_t *data, size_t len, struct buf *cipher, struct err *err);
/* The handshake is done on this side, HTTP/2 agreed, the peer admitted. */
bool tls_is_ready(const struct tls *tls);
/* "TLSv1.3" once ready, "" before. */
const char *tls_version(const struct tls *tls);
/* The peer said that it sends no more. */
bool tls_is_closed(const struct tls *tls);
/* Says that we send no more, if there is anyone to say it to. */
void tls_close(struct tls *tls, struct buf *cipher);
/* Server, once ready; borrowed. */
const struct tls_identity *tls_peer(const struct tls *tls);

enum tls_standing {
    TLS_STANDS,
    TLS_FINISHES, /* a handshake would not take it now: its authority is known no more */
    TLS_OUT,      /* revoked, expired, or it names another */
};

/* Server, once ready: holds the peer's certificate against that context and the clock. *why says
 * what is wrong where it does not stand. A fraction of a millisecond for each of its chain. */
enum tls_standing tls_look_again(struct tls *tls, const struct tls_context *context,
                                 struct err *why);

#endif
