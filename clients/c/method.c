/* Methods by path, and one after the other (banger/contract.h); their table is generated
 * (gen/banger/contract.rpc.c). */
#include "internal.h"

#include <string.h>

#include "banger/contract.h"
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

/* What programs see of a row: the row itself. */
static const struct rpc_method *row_of(const struct banger_method *method)
{
    return (const struct rpc_method *)(const void *)method;
}

const struct banger_method *banger_method_at(size_t i)
{
    for (size_t s = 0; contract_services[s]; s++) {
        if (i < contract_services[s]->n_methods)
            return (const struct banger_method *)(const void *)&contract_services[s]->methods[i];
        i -= contract_services[s]->n_methods;
    }
    return NULL;
}

const char *banger_method_path(const struct banger_method *method)
{
    return row_of(method)->path;
}

const char *banger_method_summary(const struct banger_method *method)
{
    return row_of(method)->summary;
}

const ProtobufCMessageDescriptor *banger_method_request(const struct banger_method *method)
{
    return row_of(method)->request;
}

const ProtobufCMessageDescriptor *banger_method_response(const struct banger_method *method)
{
    return row_of(method)->response;
}

bool banger_method_client_streams(const struct banger_method *method)
{
    return row_of(method)->streams & RPC_CLIENT_STREAMS;
}

bool banger_method_server_streams(const struct banger_method *method)
{
    return row_of(method)->streams & RPC_SERVER_STREAMS;
}

const char *banger_method_role(const struct banger_method *method)
{
    static const char *const words[] = {"none", "anyone", "viewer", "operator", "admin", "fleet"};
    return words[row_of(method)->role];
}

bool banger_method_is_planned(const struct banger_method *method)
{
    return row_of(method)->planned;
}
