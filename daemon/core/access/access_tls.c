/* Who is let in by a handshake, and the TLS context that asks; see access_internal.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/pem_pair.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/access/access_rules.h"
#include "rpc/wire/tls.h"

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

static int check_filled(const char *path, const char *pem, struct err *err)
{
    return !pem || *pem ? 0 : err_set(err, ERR_PRECONDITION, "%s is empty", path);
}

/* Of those that the configuration names: certificate and key, or neither. */
static int read_files(const struct access_files *files, char **ca, char **certificate, char **key,
                      struct err *err)
{
    if ((*files->ca && fs_read(files->ca, PEM_BYTES_MAX, ca, NULL, err) < 0) ||
        (*files->certificate &&
         pem_read_pair(files->certificate, files->key, certificate, key, err) < 0)) {
        if (err)
            err->code = ERR_PRECONDITION;
        return -1;
    }
    if (check_filled(files->ca, *ca, err) < 0 ||
        check_filled(files->certificate, *certificate, err) < 0)
        return -1;
    return check_filled(files->key, *key, err);
}

struct tls_context *access_make_context(struct access *access, const struct access_files *files,
                                        const struct pki *pki, struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL;
    char *key = NULL;
    if (read_files(files, &ca, &certificate, &key, err) < 0) {
        pem_forget_key(key);
        return NULL;
    }
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
    pem_forget_key(key);
    return context;
}
