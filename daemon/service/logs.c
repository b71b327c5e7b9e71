/* GuestSessionService.ReadLogs: output so far, or followed to its end, by bytes or by lines.
 *
 * The last N lines are looked for by the agent, from the end. An agent that cannot (or where the
 * lines are to be counted in a part of the output only) has all of it sent in a first pass, which
 * remembers where the latest N lines begin and nothing else; the second pass reads from there.
 *
 * An end at a time is the agent's to find as well, of output that is not followed. Who follows
 * until a time that is to come is read on as one who does not, from where he is, when it has come.
 */
#include "daemon/service/guest_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/session/attach.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/audit.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"
#include "rpc/event/loop.h"

enum { CREDIT_BYTES = 256 * 1024, TAIL_LINES_MAX = 100000 };

/* Starts of the latest lines of one stream, as a ring. */
struct line_starts {
    uint64_t *at; /* tail_lines entries */
    size_t n, next;
    bool fresh; /* the next byte begins a line */
};

struct log_reader {
    struct core *core;
    struct rpc_call *call;         /* counted */
    struct session_entry *session; /* counted */
    struct attach *attach;
    struct attach_options options;
    bool follow, times, tell_start;
    int64_t until_ns;  /* 0: none */
    struct timer late; /* until has come */
    bool placed;       /* the client knows, or could know, where its streams begin */
    uint64_t next[2];
    int64_t time_ns[2];  /* of what comes next; 0: not known */
    uint32_t tail_lines; /* > 0: a first pass is under way */
    struct line_starts lines[2];
    uint32_t owed_bytes;
    bool over;
};

static void reader_end(struct log_reader *r, const struct err *status)
{
    if (r->over)
        return;
    r->over = true;
    attach_close(r->attach);
    r->attach = NULL;
    rpc_call_finish(r->call, status);
}

static void note_lines(struct line_starts *l, uint32_t keep, uint64_t offset, const uint8_t *data,
                       uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (l->fresh) {
            l->at[l->next] = offset + i;
            l->next = (l->next + 1) % keep;
            l->n += l->n < keep;
        }
        l->fresh = data[i] == '\n';
    }
}

static void send_chunk(struct log_reader *r, const Banger__V1__LogChunk *chunk)
{
    if (r->over || banger_v1_guest_session_service_read_logs_send(r->call, chunk) == 0)
        return;
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    reader_end(r, &err);
}

static bool is_skipped(const struct log_reader *r, int which)
{
    const struct attach_options *o = &r->options;
    return (which ? &o->from_stderr : &o->from_stdout)->at == AGENT_SKIP;
}

static void on_opened(void *arg, const struct attach_opened *opened)
{
    struct log_reader *r = arg;
    if (r->tail_lines > 0 || r->placed)
        return;
    r->placed = true;
    r->next[0] = opened->stdout_offset;
    r->next[1] = opened->stderr_offset;
    for (int i = 0; i < 2 && r->tell_start; i++) {
        Banger__V1__LogChunk chunk = BANGER__V1__LOG_CHUNK__INIT;
        chunk.stream = (uint32_t)i + 1;
        chunk.offset = r->next[i];
        if (!is_skipped(r, i))
            send_chunk(r, &chunk);
    }
}

static void on_time(void *arg, int stream, int64_t time_ns)
{
    struct log_reader *r = arg;
    r->time_ns[stream - 1] = time_ns;
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct log_reader *r = arg;
    if (r->tail_lines > 0) {
        note_lines(&r->lines[stream - 1], r->tail_lines, offset, data, len);
        attach_grant(r->attach, len);
        return;
    }
    Banger__V1__LogChunk chunk = BANGER__V1__LOG_CHUNK__INIT;
    chunk.stream = (uint32_t)stream;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = len;
    Google__Protobuf__Timestamp stamp;
    if (r->times)
        chunk.time = view_time(&stamp, r->time_ns[stream - 1]);
    r->next[stream - 1] = offset + len;
    send_chunk(r, &chunk);
    if (r->over)
        return;
    r->owed_bytes += len;
    if (rpc_call_writable(r->call)) {
        attach_grant(r->attach, r->owed_bytes);
        r->owed_bytes = 0;
    }
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    struct log_reader *r = arg;
    if (r->tail_lines > 0) {
        r->lines[stream - 1].fresh = true;
        return;
    }
    Banger__V1__LogChunk chunk = BANGER__V1__LOG_CHUNK__INIT;
    chunk.stream = (uint32_t)stream;
    chunk.offset = from;
    chunk.gap_to = to;
    chunk.gap_oldest = oldest;
    chunk.gap_reason = (char *)reason;
    r->next[stream - 1] = to;
    send_chunk(r, &chunk);
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    if (*cut)
        on_gap(arg, stream, total, total, 0, cut);
}

