/* HostService: who is connected, and sending them away. */
#include "daemon/service/service.h"

#include <stdlib.h>

#include "banger/v1/host.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/service/audit.h"
#include "daemon/service/view.h"
#include "rpc/event/server.h"

struct connection_view {
    Banger__V1__Connection connection;
    Google__Protobuf__Timestamp since, last_active;
    char address[PEER_TEXT_BYTES];
};

struct listing {
    struct connection_view *views;
    Banger__V1__Connection **list;
    size_t n, max;
};

static bool add_connection(void *arg, const struct rpc_connection_info *info)
{
    struct listing *l = arg;
    if (l->n == l->max)
        return false;
    struct connection_view *view = &l->views[l->n];
    Banger__V1__Connection *m = &view->connection;
    banger__v1__connection__init(m);
    audit_peer(info->peer, view->address);
    m->id = info->id;
    m->address = view->address;
    m->principal = (char *)info->peer->principal;
    m->role = (Banger__V1__Role)info->peer->role;
    m->streams = (uint32_t)info->n_calls;
    m->calls_done = info->n_calls_done;
    m->received_bytes = info->bytes_in;
    m->sent_bytes = info->bytes_out;
    m->since = view_time(&view->since, info->since_ns);
    m->last_active = view_time(&view->last_active, info->active_ns);
    m->tls_version = (char *)info->tls_version;
    l->list[l->n++] = m;
    return true;
}

void host_service_list_connections(void *self, struct rpc_call *call,
                                   const Banger__V1__ListConnectionsRequest *request)
{
    (void)request;
    const struct core *core = self;
    struct listing l = {.max = rpc_server_connections(core->rpc_server)};
    auto_free struct connection_view *views = calloc(l.max + 1, sizeof(*views));
    auto_free Banger__V1__Connection **list = calloc(l.max + 1, sizeof(Banger__V1__Connection *));
    if (!views || !list) {
        service_out_of_memory(call);
        return;
    }
    l.views = views;
    l.list = list;
    rpc_server_each_connection(core->rpc_server, add_connection, &l);
    Banger__V1__ListConnectionsResponse response = BANGER__V1__LIST_CONNECTIONS_RESPONSE__INIT;
    response.n_connections = l.n;
    response.connections = l.list;
    banger_v1_host_service_list_connections_reply(call, &response);
}

void host_service_kick_connection(void *self, struct rpc_call *call,
                                  const Banger__V1__KickConnectionRequest *request)
{
    const struct core *core = self;
    struct err err = ERR_INIT;
    if (rpc_server_kick(core->rpc_server, request->id, "sent away by an administrator", &err) < 0) {
        err_tag(&err, "CONNECTION_NOT_FOUND", "connection/%llu", (unsigned long long)request->id);
        rpc_call_finish(call, &err);
        return;
    }
    log_info("bangerd", "connection %llu is sent away by %s", (unsigned long long)request->id,
             rpc_call_peer(call)->principal);
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    banger_v1_host_service_kick_connection_reply(call, &empty);
}
