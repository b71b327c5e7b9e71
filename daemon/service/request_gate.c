/* See request_gate.h. The id is found through the message's descriptor, so that a new method needs
 * no code for it. */
#include "daemon/service/request_gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/request_past.h"
#include "rpc/event/server.h"
#include "rpc/wire/call.h"

struct kept_request {
    struct rpc_call *call; /* counted */
    ProtobufCMessage *message;
};

/* "" where the type has none, or it is none. */
static const char *request_id_of(const ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "request_id");
    const char *id = "";
    if (f && f->type == PROTOBUF_C_TYPE_STRING && f->label == PROTOBUF_C_LABEL_NONE)
        memcpy(&id, (const char *)request + f->offset, sizeof(id));
    return id;
}

static void gate_known(void *arg, const struct err *err)
{
    struct kept_request *k = arg;
    if (err) {
        rpc_call_finish(k->call, err);
        rpc_message_free(k->message);
    } else {
        rpc_call_dispatch(k->call, k->message);
    }
    rpc_call_unref(k->call);
    free(k);
}

static bool gate(void *arg, struct rpc_call *call, const ProtobufCMessage *request)
{
    struct core *core = arg;
    const char *id = request_id_of(request), *principal = rpc_call_peer(call)->principal;
    struct err err = ERR_INIT;
    if (!*id || !request_past_may_have(core, principal, id))
        return false;
    struct kept_request *k = malloc(sizeof(*k));
    ProtobufCMessage *message = k ? rpc_call_take_message(call) : NULL;
    if (!message) {
        free(k);
        err_set(&err, ERR_LIMIT, "out of memory");
        rpc_call_finish(call, &err); /* which a call without memory for its message is already */
        return true;
    }
    *k = (struct kept_request){rpc_call_ref(call), message};
    if (request_past_find(core, principal, id, gate_known, k, &err) < 0)
        gate_known(k, &err);
    return true;
}

void request_gate_install(struct rpc_server *server, struct core *core)
{
    rpc_server_set_gate(server, gate, core);
}
