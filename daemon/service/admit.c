/* The gate before all services; see admit.h. */
#include "daemon/service/admit.h"

#include "daemon/core/core.h"
#include "daemon/store/store.h"
#include "rpc/event/server.h"
#include "rpc/wire/method.h"

static int admit(void *arg, const struct rpc_method *method, struct err *err)
{
    const struct core *core = arg;
    return method->effect == RPC_EFFECT_CHANGE ? store_check_admits(core->store, err) : 0;
}

void admit_register(struct rpc_server *server, struct core *core)
{
    rpc_server_set_admit(server, admit, core);
}
