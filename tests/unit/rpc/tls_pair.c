/* A pair of TLS filters; see tls_pair.h. */
#include "tests/unit/rpc/tls_pair.h"

#include <string.h>

enum { STEP_BYTES = 64 << 10, BUFFER_BYTES = 4 << 20 };

void tls_certs_make(struct tls_certs *certs)
{
    certs->ca = cert_make(NULL, &(struct cert_spec){.common_name = "test CA", .ca = true});
    certs->server =
        cert_make(&certs->ca, &(struct cert_spec){.names = "DNS:box.example,IP:127.0.0.1,IP:::1"});
    certs->client =
        cert_make(&certs->ca, &(struct cert_spec){.names = "URI:banger://principal/alice"});
}

void tls_certs_done(struct tls_certs *certs)
{
    cert_done(&certs->ca);
    cert_done(&certs->server);
    cert_done(&certs->client);
}

int tls_pair_open(struct tls_pair *p, const struct tls_config *server,
                  const struct tls_config *client, const char *host, struct err *err)
{
    *p = (struct tls_pair){.step = STEP_BYTES};
    buf_init(&p->server.cipher, BUFFER_BYTES);
    buf_init(&p->server.plain, BUFFER_BYTES);
    buf_init(&p->client.cipher, BUFFER_BYTES);
    buf_init(&p->client.plain, BUFFER_BYTES);
    p->server_context = tls_context_new(server, err);
    p->client_context = p->server_context ? tls_context_new(client, err) : NULL;
    if (!p->client_context)
        return -1;
    p->server.tls = tls_new(p->server_context, NULL, err);
    p->client.tls = p->server.tls ? tls_new(p->client_context, host, err) : NULL;
    if (!p->client.tls)
        return -1;
    return tls_start(p->client.tls, &p->client.cipher, err);
}

static void carry(struct tls_side *from, struct tls_side *to, size_t step)
{
    size_t n = buf_len(&from->cipher) < step ? buf_len(&from->cipher) : step;
    uint8_t block[STEP_BYTES]; /* a copy of just these bytes, so that the sanitizer sees any more */
    if (n == 0)
        return;
    memcpy(block, buf_data(&from->cipher), n);
    buf_consume(&from->cipher, n);
    struct err err = ERR_INIT;
    if (!to->failed && tls_receive(to->tls, block, n, &to->plain, &to->cipher, &err) < 0) {
        to->failed = true;
        to->err = err;
    }
}

void tls_pair_run(struct tls_pair *p)
{
    while (buf_len(&p->client.cipher) > 0 || buf_len(&p->server.cipher) > 0) {
        carry(&p->client, &p->server, p->step);
        carry(&p->server, &p->client, p->step);
    }
}

static void close_side(struct tls_side *side)
{
    tls_free(side->tls);
    buf_done(&side->cipher);
    buf_done(&side->plain);
}

void tls_pair_close(struct tls_pair *p)
{
    close_side(&p->server);
    close_side(&p->client);
    tls_context_unref(p->server_context);
    tls_context_unref(p->client_context);
}
