/* The interop test server.
 *
 *   interop_server PKI_FOLDER SOCKET
 *
 * Listens on loopback TCP, on TCP with mutual TLS (the folder is interop_certs's) and on a Unix
 * socket, and prints "ready PORT TLS_PORT"; SIGTERM drains and ends it. */
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"
#include "tests/interop/grpc/load_report.h"
#include "tests/interop/grpc/test_service.h"

enum { DRAIN_MS = 2000, PATH_BYTES = 1024, PEM_BYTES_MAX = 64 << 10 };

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
    if (peer->kind != RPC_PEER_TLS)
        snprintf(peer->principal, sizeof(peer->principal), "%s", peer->address);
    peer->role = RPC_ROLE_VIEWER;
    return 0;
}

static struct tls_context *read_certificates(const char *folder, struct err *err)
{
    static const char *const names[] = {"ca.pem", "server.pem", "server.key"};
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    char **const texts[] = {&ca, &certificate, &key};
    for (size_t i = 0; i < 3; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (fs_read(path, PEM_BYTES_MAX, texts[i], NULL, err) < 0)
            return NULL;
    }
    const struct tls_config config = {
        .server = true, .certificate_pem = certificate, .key_pem = key, .ca_pem = ca};
    return tls_context_new(&config, err);
}

static int listen_everywhere(struct program *p, const char *folder, const char *socket,
                             struct err *err)
{
    uint16_t tcp, over_tls;
    struct tls_context *tls = read_certificates(folder, err);
    if (!tls)
        return -1;
    int rv = 0;
    if (rpc_server_listen_tcp_insecure(p->server, "127.0.0.1:0", &tcp, err) < 0 ||
        rpc_server_listen_tls(p->server, "127.0.0.1:0", tls, &over_tls, err) < 0 ||
        rpc_server_listen_unix(p->server, socket, 0600, err) < 0)
        rv = -1;
    tls_context_unref(tls);
    if (rv < 0)
        return -1;
    printf("ready %u %u\n", (unsigned)tcp, (unsigned)over_tls);
    fflush(stdout);
    return 0;
}

static int serve(struct program *p, const char *folder, const char *socket, struct err *err)
{
    const struct rpc_server_config config = {.identify = identify};
    p->loop = loop_new(err);
    if (!p->loop)
        return -1;
    p->server = rpc_server_new(p->loop, &config, err);
    if (!p->server || test_service_register(p->server, p->loop, err) < 0 ||
        load_report_register(p->server, p->loop, err) < 0)
        return -1;
    if (signal_watch_init(&p->term, p->loop, SIGTERM, on_term, p) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    if (listen_everywhere(p, folder, socket, err) < 0)
        return -1;
    return loop_run(p->loop, err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PKI_FOLDER SOCKET\n", argv[0]);
        return 2;
    }
    struct program p = {0};
    struct err err = ERR_INIT;
    int rc = serve(&p, argv[1], argv[2], &err);
    if (rc < 0)
        fprintf(stderr, "interop_server: %s\n", err.message);
    signal_watch_done(&p.term);
    rpc_server_free(p.server);
    loop_free(p.loop);
    return rc < 0 ? 1 : 0;
}
