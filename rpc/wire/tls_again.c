/* A peer's certificate held once more against what counts now; see tls.h. */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "rpc/wire/tls_internal.h"

int64_t tls_chain_ends_s(const STACK_OF(X509) * chain)
{
    int64_t first = INT64_MAX, at;
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (tls_seconds(X509_get0_notAfter(sk_X509_value(chain, i)), &at) == 0 && at < first)
            first = at;
    return first;
}

/* What is wrong with a list alone is our own trouble, and shuts out who comes, not who is here:
 * what it says of revocations counts all the same. A clock that was set back does neither. */
static int verify_again(int ok, X509_STORE_CTX *store)
{
    switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return 1;
    default:
        return ok;
    }
}

/* As OpenSSL sets it up for a handshake (ssl_verify_cert_chain). */
static int set_up(X509_STORE_CTX *store, const struct tls *tls, const struct tls_context *context)
{
    X509_VERIFY_PARAM *param = NULL;
    if (!X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context->ssl),
                             SSL_get0_peer_certificate(tls->ssl),
                             SSL_get_peer_cert_chain(tls->ssl)) ||
        !X509_STORE_CTX_set_default(store, "ssl_client"))
        return -1;
    param = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(context->ssl));
    X509_STORE_CTX_set_verify_cb(store, verify_again);
    return X509_VERIFY_PARAM_set1(param, SSL_CTX_get0_param(context->ssl)) ? 0 : -1;
}

static enum tls_standing refused(X509_STORE_CTX *store, struct err *why)
{
    int error = X509_STORE_CTX_get_error(store);
    bool of_ca = X509_STORE_CTX_get_error_depth(store) > 0;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tls_tell_dates(store, why);
        err_wrap(why, "the certificate counts no more");
        return TLS_OUT;
    case X509_V_ERR_CERT_REVOKED:
        err_set(why, ERR_UNAUTHENTICATED, "the certificate counts no more: %s is revoked",
                of_ca ? "its CA's certificate" : "it");
        return TLS_OUT;
    default:
        err_set(why, ERR_UNAUTHENTICATED, "the certificate counts no more: %s",
                X509_verify_cert_error_string(error));
        return TLS_FINISHES;
    }
}

/* The chain is good: whom it names now. */
static enum tls_standing name_again(struct tls *tls, const struct tls_context *context,
                                    X509_STORE_CTX *store, struct err *why)
{
    struct tls_identity now = {0};
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    X509 *leaf = SSL_get0_peer_certificate(tls->ssl);
    X509 *ca = sk_X509_value(chain, sk_X509_num(chain) - 1);
    if (tls_identity_of(context, leaf, ca, &now, why) < 0)
        return TLS_OUT;
    if (strcmp(now.principal, tls->peer.principal) != 0 || now.mapped != tls->peer.mapped) {
        err_set(why, ERR_UNAUTHENTICATED, "the certificate names %s now, and named %s",
                now.principal, tls->peer.principal);
        return TLS_OUT;
    }
    tls->peer.ends_s = tls_chain_ends_s(chain);
    return TLS_STANDS;
}

enum tls_standing tls_look_again(struct tls *tls, const struct tls_context *context,
                                 struct err *why)
{
    if (tls->peer.self_signed)
        return TLS_STANDS; /* its key is all there is to it: admit()'s matter */
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    enum tls_standing standing = TLS_FINISHES;
    ERR_clear_error();
    if (!store || set_up(store, tls, context) < 0)
        err_set(why, ERR_UNAVAILABLE, "out of memory for certificates");
    else if (X509_verify_cert(store) == 1)
        standing = name_again(tls, context, store, why);
    else
        standing = refused(store, why);
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    return standing;
}
