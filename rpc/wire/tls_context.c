/* Certificates, keys and the rules of a handshake; see tls.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/tls_internal.h"

enum { CHAIN_DEPTH_MAX = 4, CERTIFICATES_MAX = 64 };

static const uint8_t alpn_h2[] = {2, 'h', '2'};

int tls_openssl_error(struct err *err, enum err_code code, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return err_set(err, code, "%s%s%s", text, reason ? ": " : "", reason ? reason : "");
}

static BIO *open_pem(const char *pem)
{
    return BIO_new_mem_buf(pem, -1);
}

/* Reads until there are no more; what is between them is skipped, what is broken is an error. */
static bool pem_ended(void)
{
    unsigned long e = ERR_peek_last_error();
    bool ended = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (ended)
        ERR_clear_error();
    return ended;
}

/* kept: gets each of them too, unless NULL. */
static int load_ca(SSL_CTX *ssl, const char *pem, STACK_OF(X509) * kept, struct err *err)
{
    BIO *bio = open_pem(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    int n = 0, rv = -1;
    for (X509 *ca; bio && (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
        int usable = X509_check_ca(ca),
            added = usable && X509_STORE_add_cert(store, ca) && SSL_CTX_add_client_CA(ssl, ca);
        if (added && kept && X509_up_ref(ca) && sk_X509_push(kept, ca) == 0) {
            X509_free(ca);
            added = false;
        }
        X509_free(ca);
        if (!usable)
            err_set(err, ERR_INVALID, "certificate %d of the CA is not one of a CA", n + 1);
        else if (!added || n >= CERTIFICATES_MAX)
            tls_openssl_error(err, ERR_INVALID, "certificate %d of the CA", n + 1);
        if (!usable || !added || n >= CERTIFICATES_MAX)
            goto end;
    }
    if (!bio || !pem_ended())
        tls_openssl_error(err, ERR_INVALID, "the CA cannot be read");
    else if (n == 0)
        err_set(err, ERR_INVALID, "the CA has no certificate in it");
    else
        rv = 0;
end:
    BIO_free(bio);
    return rv;
}

static int load_crl(SSL_CTX *ssl, const char *pem, struct err *err)
{
    BIO *bio = open_pem(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    int n = 0;
    bool added = true;
    for (X509_CRL *crl; bio && added && n < CERTIFICATES_MAX &&
                        (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL));
         n++) {
        added = X509_STORE_add_crl(store, crl);
        X509_CRL_free(crl);
    }
    bool whole = bio && added && pem_ended();
    BIO_free(bio);
    if (!whole)
        return tls_openssl_error(err, ERR_INVALID, "the revocation list cannot be read");
    if (n == 0)
        return err_set(err, ERR_INVALID, "the revocation file has no list in it");
    /* Of each certificate on the way to the CA, so that a revoked authority takes its own along. */
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

static int check_dates(const X509 *certificate, struct err *err)
{
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return tls_early(err, ERR_INVALID, "our certificate", X509_get0_notBefore(certificate));
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return tls_expired(err, ERR_INVALID, "our certificate", X509_get0_notAfter(certificate));
    return 0;
}

static int load_own_certificate(SSL_CTX *ssl, const char *pem, bool server, struct err *err)
{
    BIO *bio = open_pem(pem);
    X509 *own = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int rv = -1, n = 0;
    if (!own || !SSL_CTX_use_certificate(ssl, own)) {
        tls_openssl_error(err, ERR_INVALID, "our certificate cannot be read");
        goto end;
    }
    /* A client's is judged by the server's clock. */
    if (server && check_dates(own, err) < 0)
        goto end;
    for (X509 *next; n < CERTIFICATES_MAX && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++)
        if (!SSL_CTX_add0_chain_cert(ssl, next)) {
            X509_free(next);
            break;
        }
    rv = pem_ended() ? 0
                     : tls_openssl_error(err, ERR_INVALID,
                                         "the chain behind our certificate cannot be read");
end:
    X509_free(own);
    BIO_free(bio);
    return rv;
}

/* A key with a passphrase is refused rather than asked for. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int load_key(SSL_CTX *ssl, const char *pem, struct err *err)
{
    BIO *bio = open_pem(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    int rv = 0;
    if (!key)
        rv = tls_openssl_error(err, ERR_INVALID, "our key cannot be read");
    else if (!SSL_CTX_use_PrivateKey(ssl, key) || !SSL_CTX_check_private_key(ssl))
        rv = tls_openssl_error(err, ERR_INVALID, "our key and certificate do not belong together");
    EVP_PKEY_free(key);
    BIO_free(bio);
    return rv;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, alpn_h2, sizeof(alpn_h2), in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A refusal gets the alert that goes with the error. */
static int refuse(struct tls *tls, X509_STORE_CTX *store, int error)
{
    (void)tls;
    X509_STORE_CTX_set_error(store, error);
    return 0;
}

/* Server: what the chain's checks found, then whether we know this peer. */
static int verify_peer(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    const struct tls_context *context = tls->context;
    if (!ok && !tls->self_signed && tls_tell_dates(store, &tls->refused))
        return refuse(tls, store, X509_V_ERR_STORE_LOOKUP); /* an internal error */
    if (X509_STORE_CTX_get_error_depth(store) > 0)
        return ok;
    if (!ok) {
        int error = X509_STORE_CTX_get_error(store);
        if (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT && context->admit)
            tls->self_signed = true;
        return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
                       error == X509_V_ERR_UNABLE_TO_GET_CRL
                   ? tls->self_signed
                   : 0;
    }
    tls->peer.self_signed = tls->self_signed;
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    STACK_OF(X509) *chain = tls->self_signed ? NULL : X509_STORE_CTX_get0_chain(store);
    X509 *ca = chain ? sk_X509_value(chain, sk_X509_num(chain) - 1) : NULL;
    if (tls_identity_of(context, certificate, ca, &tls->peer, &tls->refused) < 0)
        return refuse(tls, store, X509_V_ERR_CERT_REJECTED);
    if (chain)
        tls->peer.ends_s = tls_chain_ends_s(chain);
    if (context->admit && context->admit(context->arg, &tls->peer, &tls->refused) < 0)
        return refuse(tls, store,
                      tls->self_signed ? X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
                                       : X509_V_ERR_CERT_REVOKED);
    return 1;
}

/* Client: OpenSSL's own verdict, with the times that it leaves out. */
static int verify_server(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    if (!ok)
        tls_tell_dates(store, &tls->refused);
    return ok;
}

/* Client with a pinned CA: it must be among what the server shows, and then is what we trust. */
static int verify_pinned(X509_STORE_CTX *store, void *arg)
{
    const struct tls_context *context = arg;
    STACK_OF(X509) *shown = X509_STORE_CTX_get0_untrusted(store);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    for (int i = 0; trusted && i < sk_X509_num(shown); i++) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        X509 *certificate = sk_X509_value(shown, i);
        if (X509_digest(certificate, EVP_sha256(), hash, NULL) &&
            memcmp(hash, context->pin_sha256, TLS_HASH_BYTES) == 0)
            sk_X509_push(trusted, certificate);
    }
    int ok = 0;
    if (!trusted || sk_X509_num(trusted) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
    } else {
        X509_STORE_CTX_set0_trusted_stack(store, trusted);
        ok = X509_verify_cert(store) == 1;
    }
    sk_X509_free(trusted); /* what is in it belongs to the chain */
    return ok;
}

static int set_rules(struct tls_context *context, struct err *err)
{
    SSL_CTX *ssl = context->ssl;
    static const uint8_t session_context[] = "banger";
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH_MAX);
    SSL_CTX_set_verify(ssl, mode, context->server ? verify_peer : verify_server);
    if (context->pinned)
        SSL_CTX_set_cert_verify_callback(ssl, verify_pinned, context);
    SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
    if (!SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) ||
        !SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) || !SSL_CTX_set_num_tickets(ssl, 0) ||
        !SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context) - 1) ||
        SSL_CTX_set_alpn_protos(ssl, alpn_h2, sizeof(alpn_h2)) != 0)
        return tls_openssl_error(err, ERR_LIMIT, "TLS cannot be set up");
    return 0;
}

