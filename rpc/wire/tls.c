/* One connection's TLS; see tls.h. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "rpc/wire/tls_internal.h"

enum {
    RECORD_BYTES = 16 << 10,
    /* A new key takes us 10 us, and its peer 27 bytes: true ones ask for one in gigabytes. */
    IDLE_RECORDS_MAX = 200,
    IDLE_FORGIVEN_MS = 50, /* for one of them */
};

/* OpenSSL's face of our buffers: reads what is being fed, appends to where output goes. */

static int bio_read(BIO *bio, char *to, size_t len, size_t *n)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *n = len < tls->in_len ? len : tls->in_len;
    if (tls->flooded) {
        *n = 0;
        return 0;
    }
    if (*n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, tls->in, *n);
    tls->in += *n;
    tls->in_len -= *n;
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t len, size_t *n)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *n = 0;
    if (!tls->out || buf_append(tls->out, from, len) < 0) {
        tls->no_room = true;
        return 0;
    }
    *n = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "banger buffers");
    if (method && BIO_meth_set_read_ex(method, bio_read) &&
        BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* OpenSSL tells of every record's head before it looks into it, and of every message of its own.
 * What turns out to be data is taken off again. */
static void on_record(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
                      void *arg)
{
    struct tls *tls = arg;
    (void)version;
    (void)data;
    (void)len;
    (void)ssl;
    if (sent || (type != SSL3_RT_HEADER && type != SSL3_RT_HANDSHAKE) ||
        ++tls->idle_records <= IDLE_RECORDS_MAX)
        return;
    int64_t now_ms = clock_mono_ms(), forgiven = (now_ms - tls->idle_since_ms) / IDLE_FORGIVEN_MS;
    if (forgiven > IDLE_RECORDS_MAX)
        forgiven = IDLE_RECORDS_MAX;
    tls->idle_records -= (size_t)forgiven;
    tls->idle_since_ms = now_ms;
    tls->flooded = tls->idle_records > IDLE_RECORDS_MAX;
}

static int attach_bio(struct tls *tls)
{
    BIO *bio = BIO_new(tls->context->bio);
    if (!bio)
        return -1;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_msg_callback(tls->ssl, on_record);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    return 0;
}

/* The name that the server's certificate must have; names go in the handshake, addresses do not
 * (RFC 6066 3). */
static int set_host(struct tls *tls, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host))
        return 0;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(tls->ssl, host) && SSL_set_tlsext_host_name(tls->ssl, host) ? 0 : -1;
}

struct tls *tls_new(struct tls_context *context, const char *host, struct err *err)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        err_set(err, ERR_LIMIT, "out of memory for TLS");
        return NULL;
    }
    ERR_clear_error();
    tls->context = tls_context_ref(context);
    tls->idle_since_ms = clock_mono_ms();
    tls->ssl = SSL_new(context->ssl);
    if (!tls->ssl || !SSL_set_app_data(tls->ssl, tls) || attach_bio(tls) < 0 ||
        (host && set_host(tls, host) < 0)) {
        tls_openssl_error(err, ERR_LIMIT, "TLS cannot begin");
        tls_free(tls);
        return NULL;
    }
    if (context->server)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    tls_context_unref(tls->context);
    free(tls);
}

/* Alerts by which a peer says that it does not take our certificate (RFC 8446 6.2). */
static bool alert_is_about_us(int alert)
{
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_DECRYPT_ERROR: /* its signature is wrong */
        return true;
    default:
        return false;
    }
}

/* Turns OpenSSL's state after a failed step into an error. */
static int tls_fail(struct tls *tls, struct err *err)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    int alert = reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;
    const char *text = e ? ERR_reason_error_string(e) : NULL;
    const char *named = text ? strstr(text, "alert ") : NULL;
    const char *peer = tls->context->server ? "client" : "server";
    tls->failed = true;
    if (tls->flooded) {
        err_set(err, ERR_UNAVAILABLE, "too many TLS records of the %s without data", peer);
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        const char *why = tls->refused.code
                              ? tls->refused.message
                              : X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
        err_set(err, ERR_UNAUTHENTICATED, "the certificate of the %s is refused: %s", peer, why);
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        err_set(err, ERR_UNAUTHENTICATED, "the client has no certificate");
    } else if (alert && alert_is_about_us(alert)) {
        err_set(err, ERR_UNAUTHENTICATED, "the %s does not accept our certificate: %s", peer,
                named ? named : "an alert");
    } else if (alert == SSL_AD_INTERNAL_ERROR && !tls->context->server) {
        err_set(err, ERR_UNAVAILABLE,
                "the server cannot check certificates now, for a reason of its own (alert internal "
                "error): its log says which");
    } else if (alert) {
        err_set(err, ERR_UNAVAILABLE, "the %s ended TLS: %s", peer, named ? named : "an alert");
    } else if (tls->no_tls) {
        err_set(err, ERR_UNAVAILABLE, "the %s does not speak TLS (plain HTTP?)", peer);
    } else if (tls->no_room) {
        err_set(err, ERR_LIMIT, "out of room for TLS output");
    } else {
        err_set(err, ERR_UNAVAILABLE, "TLS with the %s failed: %s", peer, text ? text : "unknown");
    }
    ERR_clear_error();
    return -1;
}

