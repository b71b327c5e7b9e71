/* Where a client's server is, and with which certificates it is met. Not installed. */
#ifndef BANGER_CLIENT_TARGET_H
#define BANGER_CLIENT_TARGET_H

#include <stdint.h>

struct banger_client_options;
struct err;
struct tls_context;

enum { TARGET_HOST_BYTES = 256, TARGET_PORT_BYTES = 6 };

/* Certificates as PEM texts, for a client that has no files yet. */
struct target_credentials {
    const char *certificate_pem, *key_pem;
    const uint8_t *pin_sha256; /* of the CA to trust */
};

struct target {
    char path[108]; /* Unix; "" for TLS */
    char host[TARGET_HOST_BYTES], port[TARGET_PORT_BYTES];
    char authority[TARGET_HOST_BYTES + TARGET_PORT_BYTES + 2];
    char *ca_file, *certificate_file, *key_file; /* owned; TLS */
    char *ca_pem, *certificate_pem, *key_pem;    /* owned; in place of the files where ca_pem is */
    char *server_name;                           /* owned; NULL: host is the server's name */
    struct target_credentials memory;            /* borrowed; in place of the files */
};

/* Reads "unix:PATH", "PATH" or "tls:HOST:PORT"; options and memory may be NULL. Looks at the
 * certificates, opens nothing. ERR_INVALID with the reason; to be done with in any case. */
int target_init(struct target *t, const char *text, const struct banger_client_options *options,
                const struct target_credentials *memory, struct err *err);
void target_done(struct target *t);
/* Copies the texts, checks them, and takes them for the next connections. -1: as it was. */
int target_set_credentials(struct target *t, const char *ca_pem, const char *certificate_pem,
                           const char *key_pem, struct err *err);
/* For messages: the path, or HOST:PORT. */
const char *target_name(const struct target *t);
/* What a TLS handshake needs; the files are read anew each time, so that renewed ones count from
 * the next connection on. NULL with err. */
struct tls_context *target_load_tls(const struct target *t, struct err *err);

#endif
