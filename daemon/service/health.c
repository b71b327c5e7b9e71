/* grpc.health.v1: the service every gRPC client knows. It answers from the loop's thread, so an
 * answer says that the loop turns. */
#include "daemon/service/service.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "banger/contract.rpc.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/host/store_state.h"
#include "daemon/store/store.h"
#include "grpc/health/v1/health.server.rpc.h"

/* What is asked for: a service of ours with something that is built, or "", all of them. */
static bool is_served(const struct rpc_service *service)
{
    for (size_t i = 0; i < service->n_methods; i++)
        if (strncmp(service->name, "banger.", 7) == 0 && !service->methods[i].planned)
            return true;
    return false;
}

static bool is_known(const char *service)
{
    for (size_t i = 0; contract_services[i]; i++)
        if (strcmp(service, contract_services[i]->name) == 0)
            return is_served(contract_services[i]);
    return !*service;
}

/* A daemon that cannot write its state takes nothing new: others are better asked. */
static Grpc__Health__V1__HealthCheckResponse__ServingStatus status_of(const struct core *core)
{
    return store_health(core->store)->state == STORE_WRITABLE
               ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
               : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void handle_check(void *self, struct rpc_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    if (!is_known(request->service)) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_NOT_FOUND, "no service named %.100s", request->service);
        rpc_call_finish(call, &err);
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status_of(self);
    grpc_health_v1_health_check_reply(call, &response);
}

enum { HEALTH_MAX = 64 };

struct health_list {
    Grpc__Health__V1__HealthCheckResponse status; /* of each */
    Grpc__Health__V1__HealthListResponse__StatusesEntry entries[HEALTH_MAX], *at[HEALTH_MAX];
    size_t n;
};

static void health_list_add(struct health_list *list, const char *service)
{
    assert(list->n < HEALTH_MAX); /* the contract grows by hand */
    Grpc__Health__V1__HealthListResponse__StatusesEntry *entry = &list->entries[list->n];
    grpc__health__v1__health_list_response__statuses_entry__init(entry);
    entry->key = (char *)(uintptr_t)service;
    entry->value = &list->status;
    list->at[list->n++] = entry;
}

static void handle_list(void *self, struct rpc_call *call,
                        const Grpc__Health__V1__HealthListRequest *request)
{
    (void)request;
    struct health_list list = {.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT};
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    list.status.status = status_of(self);
    health_list_add(&list, "");
    for (size_t i = 0; contract_services[i]; i++)
        if (is_served(contract_services[i]))
            health_list_add(&list, contract_services[i]->name);
    response.statuses = list.at;
    response.n_statuses = list.n;
    grpc_health_v1_health_list_reply(call, &response);
}

/* One message at once, and one after each change. */
struct health_watch {
    struct core *core;
    struct rpc_call *call;
    struct store_state_watch watch;
};

static void health_tell(struct rpc_call *call, const struct core *core, bool known)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status =
        known ? status_of(core)
              : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    if (grpc_health_v1_health_watch_send(call, &response) < 0) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
        rpc_call_finish(call, &err);
    }
}

static void health_changed(void *arg)
{
    const struct health_watch *w = arg;
    health_tell(w->call, w->core, true);
}

static void health_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call, (void)status;
    struct health_watch *w = arg;
    store_state_unwatch(&w->watch);
    rpc_call_unref(w->call);
    free(w);
}

static void handle_watch(void *self, struct rpc_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    static const struct rpc_call_events events = {.closed = health_closed};
    bool known = is_known(request->service);
    struct health_watch *w = known ? calloc(1, sizeof(*w)) : NULL;
    if (known && !w) {
        service_out_of_memory(call);
        return;
    }
    if (w) {
        w->core = self;
        w->call = rpc_call_ref(call);
        store_state_watch(w->core, &w->watch, health_changed, w);
        rpc_call_set_events(call, &events, w);
    }
    health_tell(call, self, known);
}

int health_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct grpc_health_v1_health_handlers handlers = {
        .check = handle_check,
        .watch = handle_watch,
        .list = handle_list,
    };
    return grpc_health_v1_health_register(server, &handlers, core, err);
}