static int reader_open(struct log_reader *r, struct err *err);

static void start_at_lines(struct agent_start *start, const struct line_starts *l, uint32_t keep)
{
    if (start->at == AGENT_SKIP || l->n == 0)
        return;
    start->at = AGENT_FROM_OFFSET;
    start->value = l->n < keep ? l->at[0] : l->at[l->next];
}

/* Everything was given; after the first pass, from the offsets found, once more. */
static void reader_done(struct log_reader *r)
{
    struct err err = ERR_INIT;
    if (r->tail_lines == 0) {
        reader_end(r, NULL);
        return;
    }
    start_at_lines(&r->options.from_stdout, &r->lines[0], r->tail_lines);
    start_at_lines(&r->options.from_stderr, &r->lines[1], r->tail_lines);
    r->tail_lines = 0;
    attach_close(r->attach);
    r->attach = NULL;
    if (reader_open(r, &err) < 0)
        reader_end(r, &err);
}

static void on_ended(void *arg, uint64_t stdout_total, uint64_t stderr_total)
{
    (void)stdout_total;
    (void)stderr_total;
    reader_done(arg);
}

static void on_lost(void *arg, const char *reason, const char *message)
{
    (void)reason;
    (void)message;
    reader_done(arg);
}

static void on_caught_up(void *arg)
{
    reader_done(arg);
}

static void on_failed(void *arg, const struct err *err)
{
    reader_end(arg, err);
}

static const struct attach_events log_events = {
    .opened = on_opened,
    .data = on_data,
    .time = on_time,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .exit = on_ended,
    .lost = on_lost,
    .caught_up = on_caught_up,
    .failed = on_failed,
};

static int64_t ms_until(int64_t unix_ns)
{
    return (unix_ns - clock_real_ns()) / 1000000;
}

static int reader_open(struct log_reader *r, struct err *err)
{
    r->options.no_follow = r->tail_lines > 0 || !r->follow;
    r->options.until_ns = r->options.no_follow ? r->until_ns : 0;
    if (r->until_ns && !r->options.no_follow)
        timer_start(&r->late, ms_until(r->until_ns) + 1);
    char address[PEER_TEXT_BYTES];
    audit_peer(rpc_call_peer(r->call), address);
    r->options.logs = true;
    r->options.principal = rpc_call_peer(r->call)->principal;
    r->options.address = address;
    r->attach = attach_open(r->core, r->session, &r->options, &log_events, r, err);
    r->options.address = NULL;
    return r->attach ? 0 : -1;
}

/* What had been written by then, and no more. */
static void until_has_come(void *arg)
{
    struct log_reader *r = arg;
    struct err err = ERR_INIT;
    if (r->over)
        return;
    int64_t left_ms = ms_until(r->until_ns);
    if (left_ms >= 0) {
        timer_start(&r->late, left_ms + 1);
        return;
    }
    attach_close(r->attach);
    r->attach = NULL;
    r->follow = false;
    for (int i = 0; i < 2 && r->placed; i++)
        if (!is_skipped(r, i))
            *(i ? &r->options.from_stderr : &r->options.from_stdout) =
                (struct agent_start){.at = AGENT_FROM_OFFSET, .value = r->next[i]};
    if (reader_open(r, &err) < 0)
        reader_end(r, &err);
}

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct log_reader *r = arg;
    if (!r->attach || r->owed_bytes == 0)
        return;
    attach_grant(r->attach, r->owed_bytes);
    r->owed_bytes = 0;
}

static void reader_free(struct log_reader *r)
{
    attach_close(r->attach);
    session_unref(r->session);
    rpc_call_unref(r->call);
    timer_done(&r->late);
    free(r->lines[0].at);
    free(r->lines[1].at);
    free(r);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    reader_free(arg);
}

static struct agent_start start_of(bool skip, uint64_t tail_bytes, uint64_t from)
{
    if (skip)
        return (struct agent_start){.at = AGENT_SKIP};
    if (tail_bytes > 0)
        return (struct agent_start){.at = AGENT_FROM_TAIL, .value = tail_bytes};
    return (struct agent_start){.at = AGENT_FROM_OFFSET, .value = from};
}

