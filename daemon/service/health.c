/* grpc.health.v1: the service every gRPC client knows. It answers from the loop's thread, so an
 * answer says that the loop turns. */
#include "daemon/service/service.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "grpc/health/v1/health.server.rpc.h"

static const char *const known_services[] = {
    "",
    "banger.v1.VMService",
    "banger.v1.GuestSessionService",
    "banger.v1.OperationService",
    "banger.v1.ImageService",
    "banger.v1.KernelService",
    "banger.v1.EventService",
    "banger.v1.HostService",
    "banger.v1.AuthService",
};

static bool is_known(const char *service)
{
    for (size_t i = 0; i < sizeof(known_services) / sizeof(known_services[0]); i++)
        if (strcmp(service, known_services[i]) == 0)
            return true;
    return false;
}

static void handle_check(void *self, struct rpc_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    (void)self;
    if (!is_known(request->service)) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_NOT_FOUND, "no service named %.100s", request->service);
        rpc_call_finish(call, &err);
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    grpc_health_v1_health_check_reply(call, &response);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Grpc__Health__V1__HealthListRequest *request)
{
    (void)self;
    (void)request;
    enum { N = sizeof(known_services) / sizeof(known_services[0]) };
    Grpc__Health__V1__HealthCheckResponse serving = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    Grpc__Health__V1__HealthListResponse__StatusesEntry entries[N], *at[N];
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    serving.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    for (size_t i = 0; i < N; i++) {
        grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)known_services[i];
        entries[i].value = &serving;
        at[i] = &entries[i];
    }
    response.statuses = at;
    response.n_statuses = N;
    grpc_health_v1_health_list_reply(call, &response);
}

/* The state changes only when the daemon ends, and then the stream does: one message, then silence.
 */
static void handle_watch(void *self, struct rpc_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    (void)self;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status =
        is_known(request->service)
            ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
            : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    if (grpc_health_v1_health_watch_send(call, &response) < 0) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_LIMIT, "no memory for the state");
        rpc_call_finish(call, &err);
    }
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