static int load(struct tls_context *context, const struct tls_config *config, struct err *err)
{
    if (config->ca_pem && load_ca(context->ssl, config->ca_pem, context->own_cas, err) < 0)
        return -1;
    if (config->mapped_ca_pem && load_ca(context->ssl, config->mapped_ca_pem, NULL, err) < 0)
        return err_wrap(err, "the further CAs");
    if (config->crl_pem && load_crl(context->ssl, config->crl_pem, err) < 0)
        return -1;
    if (!config->certificate_pem)
        return 0;
    if (load_own_certificate(context->ssl, config->certificate_pem, config->server, err) < 0)
        return -1;
    return load_key(context->ssl, config->key_pem ? config->key_pem : "", err);
}

struct tls_context *tls_context_new(const struct tls_config *config, struct err *err)
{
    if (!config->ca_pem && !config->mapped_ca_pem && !config->pin_sha256) {
        err_set(err, ERR_INVALID, "there is no CA to trust");
        return NULL;
    }
    if (config->server && !config->certificate_pem) {
        err_set(err, ERR_INVALID, "a server needs a certificate");
        return NULL;
    }
    struct tls_context *context = calloc(1, sizeof(*context));
    if (!context) {
        err_set(err, ERR_LIMIT, "out of memory for TLS");
        return NULL;
    }
    context->n_refs = 1;
    context->server = config->server;
    context->name = config->name;
    context->admit = config->admit;
    context->arg = config->arg;
    context->pinned = config->pin_sha256 && !config->server;
    if (context->pinned)
        memcpy(context->pin_sha256, config->pin_sha256, TLS_HASH_BYTES);
    ERR_clear_error();
    context->ssl = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    context->bio = tls_bio_new();
    context->own_cas = sk_X509_new_null();
    if (!context->ssl || !context->bio || !context->own_cas) {
        tls_openssl_error(err, ERR_LIMIT, "TLS cannot be set up");
        goto fail;
    }
    if (set_rules(context, err) < 0 || load(context, config, err) < 0)
        goto fail;
    return context;
fail:
    tls_context_unref(context);
    return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->n_refs++;
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || --context->n_refs > 0)
        return;
    SSL_CTX_free(context->ssl);
    sk_X509_pop_free(context->own_cas, X509_free);
    BIO_meth_free(context->bio);
    free(context);
}
