/* The observer that writes the audit log; see audit.h.
 *
 * A call that may have to be written carries a note from its first message on: resource and
 * operation, which are gone with the messages when it ends. */
#include "daemon/service/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/access/audit.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "rpc/event/server.h"
#include "rpc/wire/observer.h"

struct note {
    char resource[sizeof(((struct audit_entry *)0)->resource)];
    char operation_id[ID_BYTES];
};

static bool audit_is_written(const struct rpc_method *method)
{
    return method->effect != RPC_EFFECT_READ && !method->sign_of_life;
}

void audit_peer(const struct rpc_peer *peer, char text[PEER_TEXT_BYTES])
{
    if (peer->kind == RPC_PEER_UNIX)
        snprintf(text, PEER_TEXT_BYTES, "uid %u, pid %d", (unsigned)peer->uid, (int)peer->pid);
    else
        snprintf(text, PEER_TEXT_BYTES, "%s", peer->address);
}

static void write_entry(struct core *core, const struct rpc_call *call, const struct note *note,
                        int code, bool begun)
{
    const struct rpc_peer *peer = rpc_call_peer(call);
    struct audit_entry entry = {.role = (int)peer->role, .code = code, .begun = begun};
    snprintf(entry.principal, sizeof(entry.principal), "%s", peer->principal);
    snprintf(entry.method, sizeof(entry.method), "%s", rpc_call_method(call)->path);
    audit_peer(peer, entry.address);
    if (note) {
        memcpy(entry.resource, note->resource, sizeof(entry.resource));
        memcpy(entry.operation_id, note->operation_id, sizeof(entry.operation_id));
    }
    audit_add(core, &entry);
}

/* A client that streams, as one that attaches, may do so for days: its beginning is written, too.
 */
static void requested(void *arg, struct rpc_call *call, const ProtobufCMessage *request)
{
    struct core *core = arg;
    const struct rpc_method *method = rpc_call_method(call);
    if (!audit_is_written(method))
        return;
    struct note *note = calloc(1, sizeof(*note));
    rpc_call_set_note(call, note);
    if (note)
        audit_resource(method, request, note->resource, sizeof(note->resource));
    if (core->audit && method->streams & RPC_CLIENT_STREAMS)
        write_entry(core, call, note, ERR_NONE, true);
}

/* Names may be used again, ids are not: what the answer says is preferred. */
static void replied(void *arg, struct rpc_call *call, const ProtobufCMessage *response)
{
    (void)arg;
    struct note *note = rpc_call_note(call);
    if (!note)
        return;
    char resource[sizeof(note->resource)];
    audit_resource(rpc_call_method(call), response, resource, sizeof(resource));
    if (*resource)
        memcpy(note->resource, resource, sizeof(resource));
}

void audit_note_operation(struct rpc_call *call, const struct operation_entry *op)
{
    struct note *note = rpc_call_note(call);
    if (!note)
        return;
    memcpy(note->operation_id, operation_row(op)->id, sizeof(note->operation_id));
    if (*operation_row(op)->resource)
        snprintf(note->resource, sizeof(note->resource), "%s", operation_row(op)->resource);
}

static void ended(void *arg, struct rpc_call *call, const struct err *status)
{
    struct core *core = arg;
    struct note *note = rpc_call_note(call);
    bool denied = status->code == ERR_DENIED || status->code == ERR_UNAUTHENTICATED;
    if (core->audit && (denied || audit_is_written(rpc_call_method(call))))
        write_entry(core, call, note, (int)status->code, false);
    free(note);
    rpc_call_set_note(call, NULL);
}

void audit_observe(struct rpc_server *server, struct core *core)
{
    static const struct rpc_observer observer = {
        .requested = requested, .replied = replied, .ended = ended};
    rpc_server_set_observer(server, &observer, core);
}
