/* The interop test server.
 *
 *   interop_server 127.0.0.1:PORT
 *
 * Prints "ready PORT" once it listens (port 0 takes a free one); SIGTERM drains and ends it. */
#include <signal.h>
#include <stdio.h>

#include "base/err.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "tests/interop/grpc/test_service.h"

enum { DRAIN_MS = 2000 };

struct program {
    struct loop *loop;
    struct rpc_server *server;
    struct signal_watch term;
};

static void on_drained(void *arg)
{
    struct program *p = arg;
    loop_stop(p->loop);
}

static void on_term(void *arg, int signo)
{
    (void)signo;
    struct program *p = arg;
    rpc_server_drain(p->server, DRAIN_MS, on_drained, p);
}

/* Whoever reaches the port may call: it is a test. */
static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    snprintf(peer->principal, sizeof(peer->principal), "%s", peer->address);
    peer->role = RPC_ROLE_VIEWER;
    return 0;
}

static int serve(struct program *p, const char *address, struct err *err)
{
    const struct rpc_server_config config = {.identify = identify};
    uint16_t port;
    p->loop = loop_new(err);
    if (!p->loop)
        return -1;
    p->server = rpc_server_new(p->loop, &config, err);
    if (!p->server || test_service_register(p->server, p->loop, err) < 0)
        return -1;
    if (signal_watch_init(&p->term, p->loop, SIGTERM, on_term, p) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    if (rpc_server_listen_tcp_insecure(p->server, address, &port, err) < 0)
        return -1;
    printf("ready %u\n", (unsigned)port);
    fflush(stdout);
    return loop_run(p->loop, err);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s 127.0.0.1:PORT\n", argv[0]);
        return 2;
    }
    struct program p = {0};
    struct err err = ERR_INIT;
    int rc = serve(&p, argv[1], &err);
    if (rc < 0)
        fprintf(stderr, "interop_server: %s\n", err.message);
    signal_watch_done(&p.term);
    rpc_server_free(p.server);
    loop_free(p.loop);
    return rc < 0 ? 1 : 0;
}
