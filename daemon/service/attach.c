/* GuestSessionService.Attach: one bidirectional stream over one core attach.
 *
 * Out: each data frame is sent at once; the bytes are granted to the session's side again when the
 * RPC stream takes more, so what waits here is bounded by the credit. In: a writer whose bytes the
 * guest does not take is not read from (HTTP/2 flow control stops it). The stream ends with Exit or
 * Lost, or with OK after a Detach; an error status means that the attach failed, never the session.
 */
#include "daemon/service/guest_session.h"
#include "daemon/service/request.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/session/attach.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session.h"
#include "daemon/service/audit.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"
#include "rpc/event/loop.h"

enum { CREDIT_BYTES = 512 * 1024, OPEN_WITHIN_MS = 10 * 1000 };

struct attach_stream {
    struct core *core;
    struct rpc_call *call;         /* counted */
    struct attach *attach;         /* NULL before Open, and once it is over */
    struct session_entry *session; /* counted; NULL before Open */
    struct timer late;             /* while there is no Open */
    uint32_t owed_bytes;           /* sent, to be granted when the call is writable */
    bool over;
};

/* The last word to the client: what is queued still goes out. */
static void stream_end(struct attach_stream *s, const struct err *status)
{
    if (s->over)
        return;
    s->over = true;
    attach_close(s->attach);
    s->attach = NULL;
    rpc_call_finish(s->call, status);
}

static void send_frame(struct attach_stream *s, Banger__V1__AttachResponse *response)
{
    if (s->over || banger_v1_guest_session_service_attach_send(s->call, response) == 0)
        return;
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    stream_end(s, &err);
}

#define FRAME(name, CASE)                                                                          \
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;                       \
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_##CASE;                               \
    response.name = &(name)

/* Out ------------------------------------------------------------------------------------------ */

static void on_opened(void *arg, const struct attach_opened *o)
{
    struct attach_stream *s = arg;
    struct session_view view;
    if (session_service_view(&view, s->call, s->session) < 0)
        return;
    Banger__V1__AttachOpened opened = BANGER__V1__ATTACH_OPENED__INIT;
    opened.session = &view.session;
    opened.stdout_offset = o->stdout_offset;
    opened.stderr_offset = o->stderr_offset;
    opened.stdin_offset = o->stdin_offset;
    opened.writer_generation = o->writer_generation;
    opened.stdin_window_bytes = o->stdin_window_bytes;
    opened.stdin_foreign = o->stdin_foreign;
    opened.wants_taken = o->wants_taken;
    FRAME(opened, OPENED);
    send_frame(s, &response);
    session_view_done(&view);
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *bytes, uint32_t len)
{
    struct attach_stream *s = arg;
    Banger__V1__AttachData data = BANGER__V1__ATTACH_DATA__INIT;
    data.stream = (Banger__V1__OutputStream)stream;
    data.offset = offset;
    data.data.data = (uint8_t *)bytes;
    data.data.len = len;
    FRAME(data, DATA);
    send_frame(s, &response);
    if (s->over)
        return;
    s->owed_bytes += len;
    if (rpc_call_writable(s->call)) {
        attach_grant(s->attach, s->owed_bytes);
        s->owed_bytes = 0;
    }
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    Banger__V1__AttachGap gap = BANGER__V1__ATTACH_GAP__INIT;
    gap.stream = (Banger__V1__OutputStream)stream;
    gap.from = from;
    gap.to = to;
    gap.oldest = oldest;
    gap.reason = (char *)reason;
    FRAME(gap, GAP);
    send_frame(arg, &response);
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    Banger__V1__AttachStreamEnd stream_end = BANGER__V1__ATTACH_STREAM_END__INIT;
    stream_end.stream = (Banger__V1__OutputStream)stream;
    stream_end.total = total;
    stream_end.cut = (char *)cut;
    FRAME(stream_end, STREAM_END);
    send_frame(arg, &response);
}

static void on_stdin_ack(void *arg, uint64_t offset, bool closed)
{
    Banger__V1__AttachStdinAck stdin_ack = BANGER__V1__ATTACH_STDIN_ACK__INIT;
    stdin_ack.offset = offset;
    stdin_ack.closed = closed;
    FRAME(stdin_ack, STDIN_ACK);
    send_frame(arg, &response);
}

static void on_stdin_foreign(void *arg, uint64_t offset)
{
    Banger__V1__AttachStdinForeign stdin_foreign = BANGER__V1__ATTACH_STDIN_FOREIGN__INIT;
    stdin_foreign.offset = offset;
    FRAME(stdin_foreign, STDIN_FOREIGN);
    send_frame(arg, &response);
}

