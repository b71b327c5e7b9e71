/* ForwardService.Forward: one bidirectional stream over the tool dial (agent/tool_dial.c).
 *
 * Out: what the tool says are records (agent/tool_relay.c), each of which is sent as it comes; its
 * bytes are granted again when the call takes more. In: a client whose bytes the guest does not
 * take is not read from (HTTP/2 flow control stops it); what is left of the last message waits
 * here. */
#include "daemon/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/v1/forward.server.rpc.h"
#include "base/buf.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/guest_records.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/service/forward.h"
#include "daemon/service/guest_call.h"
#include "rpc/event/loop.h"
#include "rpc/wire/call.h"

enum { DATA_BYTES = 64 * 1024, OPEN_WITHIN_MS = 10 * 1000, DIAL_ARGS = 4 };

struct forward {
    struct guest_call guest;
    struct timer late; /* while there is no Open */
    struct buf rest;   /* of the client's bytes, that the tool did not take */
    bool half_closed;  /* nothing comes behind rest */
    bool over;         /* the call was finished */
    struct guest_records records;
};

static void forward_end(struct forward *f, const struct err *status)
{
    if (f->over)
        return;
    f->over = true;
    rpc_call_finish(f->guest.call, status);
}

static void forward_send(struct forward *f, Banger__V1__ForwardResponse *response)
{
    if (f->over || banger_v1_forward_service_forward_send(f->guest.call, response) == 0)
        return;
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    forward_end(f, &err);
}

/* Out ------------------------------------------------------------------------------------------ */

static void forward_mark(struct forward *f, enum guest_record what)
{
    Banger__V1__ForwardOpened opened = BANGER__V1__FORWARD_OPENED__INIT;
    Banger__V1__ForwardEnd end = BANGER__V1__FORWARD_END__INIT;
    Banger__V1__ForwardResponse response = BANGER__V1__FORWARD_RESPONSE__INIT;
    bool ends = what == GUEST_RECORD_END;
    response.frame_case =
        ends ? BANGER__V1__FORWARD_RESPONSE__FRAME_END : BANGER__V1__FORWARD_RESPONSE__FRAME_OPENED;
    if (ends)
        response.end = &end;
    else
        response.opened = &opened;
    forward_send(f, &response);
}

static void forward_bytes(struct forward *f, const uint8_t *data, uint32_t len)
{
    Banger__V1__ForwardResponse response = BANGER__V1__FORWARD_RESPONSE__INIT;
    response.frame_case = BANGER__V1__FORWARD_RESPONSE__FRAME_DATA;
    response.data.data = (uint8_t *)data;
    response.data.len = len;
    forward_send(f, &response);
}

static void on_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct forward *f = arg;
    for (uint32_t at = 0, n; at < len && !f->over; at += n) {
        enum guest_record what;
        n = guest_records_take(&f->records, data + at, len - at, &what);
        if (what == GUEST_RECORD_DATA)
            forward_bytes(f, data + at, n);
        else if (what != GUEST_RECORD_PART)
            forward_mark(f, what);
    }
    guest_call_used(&f->guest, len);
}

static void on_ended(void *arg, const struct err *err)
{
    forward_end(arg, err);
}

/* In ------------------------------------------------------------------------------------------- */

static void forward_flush(struct forward *f)
{
    size_t n = guest_tool_write(f->guest.tool, buf_data(&f->rest), buf_len(&f->rest));
    buf_consume(&f->rest, n);
    if (buf_len(&f->rest) > 0)
        return;
    rpc_call_resume_reading(f->guest.call);
    if (f->half_closed)
        guest_tool_finish(f->guest.tool);
}

static void on_writable(void *arg)
{
    struct forward *f = arg;
    if (!f->over)
        forward_flush(f);
}

static const struct guest_tool_events tool_events = {on_data, on_writable, on_ended};

/* "NAME/ID" of Accepted.id, as two arguments. */
static int forward_accepted(char *text, const char **name, const char **id, struct err *err)
{
    char *slash = strchr(text, '/');
    if (!slash || slash == text || strspn(slash + 1, "0123456789") != strlen(slash + 1))
        return err_set(err, ERR_INVALID, "accepted: \"%.80s\" is no id of a connection", text);
    *slash = '\0';
    *name = text;
    *id = slash + 1;
    return 0;
}

