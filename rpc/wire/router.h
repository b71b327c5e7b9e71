/* Which method a :path names, and who handles it. One per server, shared by its connections. */
#ifndef BANGER_RPC_WIRE_ROUTER_H
#define BANGER_RPC_WIRE_ROUTER_H

#include <stddef.h>

#include "base/map.h"
#include "rpc/wire/method.h"

struct err;

struct route {
    const struct rpc_method *method; /* borrowed */
    const void *handlers;            /* borrowed */
    void *self;
    size_t path_len;
    struct route *next; /* of the router's list */
};

struct router {
    struct map routes; /* by method->path */
    struct route *all;
};

void router_init(struct router *r);
void router_done(struct router *r);
/* ERR_EXISTS when a path is taken; methods before it stay then. */
int router_add(struct router *r, const struct rpc_service *service, const void *handlers,
               void *self, struct err *err);
/* Borrowed, or NULL. path is NUL-terminated. */
static inline const struct route *router_find(const struct router *r, const char *path)
{
    return map_find(&r->routes, path);
}

#endif
