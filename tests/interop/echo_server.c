/* The echo service on a Unix socket: the fixture of interop tests and benchmarks.
 *
 *   echo_server --unix PATH
 *
 * Prints "ready" once it listens; SIGTERM drains and ends it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "tests/support/echo_service.h"

enum { DRAIN_MS = 2000 };

struct program {
    struct loop *loop;
    struct rpc_server *server;
    struct signal_watch term;
    struct echo_stats stats;
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

static int serve(struct program *p, const char *path, struct err *err)
{
    const struct rpc_server_config config = {.max_connections = 0};
    p->loop = loop_new(err);
    if (!p->loop)
        return -1;
    p->server = rpc_server_new(p->loop, &config, err);
    if (!p->server ||
        rpc_server_add(p->server, &echo_rpc_service, &echo_handlers, &p->stats, err) < 0)
        return -1;
    if (signal_watch_init(&p->term, p->loop, SIGTERM, on_term, p) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    if (rpc_server_listen_unix(p->server, path, 0600, err) < 0)
        return -1;
    puts("ready");
    fflush(stdout);
    return loop_run(p->loop, err);
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--unix") != 0) {
        fprintf(stderr, "usage: %s --unix PATH\n", argv[0]);
        return 2;
    }
    struct program p = {0};
    struct err err = ERR_INIT;
    int rc = serve(&p, argv[2], &err);
    if (rc < 0)
        fprintf(stderr, "echo_server: %s\n", err.message);
    signal_watch_done(&p.term);
    rpc_server_free(p.server);
    loop_free(p.loop);
    return rc < 0 ? 1 : 0;
}