static int forward_open(struct forward *f, const Banger__V1__ForwardOpen *open, struct err *err)
{
    char port[8], accepted[FORWARD_NAME_BYTES];
    const char *argv[DIAL_ARGS] = {"dial", "unix", open->unix_path};
    struct guest_tool_spec spec = {.argv = argv, .argc = 3, .user = open->user};
    if (f->guest.tool)
        return err_set(err, ERR_INVALID, "a second Open on one stream");
    struct vm_entry *vm = guest_call_find_vm(&f->guest, open->vm, err);
    if (!vm)
        return -1;
    switch (open->target_case) {
    case BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT:
        if (forward_tcp_args(argv + 1, port, open->host, open->tcp_port, false, err) < 0)
            return -1;
        spec.argc = DIAL_ARGS;
        break;
    case BANGER__V1__FORWARD_OPEN__TARGET_UNIX_PATH:
        if (forward_check_path(open->unix_path, err) < 0)
            return -1;
        break;
    case BANGER__V1__FORWARD_OPEN__TARGET_ACCEPTED:
        snprintf(accepted, sizeof(accepted), "%s", open->accepted);
        argv[1] = "accepted";
        if (forward_accepted(accepted, &argv[2], &argv[3], err) < 0)
            return -1;
        spec.argc = DIAL_ARGS;
        break;
    case BANGER__V1__FORWARD_OPEN__TARGET_PROGRAM:
        if (strcmp(open->program, "sftp") != 0)
            return err_set(err, ERR_INVALID, "program: there is no \"%.40s\"", open->program);
        argv[1] = "sftp";
        spec.argc = 2;
        break;
    default:
        return err_set(err, ERR_INVALID, "no target");
    }
    timer_stop(&f->late);
    return guest_call_run(&f->guest, vm, &spec, &tool_events, f, err);
}

static int forward_data(struct forward *f, const ProtobufCBinaryData *data, struct err *err)
{
    if (data->len > DATA_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes in a frame, at most %d are allowed", data->len,
                       DATA_BYTES);
    size_t n = buf_len(&f->rest) > 0 ? 0 : guest_tool_write(f->guest.tool, data->data, data->len);
    if (n == data->len)
        return 0;
    rpc_call_pause_reading(f->guest.call);
    if (buf_append(&f->rest, data->data + n, data->len - n) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    return 0;
}

static int forward_frame(struct forward *f, const Banger__V1__ForwardRequest *m, struct err *err)
{
    if (m->frame_case == BANGER__V1__FORWARD_REQUEST__FRAME_OPEN)
        return forward_open(f, m->open, err);
    if (!f->guest.tool)
        return err_set(err, ERR_INVALID, "the first frame must be Open");
    if (m->frame_case == BANGER__V1__FORWARD_REQUEST__FRAME_DATA)
        return forward_data(f, &m->data, err);
    return err_set(err, ERR_INVALID, "a frame without content");
}

static void call_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    struct forward *f = arg;
    struct err err = ERR_INIT;
    if (!f->over && forward_frame(f, banger_v1_forward_service_forward_request(message), &err) < 0)
        forward_end(f, &err);
}

static void call_half_closed(void *arg, struct rpc_call *call)
{
    (void)call;
    struct forward *f = arg;
    struct err err = ERR_INIT;
    f->half_closed = true;
    if (!f->guest.tool) {
        err_set(&err, ERR_INVALID, "the first frame must be Open");
        forward_end(f, &err);
    } else if (buf_len(&f->rest) == 0) {
        guest_tool_finish(f->guest.tool);
    }
}

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct forward *f = arg;
    guest_call_writable(&f->guest);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct forward *f = arg;
    f->over = true;
    timer_done(&f->late);
    buf_done(&f->rest);
    guest_call_done(&f->guest);
    free(f);
}

static void open_is_late(void *arg)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "no Open came within %d seconds", OPEN_WITHIN_MS / 1000);
    forward_end(arg, &err);
}

static void handle_forward(void *self, struct rpc_call *call)
{
    static const struct rpc_call_events events = {
        .message = call_message,
        .half_closed = call_half_closed,
        .writable = call_writable,
        .closed = call_closed,
    };
    struct core *core = self;
    struct forward *f = calloc(1, sizeof(*f));
    if (!f || timer_init(&f->late, core->loop, open_is_late, f) < 0) {
        free(f);
        service_out_of_memory(call);
        return;
    }
    guest_call_init(&f->guest, core, call);
    buf_init(&f->rest, 2 * DATA_BYTES);
    timer_start(&f->late, OPEN_WITHIN_MS);
    rpc_call_set_events(call, &events, f);
}

int forward_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_forward_service_handlers handlers = {
        .forward = handle_forward,
        .listen = forward_service_listen,
    };
    return banger_v1_forward_service_register(server, &handlers, core, err);
}
