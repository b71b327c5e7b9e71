/* VMService.AttachConsole: the frames of an attach over a VM's console.
 *
 * Out: a console_reader's pieces, at the pace of the call. In: what a writer sends goes to the
 * guest's serial line (daemon/vmm/console_input.h); what that does not take waits here, and its
 * client is not read from meanwhile. The stream ends with Lost when the VM is deleted, with OK
 * after a Detach; an error status means that the attach failed. */
#include "daemon/service/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/console_reader.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/vmm/console_input.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

enum {
    OPEN_WITHIN_MS = 10 * 1000,
    WINDOW_BYTES = 64 * 1024, /* typed, and not yet taken by the guest */
};

struct console_attach {
    struct core *core;
    struct rpc_call *call; /* counted */
    struct timer late;     /* while there is no Open */
    struct console_reader *reader;
    struct console_writer writer; /* while its host is set */
    char path[PATH_BYTES];        /* of the log */
    bool was_writer;              /* once: what it sends after that is dropped */
    bool lost_early;              /* it ceased to be one before Opened was sent */
    bool opened, over;
    uint64_t typed, acked; /* bytes received, and taken by the guest's line */
    uint64_t next;         /* of the output */
    struct buf pending;    /* typed, from acked on */
};

/* The last word to the client: what is queued still goes out. */
static void stream_end(struct console_attach *a, const struct err *status)
{
    if (a->over)
        return;
    a->over = true;
    console_writer_end(&a->writer);
    console_reader_close(a->reader);
    a->reader = NULL;
    rpc_call_finish(a->call, status);
}

static void send_frame(struct console_attach *a, Banger__V1__AttachResponse *response)
{
    struct err err = ERR_INIT;
    Banger__V1__ConsoleChunk chunk = BANGER__V1__CONSOLE_CHUNK__INIT;
    chunk.frame = response;
    if (a->over || banger_v1_vm_service_attach_console_send(a->call, &chunk) == 0)
        return;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    stream_end(a, &err);
}

#define FRAME(name, CASE)                                                                          \
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;                       \
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_##CASE;                               \
    response.name = &(name)

/* Out ------------------------------------------------------------------------------------------ */

static void send_writer_lost(struct console_attach *a)
{
    Banger__V1__AttachWriterChanged writer_changed = BANGER__V1__ATTACH_WRITER_CHANGED__INIT;
    FRAME(writer_changed, WRITER_CHANGED);
    send_frame(a, &response);
}

static void send_ack(struct console_attach *a)
{
    Banger__V1__AttachStdinAck stdin_ack = BANGER__V1__ATTACH_STDIN_ACK__INIT;
    stdin_ack.offset = a->acked;
    FRAME(stdin_ack, STDIN_ACK);
    send_frame(a, &response);
}

static void on_begun(void *arg, uint64_t offset)
{
    struct console_attach *a = arg;
    Banger__V1__AttachOpened opened = BANGER__V1__ATTACH_OPENED__INIT;
    opened.stdout_offset = a->next = offset;
    opened.stdin_window_bytes = WINDOW_BYTES;
    FRAME(opened, OPENED);
    send_frame(a, &response);
    a->opened = true;
    if (a->lost_early && !a->over)
        send_writer_lost(a);
}

static void on_gap(void *arg, uint64_t from, uint64_t to)
{
    struct console_attach *a = arg;
    static char reason[] = "console_limit";
    Banger__V1__AttachGap gap = BANGER__V1__ATTACH_GAP__INIT;
    gap.stream = BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDOUT;
    gap.from = from;
    gap.to = gap.oldest = a->next = to;
    gap.reason = reason;
    FRAME(gap, GAP);
    send_frame(a, &response);
}

static void on_piece(void *arg, uint64_t offset, const uint8_t *bytes, size_t len)
{
    struct console_attach *a = arg;
    Banger__V1__AttachData data = BANGER__V1__ATTACH_DATA__INIT;
    data.stream = BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDOUT;
    data.offset = offset;
    data.data.data = (uint8_t *)bytes;
    data.data.len = len;
    a->next = offset + len;
    FRAME(data, DATA);
    send_frame(a, &response);
}

static void send_stream_end(struct console_attach *a, Banger__V1__OutputStream stream,
                            uint64_t total)
{
    Banger__V1__AttachStreamEnd stream_end = BANGER__V1__ATTACH_STREAM_END__INIT;
    stream_end.stream = stream;
    stream_end.total = total;
    FRAME(stream_end, STREAM_END);
    send_frame(a, &response);
}

