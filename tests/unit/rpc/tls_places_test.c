/* Which connections over TLS have a place, and how they lose it: shares, the idle, cuts, a drain.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/unit/rpc/tls_served.h"

/* A client that has a call open, so that it is not idle. */
static struct rpc_call *keep_busy(struct client *c, struct wait *w)
{
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct rpc_call *call = start(c, ECHO_UNARY, &r, w);
    check_works(c); /* behind it: it has come */
    return call;
}

static void free_again(struct client *c, struct rpc_call *call)
{
    rpc_call_cancel(call);
    rpc_call_unref(call);
    check_works(c);
}

/* One in four of eight. */
static void test_a_principal_has_its_share_of_connections(void)
{
    struct fixture f;
    struct client alice[4], bob;
    struct wait waits[2];
    struct rpc_call *busy[2];
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    struct cert cert =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    for (int i = 0; i < 2; i++) {
        open_client(&alice[i], &f, &certs.client);
        busy[i] = keep_busy(&alice[i], &waits[i]);
    }
    /* She is told, and by an answer to her call; others are served. */
    open_client(&alice[2], &f, &certs.client);
    struct err err = call(&alice[2], ECHO_UNARY, &r, NULL);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_CONTAINS(err.message, "too many connections: alice has 2, and all are in use");
    while (!alice[2].lost && !f.late)
        run(&f);
    open_client(&bob, &f, &cert);
    check_works(&bob);
    /* Of hers the idle one goes. */
    free_again(&alice[0], busy[0]);
    open_client(&alice[3], &f, &certs.client);
    check_works(&alice[3]);
    while (!alice[0].lost && !f.late)
        run(&f);
    CHECK_INT(waits[1].n_closed, 0);
    check_works(&bob);
    free_again(&alice[1], busy[1]);
    for (int i = 0; i < 4; i++)
        close_client(&alice[i]);
    close_client(&bob);
    cert_done(&cert);
    close_fixture(&f);
}

/* All places are taken: of who has most the longest idle goes, and without an idle one the newcomer
 * is told. */
static void test_the_idle_make_room_for_others(void)
{
    enum { CROWD = 8 };
    struct fixture f;
    struct client crowd[CROWD], late, later;
    struct wait waits[CROWD];
    struct rpc_call *busy[CROWD];
    struct cert crowd_certs[5];
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof(name), "URI:banger://principal/p%d", i);
        crowd_certs[i] = cert_make(&certs.ca, &(struct cert_spec){.names = name});
    }
    for (int i = 0; i < CROWD; i++) { /* p0, p1, p2, p3, two each */
        open_client(&crowd[i], &f, &crowd_certs[i / 2]);
        busy[i] = keep_busy(&crowd[i], &waits[i]);
    }
    open_client(&late, &f, &crowd_certs[4]);
    CHECK_CONTAINS(call(&late, ECHO_UNARY, &r, NULL).message,
                   "too many connections: 8 are open, and all are in use");
    free_again(&crowd[5], busy[5]);
    open_client(&later, &f, &crowd_certs[4]);
    check_works(&later);
    while (!crowd[5].lost && !f.late)
        run(&f);
    for (int i = 0; i < CROWD; i++) {
        CHECK_INT(crowd[i].lost, i == 5);
        if (i != 5)
            free_again(&crowd[i], busy[i]);
        close_client(&crowd[i]);
    }
    close_client(&late);
    close_client(&later);
    for (int i = 0; i < 5; i++)
        cert_done(&crowd_certs[i]);
    close_fixture(&f);
}

/* One in sixteen is for who sees to it that others go, by the socket. */
static void test_the_last_places_are_not_for_everybody(void)
{
    enum { PLACES = 16, OTHERS = PLACES - 1 };
    struct fixture f;
    struct client others[OTHERS], late;
    struct wait waits[OTHERS];
    struct rpc_call *busy[OTHERS];
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    rpc_server_set_limits(f.server,
                          &(struct rpc_server_config){.max_connections = PLACES,
                                                      .max_connections_per_principal = PLACES});
    for (int i = 0; i < OTHERS; i++) {
        open_client(&others[i], &f, &certs.client);
        busy[i] = keep_busy(&others[i], &waits[i]);
    }
    open_client(&late, &f, &certs.client);
    CHECK_CONTAINS(call(&late, ECHO_UNARY, &r, NULL).message,
                   "too many connections: 15 are open, and all are in use");
    for (int i = 0; i < OTHERS; i++) {
        free_again(&others[i], busy[i]);
        close_client(&others[i]);
    }
    close_client(&late);
    close_fixture(&f);
}

/* Without a call, and without anything else that would make us look. */
static void test_a_connection_ends_with_its_certificate(void)
{
    struct fixture f;
    struct client c;
    open_fixture(&f, 0);
    struct cert cert = cert_make(
        &certs.ca, &(struct cert_spec){.names = "URI:banger://principal/brief", .ends_s = 3});
    open_client(&c, &f, &cert);
    check_works(&c);
    while (!c.lost && !f.late)
        run(&f);
    CHECK(c.lost);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close_client(&c);
    cert_done(&cert);
    close_fixture(&f);
}

static bool is_alice(void *arg, const struct rpc_peer *peer)
{
    (void)arg;
    return strcmp(peer->principal, "alice") == 0;
}

static void test_cut(void)
{
    struct fixture f;
    struct client alice, bob;
    struct wait w;
    open_fixture(&f, 0);
    struct cert cert =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    open_client(&alice, &f, &certs.client);
    open_client(&bob, &f, &cert);
    check_works(&alice);
    check_works(&bob);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct rpc_call *stream = start(&alice, ECHO_UNARY, &r, &w);
    check_works(&alice); /* the hanging call has arrived */
    CHECK_INT(rpc_server_cut(f.server, is_alice, NULL), 1);
    CHECK_INT(rpc_server_cut(f.server, is_alice, NULL), 0);
    while (w.n_closed == 0 && !f.late)
        run(&f);
    CHECK_INT(w.status.code, ERR_UNAVAILABLE);
    CHECK_INT(f.stats.last_code, ERR_UNAUTHENTICATED);
    check_works(&bob);
    CHECK_INT(rpc_server_connections(f.server), 1);
    rpc_call_unref(stream);
    close_client(&alice);
    close_client(&bob);
    cert_done(&cert);
    close_fixture(&f);
}

static void on_drained(void *arg)
{
    struct fixture *f = arg;
    f->drained = true;
    loop_stop(f->loop);
}

/* Handshakes in flight do not hold up the end. */
static void test_drain(void)
{
    struct fixture f;
    struct client c;
    open_fixture(&f, 0);
    open_client(&c, &f, &certs.client);
    int fd = dial(&f);
    check_works(&c);
    rpc_server_drain(f.server, 10 * WAIT_MS, on_drained, &f);
    while (!f.drained && !f.late)
        run(&f);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close(fd);
    close_client(&c);
    close_fixture(&f);
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_a_principal_has_its_share_of_connections);
    RUN(test_the_idle_make_room_for_others);
    RUN(test_the_last_places_are_not_for_everybody);
    RUN(test_a_connection_ends_with_its_certificate);
    RUN(test_cut);
    RUN(test_drain);
    tls_certs_done(&certs);
    return check_end();
}
