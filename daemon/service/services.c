/* Registration of all services; see service.h. */
#include "daemon/service/service.h"

#include <stddef.h>

#include "banger/v1/common.pb-c.h"
#include "banger/v1/snapshot.server.rpc.h"
#include "base/err.h"
#include "daemon/service/admit.h"
#include "daemon/service/audit.h"
#include "daemon/service/request_gate.h"
#include "rpc/wire/call.h"

void service_reply_empty(void *arg, const struct err *err)
{
    struct rpc_call *call = arg;
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    if (err)
        rpc_call_finish(call, err);
    else
        rpc_call_reply(call, &empty.base);
    rpc_call_unref(call);
}

void service_out_of_memory(struct rpc_call *call)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "out of memory");
    rpc_call_finish(call, &err);
}

/* NULL handlers answer UNIMPLEMENTED, after the role check. */
int planned_services_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_snapshot_service_handlers snapshot = {0};
    if (banger_v1_snapshot_service_register(server, &snapshot, core, err) < 0)
        return -1;
    return 0;
}

int services_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static int (*const all[])(struct rpc_server *, struct core *, struct err *) = {
        vm_service_register,        guest_session_service_register, supervision_service_register,
        operation_service_register, image_service_register,         kernel_service_register,
        event_service_register,     host_service_register,          auth_service_register,
        health_service_register,    file_service_register,          forward_service_register,
        planned_services_register,  reflection_service_register,
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i](server, core, err) < 0)
            return -1;
    admit_register(server, core);
    audit_observe(server, core);
    request_gate_install(server, core);
    return 0;
}
