/* Request ids of creations: the same id with the same payload leads to the same service. They are
 * remembered with those of session starts (session.h), whose resource is an id alone. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/supervise/guest_service_internal.h"

static const char prefix[] = "service/";

int guest_service_find_request(struct core *core, const struct request_meta *meta,
                               struct guest_service_entry **found, struct err *err)
{
    char resource[96];
    *found = NULL;
    if (session_other_request_find(core, meta, resource, err) < 0)
        return -1;
    if (!*resource)
        return 0;
    const char *id =
        strncmp(resource, prefix, strlen(prefix)) == 0 ? resource + strlen(prefix) : "";
    list_foreach(l, &core->guest_services->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (strcmp(e->row.id, id) != 0 || !scope_has_vm_id(core, meta->scope, e->row.vm_id))
            continue;
        if (e->stored) {
            *found = e;
            return 0;
        }
        return err_set(err, ERR_UNAVAILABLE, "service %s is being made; try again", e->row.name);
    }
    err_set(err, ERR_NOT_FOUND, "the service that request %s made has been deleted",
            meta->request_id);
    return err_tag(err, "SERVICE_NOT_FOUND", "%s", resource);
}

int guest_service_keep_request(const struct guest_service_entry *e, const struct request_meta *meta,
                               struct store_txn *txn, struct err *err)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "%s%s", prefix, e->row.id);
    return session_other_request_add(e->of->core, meta, resource, txn, err);
}

void guest_service_forget_request(const struct guest_service_entry *e)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "%s%s", prefix, e->row.id);
    session_other_request_forget(e->of->core, resource);
}
