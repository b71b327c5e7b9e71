/* AuthService: who the caller is. Certificates and tokens come with the TCP listener. */
#include "daemon/service/service.h"

#include "banger/v1/auth.server.rpc.h"
#include "rpc/wire/call.h"

static void handle_who_am_i(void *self, struct rpc_call *call,
                            const Banger__V1__WhoAmIRequest *request)
{
    (void)self;
    (void)request;
    const struct rpc_peer *peer = rpc_call_peer(call);
    Banger__V1__Identity identity = BANGER__V1__IDENTITY__INIT;
    identity.principal = (char *)peer->principal;
    identity.role = (Banger__V1__Role)peer->role;
    identity.address = (char *)peer->address;
    banger_v1_auth_service_who_am_i_reply(call, &identity);
}

int auth_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_auth_service_handlers handlers = {.who_am_i = handle_who_am_i};
    return banger_v1_auth_service_register(server, &handlers, core, err);
}
