/* GuestSessionService.SendStdin: a call waits until the process has its bytes. One whose caller has
 * left and whose turn has not come is dropped. */
#include "daemon/service/guest_session.h"

#include <stdlib.h>

#include "base/err.h"
#include "daemon/core/session/session.h"
#include "daemon/service/service.h"

struct stdin_call {
    struct rpc_call *call; /* counted */
    struct session_send *send;
};

static void stdin_call_free(struct stdin_call *s)
{
    rpc_call_set_events(s->call, NULL, NULL);
    rpc_call_unref(s->call);
    free(s);
}

static void stdin_sent(void *arg, uint64_t offset, const struct err *err)
{
    struct stdin_call *s = arg;
    Banger__V1__SendStdinResponse response = BANGER__V1__SEND_STDIN_RESPONSE__INIT;
    response.stdin_offset = offset;
    if (err)
        rpc_call_finish(s->call, err);
    else
        banger_v1_guest_session_service_send_stdin_reply(s->call, &response);
    stdin_call_free(s);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct stdin_call *s = arg;
    (void)call;
    (void)status;
    session_send_cancel(s->send);
    stdin_call_free(s);
}

void session_service_send_stdin(void *self, struct rpc_call *call,
                                const Banger__V1__SendStdinRequest *request)
{
    static const struct rpc_call_events events = {.closed = call_closed};
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    const struct session_send_request send = {
        .placed = request->_offset_case == BANGER__V1__SEND_STDIN_REQUEST___OFFSET_OFFSET,
        .offset = request->offset,
        .key = request->key,
        .position = request->position,
        .more = request->more,
        .eof = request->eof,
        .takeover = request->takeover,
        .data = request->data.data,
        .len = request->data.len,
    };
    struct stdin_call *s = calloc(1, sizeof(*s));
    if (!s) {
        service_out_of_memory(call);
        return;
    }
    s->call = rpc_call_ref(call);
    if (session_send(e, &send, stdin_sent, s, &s->send, &err) < 0) {
        rpc_call_finish(call, &err);
        stdin_call_free(s);
        return;
    }
    rpc_call_set_events(call, &events, s);
}