static void on_stdin_writable(void *arg)
{
    struct attach_stream *s = arg;
    rpc_call_resume_reading(s->call);
}

static void on_writer_changed(void *arg, uint64_t generation, bool is_writer)
{
    Banger__V1__AttachWriterChanged writer_changed = BANGER__V1__ATTACH_WRITER_CHANGED__INIT;
    writer_changed.writer_generation = generation;
    writer_changed.is_writer = is_writer;
    FRAME(writer_changed, WRITER_CHANGED);
    send_frame(arg, &response);
}

static void on_ended(void *arg, uint64_t stdout_total, uint64_t stderr_total)
{
    struct attach_stream *s = arg;
    struct session_view view;
    if (session_service_view(&view, s->call, s->session) < 0)
        return;
    Banger__V1__AttachExit exit = BANGER__V1__ATTACH_EXIT__INIT;
    exit.exit = view.session.exit;
    exit.stdout_total = stdout_total;
    exit.stderr_total = stderr_total;
    FRAME(exit, EXIT);
    send_frame(s, &response);
    session_view_done(&view);
    stream_end(s, NULL);
}

static void on_lost(void *arg, const char *reason, const char *message)
{
    struct attach_stream *s = arg;
    Banger__V1__AttachLost lost = BANGER__V1__ATTACH_LOST__INIT;
    lost.reason = (char *)reason;
    lost.message = (char *)message;
    FRAME(lost, LOST);
    send_frame(s, &response);
    stream_end(s, NULL);
}

static void on_failed(void *arg, const struct err *err)
{
    stream_end(arg, err);
}

static const struct attach_events attach_events = {
    .opened = on_opened,
    .data = on_data,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .stdin_ack = on_stdin_ack,
    .stdin_foreign = on_stdin_foreign,
    .stdin_writable = on_stdin_writable,
    .writer_changed = on_writer_changed,
    .exit = on_ended,
    .lost = on_lost,
    .failed = on_failed,
};

/* In ------------------------------------------------------------------------------------------- */

static int start_of(struct agent_start *start, const Banger__V1__StreamStart *m, struct err *err)
{
    int64_t since_ns;
    *start = (struct agent_start){.at = AGENT_FROM_OFFSET};
    if (!m)
        return 0;
    switch (m->at_case) {
    case BANGER__V1__STREAM_START__AT_OFFSET:
        start->value = m->offset;
        break;
    case BANGER__V1__STREAM_START__AT_TAIL:
        *start = (struct agent_start){.at = AGENT_FROM_TAIL, .value = m->tail};
        break;
    case BANGER__V1__STREAM_START__AT_END:
        start->at = AGENT_FROM_END;
        break;
    case BANGER__V1__STREAM_START__AT_SKIP:
        start->at = AGENT_SKIP;
        break;
    case BANGER__V1__STREAM_START__AT_TAIL_LINES:
        *start = (struct agent_start){.at = AGENT_FROM_TAIL_LINES, .value = m->tail_lines};
        break;
    case BANGER__V1__STREAM_START__AT_SINCE:
        if (request_time(&since_ns, m->since, "since", err) < 0)
            return -1;
        *start = (struct agent_start){.at = AGENT_FROM_TIME, .value = (uint64_t)since_ns};
        break;
    default:
        break;
    }
    return 0;
}

static int handle_open(struct attach_stream *s, const Banger__V1__AttachOpen *open, struct err *err)
{
    if (s->session)
        return err_set(err, ERR_INVALID, "a second Open on one stream");
    if ((unsigned)open->role > BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER)
        return err_set(err, ERR_INVALID, "role %d is not known", (int)open->role);
    struct session_entry *e =
        session_find_within(s->core, request_scope(s->core, s->call), NULL, open->session, err);
    if (!e)
        return -1;
    char address[PEER_TEXT_BYTES];
    audit_peer(rpc_call_peer(s->call), address);
    struct attach_options options = {
        .role = ATTACH_VIEWER,
        .principal = rpc_call_peer(s->call)->principal,
        .address = address,
        .credit_bytes = CREDIT_BYTES,
        .hold = open->hold,
        .writer_key = open->writer_key,
    };
    if (open->role == BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER)
        options.role = ATTACH_WRITER;
    else if (open->role == BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER)
        options.role = ATTACH_TAKEOVER;
    if (start_of(&options.from_stdout, open->start_stdout, err) < 0 ||
        start_of(&options.from_stderr, open->start_stderr, err) < 0)
        return -1;
    s->session = session_ref(e);
    timer_stop(&s->late);
    s->attach = attach_open(s->core, e, &options, &attach_events, s, err);
    return s->attach ? 0 : -1;
}

