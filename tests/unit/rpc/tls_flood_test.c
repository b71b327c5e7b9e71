/* TLS peers that send records without data for us, which cost them a few bytes: either side ends
 * such a connection, and names it; the few that true peers send go through. */
#include <string.h>

#include "rpc/wire/tls_internal.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

static struct tls_certs certs;

static void open_pair(struct tls_pair *p)
{
    struct err err;
    const struct tls_config server = {.server = true,
                                      .certificate_pem = certs.server.certificate,
                                      .key_pem = certs.server.key,
                                      .ca_pem = certs.ca.certificate},
                            client = {.certificate_pem = certs.client.certificate,
                                      .key_pem = certs.client.key,
                                      .ca_pem = certs.ca.certificate};
    CHECK_INT(tls_pair_open(p, &server, &client, "box.example", &err), 0);
    tls_pair_run(p);
    CHECK(tls_is_ready(p->server.tls) && tls_is_ready(p->client.tls));
}

/* A new key; the other side may be asked to have one as well. */
static void change_key(struct tls_side *from, bool both)
{
    from->tls->out = &from->cipher;
    CHECK_INT(SSL_key_update(from->tls->ssl,
                             both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
              1);
    CHECK_INT(SSL_do_handshake(from->tls->ssl), 1);
    from->tls->out = NULL;
}

static void say(struct tls_side *from, const char *text)
{
    struct err err = ERR_INIT;
    CHECK_INT(tls_send(from->tls, (const uint8_t *)text, strlen(text), &from->cipher, &err), 0);
}

/* Changes keys until the other side has enough; returns how often that was. */
static int flood(struct tls_pair *p, struct tls_side *from, struct tls_side *to,
                 const char *between)
{
    int n = 0;
    for (; n < 2000 && !to->failed; n++) {
        change_key(from, false);
        if (*between)
            say(from, between);
        tls_pair_run(p);
        buf_consume(&to->plain, buf_len(&to->plain));
    }
    return n;
}

static void test_key_updates_end_the_connection(void)
{
    static const char *const between[] = {"", "x"};
    for (int i = 0; i < 4; i++) {
        struct tls_pair p;
        open_pair(&p);
        bool by_client = i % 2;
        struct tls_side *from = by_client ? &p.client : &p.server;
        struct tls_side *to = by_client ? &p.server : &p.client;
        int n = flood(&p, from, to, between[i / 2]);
        CHECK(to->failed);
        CHECK(n > 50 && n < 300);
        CHECK_CONTAINS(to->err.message, by_client
                                            ? "too many TLS records of the client without data"
                                            : "too many TLS records of the server without data");
        tls_pair_close(&p);
    }
}

/* All in one piece: it is not worked through before it is found to be too much. */
static void test_many_at_once(void)
{
    struct tls_pair p;
    struct err err = ERR_INIT;
    open_pair(&p);
    for (int i = 0; i < 1000; i++)
        change_key(&p.client, false);
    CHECK(tls_receive(p.server.tls, buf_data(&p.client.cipher), buf_len(&p.client.cipher),
                      &p.server.plain, &p.server.cipher, &err) < 0);
    CHECK_CONTAINS(err.message, "without data");
    CHECK(p.server.tls->idle_records < 300);
    tls_pair_close(&p);
}

/* A peer that changes its key as the standards say, and one whose bytes come one by one. */
static void test_true_peers(void)
{
    static const size_t steps[] = {64 << 10, 1};
    for (int k = 0; k < 2; k++) {
        struct tls_pair p;
        open_pair(&p);
        p.step = steps[k];
        for (int i = 0; i < 3000; i++) {
            if (i % 100 == 0)
                change_key(&p.client, true);
            say(&p.client, "data");
            say(&p.server, "data");
            tls_pair_run(&p);
            CHECK_INT(buf_len(&p.server.plain), 4);
            CHECK_INT(buf_len(&p.client.plain), 4);
            buf_consume(&p.server.plain, 4);
            buf_consume(&p.client.plain, 4);
        }
        CHECK(!p.server.failed && !p.client.failed);
        tls_pair_close(&p);
    }
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_key_updates_end_the_connection);
    RUN(test_many_at_once);
    RUN(test_true_peers);
    tls_certs_done(&certs);
    return check_end();
}