/* What no callback of OpenSSL's checks: that HTTP/2 was asked for at all, and who the peer is. */
static int tls_finish_handshake(struct tls *tls, struct err *err)
{
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    if (len != 2 || memcmp(protocol, "h2", 2) != 0) {
        tls->failed = true;
        return err_set(err, ERR_UNAVAILABLE, "the %s does not offer HTTP/2 (ALPN h2)",
                       tls->context->server ? "client" : "server");
    }
    if (tls->context->server && !tls->peer.serial[0]) {
        tls->failed = true;
        return err_set(err, ERR_INTERNAL, "the client was never looked at");
    }
    tls->ready = true;
    return 0;
}

/* 1: done, 0: wants more input, -1. */
static int tls_handshake(struct tls *tls, struct err *err)
{
    ERR_clear_error();
    int rv = SSL_do_handshake(tls->ssl);
    if (rv == 1)
        return tls_finish_handshake(tls, err) < 0 ? -1 : 1;
    if (SSL_get_error(tls->ssl, rv) == SSL_ERROR_WANT_READ)
        return 0;
    return tls_fail(tls, err);
}

static int tls_read(struct tls *tls, struct buf *plain, struct err *err)
{
    while (!tls->closed) {
        size_t n = 0;
        uint8_t *to = buf_reserve(plain, RECORD_BYTES);
        if (!to) {
            tls->failed = true;
            return err_set(err, ERR_LIMIT, "out of room for TLS input");
        }
        ERR_clear_error();
        int rv = SSL_read_ex(tls->ssl, to, RECORD_BYTES, &n);
        if (rv == 1) {
            buf_commit(plain, n);
            tls->idle_records -= tls->idle_records > 0;
            continue;
        }
        int error = SSL_get_error(tls->ssl, rv);
        if (error == SSL_ERROR_WANT_READ)
            return 0;
        if (error != SSL_ERROR_ZERO_RETURN)
            return tls_fail(tls, err);
        tls->closed = true;
    }
    return 0;
}

int tls_start(struct tls *tls, struct buf *cipher, struct err *err)
{
    tls->out = cipher;
    int rv = tls_handshake(tls, err);
    tls->out = NULL;
    return rv < 0 ? -1 : 0;
}

int tls_receive(struct tls *tls, const uint8_t *data, size_t len, struct buf *plain,
                struct buf *cipher, struct err *err)
{
    if (tls->failed)
        return err_set(err, ERR_UNAVAILABLE, "TLS has failed");
    if (!tls->seen && len > 0) {
        tls->seen = true;
        tls->no_tls = data[0] != SSL3_RT_HANDSHAKE && data[0] != SSL3_RT_ALERT;
    }
    tls->in = data;
    tls->in_len = len;
    tls->out = cipher;
    int rv = tls->ready ? 1 : tls_handshake(tls, err);
    if (rv == 1)
        rv = tls_read(tls, plain, err);
    tls->in = NULL;
    tls->in_len = 0;
    tls->out = NULL;
    return rv < 0 ? -1 : 0;
}

int tls_send(struct tls *tls, const uint8_t *data, size_t len, struct buf *cipher, struct err *err)
{
    if (!tls->ready || tls->failed)
        return err_set(err, ERR_UNAVAILABLE, "TLS is not there");
    size_t n = 0;
    if (len == 0)
        return 0;
    ERR_clear_error();
    tls->out = cipher;
    int rv = SSL_write_ex(tls->ssl, data, len, &n);
    tls->out = NULL;
    return rv == 1 && n == len ? 0 : tls_fail(tls, err);
}

bool tls_is_ready(const struct tls *tls)
{
    return tls->ready && !tls->failed;
}

const char *tls_version(const struct tls *tls)
{
    return tls_is_ready(tls) ? SSL_get_version(tls->ssl) : "";
}

bool tls_is_closed(const struct tls *tls)
{
    return tls->closed;
}

void tls_close(struct tls *tls, struct buf *cipher)
{
    if (!tls_is_ready(tls))
        return;
    tls->out = cipher;
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
    tls->out = NULL;
}

const struct tls_identity *tls_peer(const struct tls *tls)
{
    return &tls->peer;
}