static bool agent_finds_lines(const struct log_reader *r,
                              const Banger__V1__ReadLogsRequest *request)
{
    const struct vm_entry *vm = vm_find_id(r->core, session_record(r->session)->vm_id);
    bool all = request->tail_bytes == 0 && request->from_stdout == 0 && request->from_stderr == 0 &&
               !request->since;
    return all && vm && vm_agent(vm) && agent_client_hello(vm_agent(vm))->tail_lines;
}

static void start_at_tail(struct agent_start *start, uint32_t lines)
{
    if (start->at != AGENT_SKIP)
        *start = (struct agent_start){.at = AGENT_FROM_TAIL_LINES, .value = lines};
}

static void start_both_at(struct attach_options *o, const struct agent_start *start)
{
    if (o->from_stdout.at != AGENT_SKIP)
        o->from_stdout = *start;
    if (o->from_stderr.at != AGENT_SKIP)
        o->from_stderr = *start;
}

static int start_at_times(struct log_reader *r, const Banger__V1__ReadLogsRequest *request,
                          struct err *err)
{
    int64_t since_ns;
    if (request_time(&since_ns, request->since, "since", err) < 0 ||
        request_time(&r->until_ns, request->until, "until", err) < 0)
        return -1;
    bool elsewhere = request->tail_bytes > 0 || request->from_stdout > 0 ||
                     request->from_stderr > 0 || request->only_new;
    if (since_ns && elsewhere)
        return err_set(err, ERR_INVALID,
                       "since does not go with tail_bytes, from_stdout, from_stderr or only_new");
    if (r->until_ns && ms_until(r->until_ns) < 0)
        r->follow = false;
    const struct agent_start since = {.at = AGENT_FROM_TIME, .value = (uint64_t)since_ns};
    if (since_ns)
        start_both_at(&r->options, &since);
    return 0;
}

static int reader_prepare(struct log_reader *r, const Banger__V1__ReadLogsRequest *request,
                          struct err *err)
{
    r->follow = request->follow;
    r->times = r->options.times = request->times;
    r->tell_start = request->tell_start;
    r->tail_lines = request->only_new ? 0 : request->tail_lines;
    r->options.role = ATTACH_VIEWER;
    r->options.credit_bytes = CREDIT_BYTES;
    r->options.from_stdout =
        start_of(request->no_stdout, request->tail_bytes, request->from_stdout);
    r->options.from_stderr =
        start_of(request->no_stderr, request->tail_bytes, request->from_stderr);
    const struct agent_start end = {.at = AGENT_FROM_END};
    if (request->only_new)
        start_both_at(&r->options, &end);
    if (start_at_times(r, request, err) < 0)
        return -1;
    if (request->tail_lines > TAIL_LINES_MAX)
        return err_set(err, ERR_INVALID, "tail_lines is %u, at most %d are allowed",
                       request->tail_lines, TAIL_LINES_MAX);
    if (r->tail_lines > 0 && agent_finds_lines(r, request)) {
        start_at_tail(&r->options.from_stdout, r->tail_lines);
        start_at_tail(&r->options.from_stderr, r->tail_lines);
        r->tail_lines = 0;
    }
    for (int i = 0; i < 2 && r->tail_lines > 0; i++) {
        r->lines[i].fresh = true;
        r->lines[i].at = calloc(r->tail_lines, sizeof(*r->lines[i].at));
        if (!r->lines[i].at)
            return err_set(err, ERR_LIMIT, "out of memory");
    }
    return reader_open(r, err);
}

void session_service_read_logs(void *self, struct rpc_call *call,
                               const Banger__V1__ReadLogsRequest *request)
{
    static const struct rpc_call_events events = {.writable = call_writable, .closed = call_closed};
    struct err err = ERR_INIT;
    struct session_entry *e = session_service_find(self, call, request->vm, request->session);
    if (!e)
        return;
    struct log_reader *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->late, ((struct core *)self)->loop, until_has_come, r) < 0) {
        free(r);
        service_out_of_memory(call);
        return;
    }
    r->core = self;
    r->call = rpc_call_ref(call);
    r->session = session_ref(e);
    if (reader_prepare(r, request, &err) < 0) {
        rpc_call_finish(call, &err);
        reader_free(r);
        return;
    }
    rpc_call_set_events(call, &events, r);
}
