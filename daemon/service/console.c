/* VMService.ReadConsole: a console_reader as a stream of chunks. */
#include "daemon/service/vm.h"

#include <stdlib.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/service/console_reader.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"

struct console_stream {
    struct rpc_call *call; /* counted */
    struct console_reader *reader;
};

static void take_piece(void *arg, uint64_t offset, const uint8_t *data, size_t len)
{
    struct console_stream *s = arg;
    struct err err = ERR_INIT;
    (void)offset;
    Banger__V1__ConsoleChunk chunk = BANGER__V1__CONSOLE_CHUNK__INIT;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = len;
    if (banger_v1_vm_service_read_console_send(s->call, &chunk) == 0)
        return;
    /* Room was seen before the piece was read; other calls of the connection have taken it. */
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    rpc_call_finish(s->call, &err);
}

static void take_end(void *arg, const struct err *err)
{
    struct console_stream *s = arg;
    rpc_call_finish(s->call, err);
}

static void became_writable(void *arg, struct rpc_call *call)
{
    struct console_stream *s = arg;
    (void)call;
    console_reader_pump(s->reader);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct console_stream *s = arg;
    (void)call;
    (void)status;
    console_reader_close(s->reader);
    rpc_call_unref(s->call);
    free(s);
}

void vm_service_read_console(void *self, struct rpc_call *call,
                             const Banger__V1__ReadConsoleRequest *request)
{
    static const struct rpc_call_events call_events = {.writable = became_writable,
                                                       .closed = call_closed};
    static const struct console_reader_events events = {.piece = take_piece, .ended = take_end};
    struct core *core = self;
    struct err err = ERR_INIT;
    struct vm_entry *e = request_find_vm(core, call, request->vm);
    if (!e)
        return;
    const struct console_start start = {.tail_lines = request->tail_lines,
                                        .tail_bytes = request->tail_bytes,
                                        .end = request->only_new};
    if (request->only_new && !request->follow && request->tail_lines <= CONSOLE_TAIL_LINES_MAX) {
        rpc_call_finish(call, NULL);
        return;
    }
    struct console_stream *s = calloc(1, sizeof(*s));
    if (!s) {
        service_out_of_memory(call);
        return;
    }
    s->reader = console_reader_open(core, call, e, &start, request->follow, &events, s, &err);
    if (!s->reader) {
        free(s);
        rpc_call_finish(call, &err);
        return;
    }
    s->call = rpc_call_ref(call);
    rpc_call_set_events(call, &call_events, s);
}
