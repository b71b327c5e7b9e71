/* The echo service: the fixture of interop tests and benchmarks.
 *
 *   echo_server --unix PATH [--certs FOLDER]
 *
 * Prints "ready" once it listens; SIGTERM drains and ends it. With a folder of certificates
 * (bench/certs.c) it listens on 127.0.0.1 too, in plain text and with mutual TLS, and prints "ready
 * PORT TLS_PORT". */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"
#include "tests/support/echo_service.h"

enum {
    DRAIN_MS = 2000,
    CONNECTIONS_MAX = 20000, /* more than a benchmark opens */
    PATH_BYTES = 4096,
    PEM_BYTES_MAX = 1 << 20,
};

struct program {
    struct loop *loop;
    struct rpc_server *server;
    struct tls_context *tls;
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

/* Whoever reaches it may call: it is a fixture. */
static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    peer->role = RPC_ROLE_ADMIN;
    return 0;
}

static int read_pem(const char *folder, const char *name, char **text, struct err *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return err_set(err, ERR_INVALID, "%s is too long", folder);
    return fs_read(path, PEM_BYTES_MAX, text, NULL, err);
}

static int listen_tcp(struct program *p, const char *folder, uint16_t *port, uint16_t *tls_port,
                      struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    if (read_pem(folder, "ca.pem", &ca, err) < 0 ||
        read_pem(folder, "server.pem", &certificate, err) < 0 ||
        read_pem(folder, "server.key", &key, err) < 0)
        return -1;
    const struct tls_config config = {
        .server = true, .certificate_pem = certificate, .key_pem = key, .ca_pem = ca};
    p->tls = tls_context_new(&config, err);
    if (!p->tls)
        return -1;
    if (rpc_server_listen_tcp_insecure(p->server, "127.0.0.1:0", port, err) < 0)
        return -1;
    return rpc_server_listen_tls(p->server, "127.0.0.1:0", p->tls, tls_port, err);
}

static int serve(struct program *p, const char *path, const char *certs, struct err *err)
{
    const struct rpc_server_config config = {.max_connections = CONNECTIONS_MAX,
                                             .identify = certs ? identify : NULL};
    uint16_t port = 0, tls_port = 0;
    p->loop = loop_new(err);
    if (!p->loop)
        return -1;
    p->server = rpc_server_new(p->loop, &config, err);
    if (!p->server ||
        rpc_server_add(p->server, &echo_rpc_service, &echo_handlers, &p->stats, err) < 0)
        return -1;
    if (signal_watch_init(&p->term, p->loop, SIGTERM, on_term, p) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    if (rpc_server_listen_unix(p->server, path, 0600, err) < 0 ||
        (certs && listen_tcp(p, certs, &port, &tls_port, err) < 0))
        return -1;
    if (certs)
        printf("ready %u %u\n", (unsigned)port, (unsigned)tls_port);
    else
        puts("ready");
    fflush(stdout);
    return loop_run(p->loop, err);
}

int main(int argc, char **argv)
{
    if ((argc != 3 && argc != 5) || strcmp(argv[1], "--unix") != 0 ||
        (argc == 5 && strcmp(argv[3], "--certs") != 0)) {
        fprintf(stderr, "usage: %s --unix PATH [--certs FOLDER]\n", argv[0]);
        return 2;
    }
    struct program p = {0};
    struct err err = ERR_INIT;
    int rc = serve(&p, argv[2], argc == 5 ? argv[4] : NULL, &err);
    if (rc < 0)
        fprintf(stderr, "echo_server: %s\n", err.message);
    signal_watch_done(&p.term);
    rpc_server_free(p.server);
    tls_context_unref(p.tls);
    loop_free(p.loop);
    return rc < 0 ? 1 : 0;
}