static int handle_stdin(struct attach_stream *s, const Banger__V1__AttachStdin *m, struct err *err)
{
    if (m->data.len > ATTACH_STDIN_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes of stdin in a frame, at most %d are allowed",
                       m->data.len, ATTACH_STDIN_BYTES);
    if (attach_stdin(s->attach, m->offset, m->data.data, m->data.len, err) < 0)
        return -1;
    if (attach_stdin_full(s->attach))
        rpc_call_pause_reading(s->call);
    return 0;
}

static int handle_signal(struct attach_stream *s, const Banger__V1__AttachSignal *m,
                         struct err *err)
{
    int target = m->target == BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_UNSPECIFIED
                     ? (int)BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP
                     : (int)m->target;
    if (m->signo < 1 || m->signo >= NSIG || target < 1 || target > 3)
        return err_set(err, ERR_INVALID, "no signal %d to target %d", m->signo, target);
    int rc = attach_signal(s->attach, m->signo, target, err);
    /* A process that has just ended is no reason to cut off its output. */
    return rc < 0 && err->code == ERR_PRECONDITION ? 0 : rc;
}

static int handle_frame(struct attach_stream *s, const Banger__V1__AttachRequest *m,
                        struct err *err)
{
    if (m->frame_case == BANGER__V1__ATTACH_REQUEST__FRAME_OPEN)
        return handle_open(s, m->open, err);
    if (!s->attach)
        return err_set(err, ERR_INVALID, "the first frame must be Open");
    switch (m->frame_case) {
    case BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_DATA:
        return handle_stdin(s, m->stdin_data, err);
    case BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_EOF:
        return attach_stdin_eof(s->attach, err);
    case BANGER__V1__ATTACH_REQUEST__FRAME_RESIZE:
        return attach_resize(s->attach, m->resize->rows, m->resize->columns, err);
    case BANGER__V1__ATTACH_REQUEST__FRAME_SIGNAL:
        return handle_signal(s, m->signal, err);
    case BANGER__V1__ATTACH_REQUEST__FRAME_TAKEN:
        attach_taken(s->attach, m->taken->stdout_offset, m->taken->stderr_offset);
        return 0;
    case BANGER__V1__ATTACH_REQUEST__FRAME_DETACH:
        attach_release(s->attach);
        stream_end(s, NULL);
        return 0;
    default:
        return err_set(err, ERR_INVALID, "a frame without content");
    }
}

static void call_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    struct attach_stream *s = arg;
    struct err err = ERR_INIT;
    if (!s->over &&
        handle_frame(s, banger_v1_guest_session_service_attach_request(message), &err) < 0)
        stream_end(s, &err);
}

/* Says only that the client will write no more: it goes on reading what it has opened. */
static void call_half_closed(void *arg, struct rpc_call *call)
{
    (void)call;
    struct attach_stream *s = arg;
    struct err err = ERR_INIT;
    if (s->session)
        return;
    err_set(&err, ERR_INVALID, "the first frame must be Open");
    stream_end(s, &err);
}

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct attach_stream *s = arg;
    if (!s->attach || s->owed_bytes == 0)
        return;
    attach_grant(s->attach, s->owed_bytes);
    s->owed_bytes = 0;
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct attach_stream *s = arg;
    attach_close(s->attach);
    if (s->session)
        session_unref(s->session);
    timer_done(&s->late);
    rpc_call_unref(s->call);
    free(s);
}

static void open_is_late(void *arg)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "no Open came within %d seconds", OPEN_WITHIN_MS / 1000);
    stream_end(arg, &err);
}

void session_service_attach(void *self, struct rpc_call *call)
{
    static const struct rpc_call_events events = {
        .message = call_message,
        .half_closed = call_half_closed,
        .writable = call_writable,
        .closed = call_closed,
    };
    struct core *core = self;
    struct attach_stream *s = calloc(1, sizeof(*s));
    if (!s || timer_init(&s->late, core->loop, open_is_late, s) < 0) {
        free(s);
        service_out_of_memory(call);
        return;
    }
    s->core = core;
    timer_start(&s->late, OPEN_WITHIN_MS);
    s->call = rpc_call_ref(call);
    rpc_call_set_events(call, &events, s);
}
