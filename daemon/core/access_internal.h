/* What access.c and access_tls.c share. */
#ifndef BANGER_DAEMON_CORE_ACCESS_INTERNAL_H
#define BANGER_DAEMON_CORE_ACCESS_INTERNAL_H

#include <stdbool.h>

#include "base/map.h"
#include "daemon/core/access.h"

struct tls_identity;

struct access {
    struct core *core;
    struct map identities; /* by principal; owned */
    struct map tokens;     /* by key; owned */
    struct pki *pki;
    struct tls_context *tls; /* of pki */
    char address[ACCESS_ADDRESS_BYTES];
    bool listening;
    struct access_rules *rules; /* owned; NULL: nobody comes by them */
    struct access_files files;
};

struct identity *access_find(const struct access *access, const char *principal);
/* The live token of that key, or NULL. */
struct token *access_find_token(const struct access *access,
                                const uint8_t key_sha256[TLS_HASH_BYTES]);
/* The rule by which a mapped principal may come, or NULL. */
const struct access_peer *access_find_mapped(const struct access *access, const char *principal);
/* That very certificate counts. */
bool access_certificate_counts(const struct access *access, const char *principal,
                               const char *serial);

#endif
