/* Paths to methods; see router.h. */
#include "rpc/wire/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void router_init(struct router *r)
{
    map_init(&r->routes);
    r->all = NULL;
}

void router_done(struct router *r)
{
    while (r->all) {
        struct route *next = r->all->next;
        free(r->all);
        r->all = next;
    }
    map_done(&r->routes);
}

int router_add(struct router *r, const struct rpc_service *service, const void *handlers,
               void *self, struct err *err)
{
    for (size_t i = 0; i < service->n_methods; i++) {
        const struct rpc_method *m = &service->methods[i];
        if (map_find(&r->routes, m->path))
            return err_set(err, ERR_EXISTS, "method %s is registered twice", m->path);
        struct route *route = malloc(sizeof(*route));
        if (!route || map_put(&r->routes, m->path, route) < 0) {
            free(route);
            return err_sys(err, ENOMEM, "register %s", m->path);
        }
        *route = (struct route){m, handlers, self, strlen(m->path), r->all};
        r->all = route;
    }
    return 0;
}
