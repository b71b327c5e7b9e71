/* Where a client's server is, and with which certificates it is met. Not installed. */
#ifndef BANGER_CLIENT_TARGET_H
#define BANGER_CLIENT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct lookup;
struct tls_context;

enum { TARGET_HOST_BYTES = 256, TARGET_PORT_BYTES = 6 };

/* Certificates of both sides: PEM texts, or the files that hold them. */
struct target_credentials {
    char *ca, *certificate, *key; /* ca NULL: not told yet; the others may be NULL */
    bool are_files;
};

/* A server whose CA is known by its digest alone, for a client that is about to enroll. */
struct target_pinned {
    const char *certificate_pem, *key_pem;
    const uint8_t *ca_sha256;
};

struct target {
    char path[108]; /* Unix; "" for TLS */
    char host[TARGET_HOST_BYTES], port[TARGET_PORT_BYTES];
    char authority[TARGET_HOST_BYTES + TARGET_PORT_BYTES + 2];
    struct lookup *lookup;                 /* owned; of host, under way: transport.c; NULL: none */
    char *server_name;                     /* owned; NULL: host is the server's name */
    struct target_credentials credentials; /* owned; TLS */
    struct target_pinned pinned;           /* borrowed; in place of those where ca_sha256 is set */
};

/* Reads "unix:PATH", "PATH" or "tls:HOST:PORT"; pinned may be NULL. Opens nothing. ERR_INVALID with
 * the reason; to be done with in any case. */
int target_init(struct target *t, const char *text, const struct target_pinned *pinned,
                struct err *err);
void target_done(struct target *t);
/* Copies them, checks them, and takes them for the next connections. -1: as it was. */
int target_set_credentials(struct target *t, const struct target_credentials *credentials,
                           struct err *err);
/* For messages: the path, or HOST:PORT. */
const char *target_name(const struct target *t);
/* What a TLS handshake needs; the files are read anew each time, so that renewed ones count from
 * the next connection on. NULL with err. */
struct tls_context *target_load_tls(const struct target *t, struct err *err);

#endif
