/* The services on a thread; see served.h. */
#include "tests/integration/service/served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/access/access.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/service/service.h"
#include "rpc/event/server.h"
#include "tests/support/told.h"

static void fatal(const char *what, const struct err *err)
{
    fprintf(stderr, "FATAL %s: %s\n", what, err ? err->message : "");
    exit(EXIT_FAILURE);
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    struct served *s = arg;
    if (peer->kind == RPC_PEER_TLS)
        return access_identify(&s->world.core, peer, err);
    snprintf(peer->principal, sizeof(peer->principal), "test");
    peer->role = (enum rpc_role)atomic_load(&s->role);
    atomic_fetch_add(&s->connections, 1);
    return 0;
}

static void shut_down(void *arg)
{
    struct served *s = arg;
    atomic_fetch_add(&s->n_shut_down, 1);
}

static void *serve(void *arg)
{
    struct served *s = arg;
    struct err err = ERR_INIT;
    if (loop_run(s->world.core.loop, &err) < 0)
        fatal("loop", &err);
    return NULL;
}

void served_open(struct served *s)
{
    struct err err = ERR_INIT;
    struct core *core = &s->world.core;
    world_make_dir(s->dir);
    if (!world_open(&s->world, s->dir, "sim") || !world_create(&s->world, "box", true))
        fatal("no world", NULL);
    snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
    atomic_store(&s->role, RPC_ROLE_FLEET);
    core->config.version = "test";
    core->host_info = &s->host_info;
    core->shut_down = shut_down;
    core->shut_down_arg = s;
    const struct rpc_server_config config = {.identify = identify, .arg = s};
    core->rpc_server = rpc_server_new(core->loop, &config, &err);
    if (!core->rpc_server || services_register(core->rpc_server, core, &err) < 0 ||
        rpc_server_listen_unix(core->rpc_server, s->socket, 0600, &err) < 0 ||
        pthread_create(&s->thread, NULL, serve, s) != 0)
        fatal("no server", &err);
}

void served_close(struct served *s)
{
    loop_stop(s->world.core.loop);
    pthread_join(s->thread, NULL);
    rpc_server_free(s->world.core.rpc_server);
    struct err err = ERR_INIT;
    /* One that is on its way out goes while we wait, so all are asked first. */
    for (struct vm_entry *e = NULL; (e = vm_next(&s->world.core, e));)
        vm_ask_kill(&s->world.core, vm_record(e)->id, NULL, &err);
    world_wait_all(&s->world);
    world_close(&s->world);
    world_remove_dir(s->dir);
}

struct banger_client *served_connect(const struct served *s)
{
    const struct told_client options = {.retry_ms = -1};
    struct banger_error error = {0};
    struct banger_client *client = told_connect(s->socket, &options, &error);
    if (!client) {
        fprintf(stderr, "FATAL connect: %s\n", error.message);
        exit(EXIT_FAILURE);
    }
    return client;
}

const struct rpc_method *served_method(const char *path)
{
    for (size_t i = 0; contract_services[i]; i++)
        for (size_t k = 0; k < contract_services[i]->n_methods; k++)
            if (strcmp(contract_services[i]->methods[k].path, path) == 0)
                return &contract_services[i]->methods[k];
    fprintf(stderr, "FATAL no method %s\n", path);
    exit(EXIT_FAILURE);
}

enum banger_code served_call(struct banger_client *client, const struct rpc_method *method,
                             const ProtobufCMessage *request, int64_t timeout_ms,
                             size_t *n_messages, struct banger_error *error)
{
    auto_call struct banger_call *call = call_within(timeout_ms);
    ProtobufCMessage *empty = NULL, *message;
    size_t n = 0;
    if (!request) {
        empty = calloc(1, method->request->sizeof_message);
        protobuf_c_message_init(method->request, empty);
        request = empty;
    }
    memset(error, 0, sizeof(*error));
    bool gives = method->streams & RPC_CLIENT_STREAMS;
    struct banger_stream *stream =
        banger_stream_open(client, method->path, gives ? NULL : request, call, error);
    enum banger_next next = stream ? BANGER_NEXT_MESSAGE : BANGER_NEXT_ERROR;
    if (stream && gives) {
        banger_stream_send(stream, request, NULL); /* may have been refused already */
        banger_stream_half_close(stream);
    }
    while (stream &&
           (next = banger_stream_next(stream, -1, &message, error)) == BANGER_NEXT_MESSAGE) {
        banger_message_free(message);
        n++;
    }
    banger_stream_close(stream);
    free(empty);
    if (n_messages)
        *n_messages = n;
    return next == BANGER_NEXT_END ? BANGER_OK : error->code;
}
