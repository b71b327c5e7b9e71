/* Who is let in by a handshake, and the TLS context that asks; see access_internal.h. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/access/access_rules.h"
#include "rpc/wire/tls.h"

enum { FILE_BYTES_MAX = 1 << 20 };

/* In the handshake: a refusal here goes out as an alert. */
static int admit(void *arg, const struct tls_identity *peer, struct err *err)
{
    const struct access *access = arg;
    if (peer->self_signed) {
        if (access_find_token(access, peer->key_sha256))
            return 0;
        return err_set(err, ERR_UNAUTHENTICATED,
                       "signed by no CA of ours, and its key is that of no token");
    }
    if (peer->mapped ? access_find_mapped(access, peer->principal) != NULL
                     : access_certificate_counts(access, peer->principal, peer->serial))
        return 0;
    return err_set(err, ERR_UNAUTHENTICATED, "the certificate %s of %s counts no more",
                   peer->serial, peer->principal);
}

/* For a certificate without a principal of ours. */
static bool name_by_rules(void *arg, enum tls_name_kind kind, const char *name, char *principal)
{
    const struct access *access = arg;
    const struct access_peer *rule = access_rules_peer(access->rules, kind, name);
    if (rule)
        strcpy(principal, rule->principal);
    return rule != NULL;
}

/* "" reads as NULL. */
static int read_pem(const char *path, char **text, struct err *err)
{
    size_t len = 0;
    if (!*path)
        return 0;
    if (fs_read(path, FILE_BYTES_MAX, text, &len, err) < 0) {
        if (err)
            err->code = ERR_PRECONDITION;
        return -1;
    }
    return len > 0 ? 0 : err_set(err, ERR_PRECONDITION, "%s is empty", path);
}

struct tls_context *access_make_context(struct access *access, const struct access_files *files,
                                        const struct pki *pki, struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    if (read_pem(files->ca, &ca, err) < 0 || read_pem(files->certificate, &certificate, err) < 0 ||
        read_pem(files->key, &key, err) < 0)
        return NULL;
    const struct tls_config config = {
        .server = true,
        .certificate_pem = certificate ? certificate : pki_server_pem(pki),
        .key_pem = certificate ? key : pki_server_key_pem(pki),
        .ca_pem = pki ? pki_ca_pem(pki) : NULL,
        .mapped_ca_pem = ca,
        .crl_pem = pki ? pki_crl_pem(pki) : NULL,
        .name = name_by_rules,
        .admit = admit,
        .arg = access,
    };
    struct tls_context *context = tls_context_new(&config, err);
    if (key)
        OPENSSL_cleanse(key, strlen(key));
    return context;
}
