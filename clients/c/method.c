/* Methods by path. The tables are generated; see gen/. */
#include "internal.h"

#include <string.h>

#include "banger/v1/auth.rpc.h"
#include "banger/v1/event.rpc.h"
#include "banger/v1/file.rpc.h"
#include "banger/v1/forward.rpc.h"
#include "banger/v1/guest_session.rpc.h"
#include "banger/v1/host.rpc.h"
#include "banger/v1/image.rpc.h"
#include "banger/v1/operation.rpc.h"
#include "banger/v1/snapshot.rpc.h"
#include "banger/v1/vm.rpc.h"
#include "grpc/health/v1/health.rpc.h"

static const struct rpc_service *const services[] = {
    &banger_v1_vm_service,      &banger_v1_guest_session_service, &banger_v1_operation_service,
    &banger_v1_image_service,   &banger_v1_kernel_service,        &banger_v1_event_service,
    &banger_v1_host_service,    &banger_v1_snapshot_service,      &banger_v1_file_service,
    &banger_v1_forward_service, &banger_v1_auth_service,          &grpc_health_v1_health,
};

const struct rpc_method *method_find(const char *path, struct banger_error *error)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        const struct rpc_service *service = services[i];
        size_t len = strlen(service->name);
        if (path[0] != '/' || strncmp(path + 1, service->name, len) != 0 || path[1 + len] != '/')
            continue;
        for (size_t m = 0; m < service->n_methods; m++)
            if (strcmp(service->methods[m].path, path) == 0)
                return &service->methods[m];
    }
    error_set(error, BANGER_INVALID_ARGUMENT, "no method \"%.200s\" in the contract", path);
    return NULL;
}
