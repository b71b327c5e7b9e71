/* Pings, keepalive on both sides, and GOAWAY without losing calls. */
#include <nghttp2/nghttp2.h>
#include <poll.h>

#include "base/clock.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { MAX_ROUNDS = 10000 };

static const uint8_t ping[] = {0, 0, 8, NGHTTP2_PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};

/* A ping in the client's name; the client sees an answer to nothing, which it may. */
static void send_ping(struct pair *p)
{
    if (wire_conn_receive(p->server, ping, sizeof(ping), &p->server_err) < 0)
        p->server_broken = true;
    pair_run(p);
}

static void test_ping_strikes(void)
{
    struct pair p;
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    p.server->limits.min_ping_interval_ms = 3600 * 1000;
    pair_run(&p);
    /* Pings between calls are welcome. */
    for (int i = 0; i < 6; i++) {
        CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, NULL).code, ERR_NONE);
        send_ping(&p);
        CHECK(!rpc_client_draining(p.client));
    }
    send_ping(&p);
    send_ping(&p);
    CHECK(!rpc_client_draining(p.client));
    send_ping(&p);
    CHECK(rpc_client_draining(p.client));
    CHECK(wire_conn_is_finished(p.server));
    pair_close(&p);
}

static void test_pings_apart(void)
{
    struct pair p;
    pair_open(&p);
    p.server->limits.min_ping_interval_ms = 1000;
    pair_run(&p);
    for (int i = 0; i < 10; i++) {
        send_ping(&p);
        p.server->peer_pinged_ms -= 1000; /* as if it had been a second ago */
    }
    CHECK(!rpc_client_draining(p.client));
    pair_close(&p);
}

static void test_keepalive_server(void)
{
    struct pair p;
    pair_open(&p);
    pair_run(&p);
    /* A past in which all of this can happen. */
    int64_t then = clock_mono_ms() - 1000;
    p.server->now_ms = then;
    CHECK_INT(wire_conn_keepalive(p.server, then + 9, 10, 5), then + 10);
    CHECK_INT(wire_conn_keepalive(p.server, then + 10, 10, 5), then + 15);
    CHECK_INT(wire_conn_keepalive(p.server, then + 14, 10, 5), then + 15);
    pair_run(&p); /* the client answers */
    CHECK(p.server->now_ms > then + 15);
    CHECK_INT(wire_conn_keepalive(p.server, then + 15, 10, 5), p.server->now_ms + 10);
    int64_t now = p.server->now_ms + 10;
    CHECK_INT(wire_conn_keepalive(p.server, now, 10, 5), now + 5);
    CHECK_INT(wire_conn_keepalive(p.server, now + 5, 10, 5), -1);
    pair_close(&p);
}

static void test_keepalive_client(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    pair_run(&p);
    CHECK_INT(rpc_client_set_keepalive(p.client, 2, 3), 0);
    r.hang = true;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, NULL, &r, &s);
    const uint8_t *data;
    /* Its bytes go nowhere. */
    for (int i = 0; i < MAX_ROUNDS && s.n_closed == 0; i++) {
        while (rpc_client_output(p.client, &data, &p.client_err) > 0)
            ;
        int64_t tick = rpc_client_next_tick_ms(p.client);
        CHECK(tick >= 0);
        poll(NULL, 0, (int)tick);
        rpc_client_tick(p.client);
    }
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(s.status.message, "does not answer pings");
    CHECK_INT(rpc_client_output(p.client, &data, &p.client_err), -1);
    CHECK(rpc_client_draining(p.client));
    rpc_call_unref(call);
    pair_close(&p);
}

/* The server drains while a call is open: what the client began before it heard of that is served,
 * what it would begin afterwards is not. */
static void test_drain_loses_nothing(void)
{
    struct pair p;
    struct seen open = {0}, late = {0};
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    struct rpc_call *bidi = pair_start(&p, ECHO_BIDI, NULL, NULL, &open);
    pair_run(&p);
    wire_conn_drain(p.server);
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, NULL, &r, &late);
    CHECK(call != NULL);
    pair_run(&p);
    CHECK_INT(late.n_closed, 1);
    CHECK_INT(late.status.code, ERR_NONE);
    CHECK(!pair_start(&p, ECHO_UNARY, NULL, &r, &late));
    CHECK_INT(open.n_closed, 0);
    CHECK(!wire_conn_is_finished(p.server));
    rpc_call_half_close(bidi);
    pair_run(&p);
    CHECK_INT(open.status.code, ERR_NONE);
    CHECK(wire_conn_is_finished(p.server));
    rpc_call_unref(bidi);
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    RUN(test_ping_strikes);
    RUN(test_pings_apart);
    RUN(test_keepalive_server);
    RUN(test_keepalive_client);
    RUN(test_drain_loses_nothing);
    return check_end();
}
