/* Raw bytes to the server's side of TLS. The first byte: bit 0 says whether they come behind a true
 * handshake (else in place of it), bit 1 whether they replace what the client says or garble it,
 * the rest in what steps. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/rpc/tls_pair.h"

enum { BEHIND = 1, GARBLE = 2, STEP_SHIFT = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_certs certs;

static void garble(struct buf *b, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < buf_len(b); i++)
        b->block[b->head + i] ^= data[i];
}

static void feed(struct tls_pair *p, const uint8_t *data, size_t size, size_t step)
{
    struct err err;
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (tls_receive(p->server.tls, data + at, n, &p->server.plain, &p->server.cipher, &err) < 0)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (!certs.ca.key)
        tls_certs_make(&certs);
    const struct tls_config server = {.server = true,
                                      .certificate_pem = certs.server.certificate,
                                      .key_pem = certs.server.key,
                                      .ca_pem = certs.ca.certificate};
    const struct tls_config client = {.certificate_pem = certs.client.certificate,
                                      .key_pem = certs.client.key,
                                      .ca_pem = certs.ca.certificate};
    struct tls_pair p;
    struct err err;
    uint8_t how = data[0];
    size_t step = how >> STEP_SHIFT ? how >> STEP_SHIFT : size;
    if (tls_pair_open(&p, &server, &client, NULL, &err) < 0)
        abort();
    if (how & BEHIND) {
        tls_pair_run(&p);
        if (!tls_is_ready(p.server.tls) ||
            tls_send(p.client.tls, data, size, &p.client.cipher, &err) < 0)
            abort();
    }
    if (how & GARBLE) {
        garble(&p.client.cipher, data + 1, size - 1);
        tls_pair_run(&p);
    } else {
        feed(&p, data + 1, size - 1, step);
    }
    /* Nobody is let in, and nothing comes through, without the client's keys. */
    if (!(how & (BEHIND | GARBLE)) && tls_is_ready(p.server.tls))
        abort();
    if ((how & BEHIND) && buf_len(&p.server.plain) > size)
        abort();
    tls_pair_close(&p);
    return 0;
}
