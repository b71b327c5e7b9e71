/* Methods by path. The table is generated:
 * gen/banger/contract.rpc.c. */
#include "internal.h"

#include <string.h>

#include "banger/contract.rpc.h"

const struct rpc_method *method_find(const char *path, struct banger_error *error)
{
    for (size_t i = 0; contract_services[i]; i++) {
        const struct rpc_service *service = contract_services[i];
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
