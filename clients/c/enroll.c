/* Keys, signing requests and the certificates that come back; see banger/remote.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "banger/methods.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "context.h"
#include "internal.h"
#include "rpc/wire/tls_token.h"

/* A new key, and the request to sign it. */
struct request {
    char *key_pem; /* owned */
    uint8_t *der;  /* OpenSSL's */
    int der_len;
};

static void request_done(struct request *r)
{
    if (r->key_pem)
        OPENSSL_cleanse(r->key_pem, strlen(r->key_pem));
    free(r->key_pem);
    OPENSSL_free(r->der);
}

static char *text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    return strndup(data, (size_t)len);
}

static int request_make(struct request *r, struct banger_error *error)
{
    *r = (struct request){0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_secmem());
    if (key && request && bio && X509_REQ_set_pubkey(request, key) &&
        X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
        r->der_len = i2d_X509_REQ(request, &r->der);
        r->key_pem = text_of(bio);
    }
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r->key_pem && r->der_len > 0 ? 0 : error_no_memory(error);
}

/* DER to PEM; NULL for what is no certificate. */
static char *certificate_pem(const ProtobufCBinaryData *der)
{
    const uint8_t *at = der->data;
    char *text = NULL;
    X509 *x = der->len <= 65536 ? d2i_X509(NULL, &at, (long)der->len) : NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (x && bio && PEM_write_bio_X509(bio, x))
        text = text_of(bio);
    BIO_free(bio);
    X509_free(x);
    ERR_clear_error();
    return text;
}

/* The certificate, and the CA that signed it: what the answer to a request holds. */
static int take_answer(const Banger__V1__EnrollResponse *answer, char **certificate, char **ca,
                       struct banger_error *error)
{
    *certificate = certificate_pem(&answer->certificate_der);
    *ca = answer->n_chain_der ? certificate_pem(&answer->chain_der[answer->n_chain_der - 1]) : NULL;
    if (*certificate && *ca)
        return 0;
    return error_set(error, BANGER_INTERNAL, "the server's answer holds no certificates");
}

static Banger__V1__EnrollResponse *ask(const char *target, const struct tls_token *token,
                                       const struct request *request, struct banger_error *error)
{
    const struct target_pinned pinned = {.certificate_pem = token->certificate_pem,
                                         .key_pem = token->key_pem,
                                         .ca_sha256 = token->ca_sha256};
    struct banger_client *client = client_new(target, &pinned, error);
    if (!client)
        return NULL;
    Banger__V1__EnrollRequest enroll = BANGER__V1__ENROLL_REQUEST__INIT;
    enroll.csr_der = (ProtobufCBinaryData){(size_t)request->der_len, request->der};
    Banger__V1__EnrollResponse *answer = banger_enroll(client, &enroll, NULL, error);
    banger_close(client);
    return answer;
}

int banger_context_enroll(const char *address, const char *text, const char *context,
                          struct banger_error *error)
{
    struct err err = ERR_INIT;
    struct tls_token token;
    struct request request;
    struct context_files files;
    char target[BANGER_TARGET_BYTES];
    auto_free char *certificate = NULL, *ca = NULL;
    int n = snprintf(target, sizeof(target), "%s%s",
                     strncmp(address, "tls:", 4) == 0 ? "" : "tls:", address);
    if (n < 0 || (size_t)n >= sizeof(target))
        return error_set(error, BANGER_INVALID_ARGUMENT, "the address is too long");
    if (context_files(&files, context, error) < 0)
        return -1;
    if (access(files.target, F_OK) == 0) /* before the token is used up */
        return error_set(error, BANGER_ALREADY_EXISTS,
                         "there is a context \"%s\" already: remove it, or use --name", context);
    if (tls_token_open(&token, text, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    int rv = request_make(&request, error);
    Banger__V1__EnrollResponse *answer = rv == 0 ? ask(target, &token, &request, error) : NULL;
    if (rv == 0 && !answer && error && error->code == BANGER_UNAUTHENTICATED)
        error_wrap(error, "the token was used already, has expired, or is of another host");
    rv = answer ? take_answer(answer, &certificate, &ca, error) : -1;
    if (rv == 0)
        rv = context_write(context, target, ca, certificate, request.key_pem, error);
    if (rv == 0)
        rv = banger_context_use(context, error);
    banger_message_free(answer ? &answer->base : NULL);
    request_done(&request);
    tls_token_done(&token);
    return rv;
}

int banger_context_rotate(const char *name, struct banger_error *error)
{
    struct banger_context context;
    struct context_files files;
    struct request request;
    auto_free char *certificate = NULL, *ca = NULL;
    if (context_find(name, &context, error) < 0 || context_files(&files, context.name, error) < 0)
        return -1;
    struct banger_client *client = banger_connect_context(context.name, error);
    if (!client)
        return -1;
    Banger__V1__EnrollResponse *answer = NULL;
    int rv = request_make(&request, error);
    if (rv == 0) {
        Banger__V1__RotateCertificateRequest rotate = BANGER__V1__ROTATE_CERTIFICATE_REQUEST__INIT;
        rotate.csr_der = (ProtobufCBinaryData){(size_t)request.der_len, request.der};
        answer = banger_rotate_certificate(client, &rotate, NULL, error);
        rv = answer ? take_answer(answer, &certificate, &ca, error) : -1;
    }
    if (rv == 0)
        rv = context_write_identity(&files, certificate, request.key_pem, error);
    if (rv == 0) /* the host may have signed its CA anew */
        rv = context_add_ca(&files, ca, error);
    banger_message_free(answer ? &answer->base : NULL);
    request_done(&request);
    banger_close(client);
    return rv;
}