/* One that follows ends only with its VM. */
static void on_ended(void *arg, const struct err *err)
{
    struct console_attach *a = arg;
    if (!err) {
        static char reason[] = "deleted", message[] = "the VM was deleted";
        Banger__V1__AttachLost lost = BANGER__V1__ATTACH_LOST__INIT;
        lost.reason = reason;
        lost.message = message;
        send_stream_end(a, BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDOUT, a->next);
        send_stream_end(a, BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDERR, 0);
        FRAME(lost, LOST);
        send_frame(a, &response);
    }
    stream_end(a, err);
}

static const struct console_reader_events reader_events = {
    .begun = on_begun, .gap = on_gap, .piece = on_piece, .ended = on_ended};

/* In ------------------------------------------------------------------------------------------- */

/* Gives the guest's line what it takes; the rest waits, and with it the client. */
static void type(struct console_attach *a)
{
    size_t waiting = buf_len(&a->pending);
    if (waiting == 0 || !a->writer.host)
        return;
    size_t n = console_writer_write(&a->writer, buf_data(&a->pending), waiting);
    buf_consume(&a->pending, n);
    a->acked += n;
    if (n > 0 && a->opened)
        send_ack(a);
    if (n < waiting)
        rpc_call_pause_reading(a->call);
    else
        rpc_call_resume_reading(a->call);
}

static void on_lost(void *arg)
{
    struct console_attach *a = arg;
    buf_reset(&a->pending);
    rpc_call_resume_reading(a->call);
    if (a->opened)
        send_writer_lost(a);
    else
        a->lost_early = true;
}

static void on_writable(void *arg)
{
    type(arg);
}

static void on_failed(void *arg, const struct err *err)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_PRECONDITION, "the console cannot be typed into: %s", err->message);
    err_tag(&why, "CONSOLE_NO_INPUT", NULL);
    stream_end(arg, &why);
}

static const struct console_writer_events writer_events = {
    .lost = on_lost, .writable = on_writable, .failed = on_failed};

static int begin_writer(struct console_attach *a, struct vm_entry *e,
                        const Banger__V1__AttachOpen *open, struct err *err)
{
    const struct vmm_driver *driver = vmm_find_driver(vm_record(e)->spec.driver, err);
    if (!driver)
        return -1;
    if (!driver->can.console_input) {
        err_set(err, ERR_PRECONDITION,
                "the guest's console is what a process of this host prints (driver %s): nothing "
                "would read what is typed; it can be viewed",
                driver->name);
        return err_tag(err, "CONSOLE_NO_INPUT", NULL);
    }
    bool takeover = open->role == BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER;
    a->was_writer = true;
    return console_writer_begin(&a->writer, a->core->vmm_host, a->path, open->writer_key, takeover,
                                &writer_events, a, err);
}

static struct console_start start_of(const Banger__V1__StreamStart *m)
{
    struct console_start start = {0};
    if (m && m->at_case == BANGER__V1__STREAM_START__AT_TAIL) {
        start.tail_bytes = m->tail;
        start.end = m->tail == 0;
    } else if (m && m->at_case == BANGER__V1__STREAM_START__AT_TAIL_LINES) {
        start.tail_lines = m->tail_lines;
        start.end = m->tail_lines == 0;
    } else if (!m || m->at_case == BANGER__V1__STREAM_START__AT_OFFSET ||
               m->at_case == BANGER__V1__STREAM_START__AT__NOT_SET) {
        start.has_offset = true;
        start.offset = m ? m->offset : 0;
    } else {
        start.end = true;
    }
    return start;
}

static int handle_open(struct console_attach *a, struct vm_entry *e,
                       const Banger__V1__AttachOpen *open, struct err *err)
{
    if ((unsigned)open->role > BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER)
        return err_set(err, ERR_INVALID, "role %d is not known", (int)open->role);
    if (open->start_stdout && open->start_stdout->at_case == BANGER__V1__STREAM_START__AT_SINCE)
        return err_set(err, ERR_INVALID, "nobody knows when a console said something");
    snprintf(a->path, sizeof(a->path), "%s", vm_record(e)->runtime.log_path);
    if (open->role > BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER &&
        begin_writer(a, e, open, err) < 0)
        return -1;
    timer_stop(&a->late);
    const struct console_start start = start_of(open->start_stdout);
    a->reader = console_reader_open(a->core, a->call, e, &start, true, &reader_events, a, err);
    return a->reader ? 0 : -1;
}

static int handle_typed(struct console_attach *a, uint64_t offset, ProtobufCBinaryData data,
                        struct err *err)
{
    if (!a->was_writer) {
        err_set(err, ERR_PRECONDITION, "this attach only views");
        return err_tag(err, "NOT_WRITER", NULL);
    }
    if (offset > a->typed) {
        err_set(err, ERR_INVALID, "what is typed is at byte %llu, only %llu came before it",
                (unsigned long long)offset, (unsigned long long)a->typed);
        return err_tag(err, "STDIN_HOLE", NULL);
    }
    uint64_t seen = a->typed - offset;
    if (!a->writer.host || seen >= data.len)
        return 0; /* another types now */
    if (buf_append(&a->pending, data.data + seen, data.len - (size_t)seen) < 0) {
        err_set(err, ERR_LIMIT, "more than %d typed bytes are under way", WINDOW_BYTES);
        return err_tag(err, "STDIN_FULL", NULL);
    }
    a->typed += data.len - seen;
    type(a);
    return 0;
}

static int handle_first(struct console_attach *a, const Banger__V1__AttachConsoleRequest *m,
                        struct err *err)
{
    const Banger__V1__AttachRequest *f = m->frame;
    struct vm_entry *e = vm_find_within(a->core, request_scope(a->core, a->call), m->vm, err);
    if (!e)
        return -1;
    if (!f || f->frame_case != BANGER__V1__ATTACH_REQUEST__FRAME_OPEN)
        return err_set(err, ERR_INVALID, "the first frame must be Open");
    return handle_open(a, e, f->open, err);
}

static int handle_frame(struct console_attach *a, const Banger__V1__AttachConsoleRequest *m,
                        struct err *err)
{
    const Banger__V1__AttachRequest *f = m->frame;
    if (!a->reader)
        return handle_first(a, m, err);
    if (m->data.len > 0 && handle_typed(a, a->typed, m->data, err) < 0)
        return -1;
    switch (f ? f->frame_case : BANGER__V1__ATTACH_REQUEST__FRAME__NOT_SET) {
    case BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_DATA:
        return handle_typed(a, f->stdin_data->offset, f->stdin_data->data, err);
    case BANGER__V1__ATTACH_REQUEST__FRAME_DETACH:
        stream_end(a, NULL);
        return 0;
    case BANGER__V1__ATTACH_REQUEST__FRAME_SIGNAL:
        return err_set(err, ERR_INVALID, "a console takes no signals");
    case BANGER__V1__ATTACH_REQUEST__FRAME_OPEN:
        return err_set(err, ERR_INVALID, "a second Open on one stream");
    default:
        return 0; /* no size, no end */
    }
}

static void call_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    struct console_attach *a = arg;
    struct err err = ERR_INIT;
    if (!a->over && handle_frame(a, banger_v1_vm_service_attach_console_request(message), &err) < 0)
        stream_end(a, &err);
}

/* Says only that the client will write no more: it goes on reading what it has opened. */
static void call_half_closed(void *arg, struct rpc_call *call)
{
    (void)call;
    struct console_attach *a = arg;
    struct err err = ERR_INIT;
    if (a->reader)
        return;
    err_set(&err, ERR_INVALID, "the first frame must be Open");
    stream_end(a, &err);
}

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct console_attach *a = arg;
    if (a->reader)
        console_reader_pump(a->reader);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct console_attach *a = arg;
    console_writer_end(&a->writer);
    console_reader_close(a->reader);
    buf_done(&a->pending);
    timer_done(&a->late);
    rpc_call_unref(a->call);
    free(a);
}

static void open_is_late(void *arg)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "no Open came within %d seconds", OPEN_WITHIN_MS / 1000);
    stream_end(arg, &err);
}

void vm_service_attach_console(void *self, struct rpc_call *call)
{
    static const struct rpc_call_events events = {
        .message = call_message,
        .half_closed = call_half_closed,
        .writable = call_writable,
        .closed = call_closed,
    };
    struct core *core = self;
    struct console_attach *a = calloc(1, sizeof(*a));
    if (!a || timer_init(&a->late, core->loop, open_is_late, a) < 0) {
        free(a);
        service_out_of_memory(call);
        return;
    }
    a->core = core;
    buf_init(&a->pending, WINDOW_BYTES);
    timer_start(&a->late, OPEN_WITHIN_MS);
    a->call = rpc_call_ref(call);
    rpc_call_set_events(call, &events, a);
}
