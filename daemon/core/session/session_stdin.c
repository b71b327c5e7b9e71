/* Bytes for stdin of one session; see session.h.
 *
 * One buffer for all writers: what is accepted gets the next offsets and stays in the buffer until
 * the agent says that the process has it. So a call's bytes are never mixed with another's, and
 * after a broken link everything from the acknowledged offset on is sent again. The agent is never
 * given more than its window beyond what it has acknowledged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

enum {
    FRAME_BYTES = 32 * 1024,
    DEFAULT_WINDOW_BYTES = 64 * 1024, /* while no agent has said what it takes */
    SENDS_MAX = 256,                  /* calls waiting per session */
};

struct session_send {
    struct list link;
    struct session_entry *session; /* referenced */
    struct timer report;           /* done() comes from the loop */
    uint64_t until;                /* offset behind its bytes */
    bool failed;
    void (*done)(void *arg, uint64_t offset, const struct err *err);
    void *arg;
};

void session_stdin_init(struct session_entry *e)
{
    struct session_input *in = &e->in;
    buf_init(&in->buf, SESSION_STDIN_BUFFER_BYTES);
    list_init(&in->sends);
    in->acked = in->start = in->sent = e->session.stdin_acked;
    in->closed = e->session.stdin_closed || session_is_terminal(e->session.state);
}

void session_stdin_done(struct session_entry *e)
{
    buf_done(&e->in.buf);
}

uint64_t session_stdin_end(const struct session_entry *e)
{
    return e->in.start + buf_len(&e->in.buf);
}

static struct agent_client *agent_of(const struct session_entry *e)
{
    struct vm_entry *vm = vm_find_id(e->core, e->session.vm_id);
    return vm ? vm_agent(vm) : NULL;
}

uint32_t session_stdin_window(const struct session_entry *e)
{
    const struct agent_client *agent = agent_of(e);
    uint32_t window = agent ? agent_client_hello(agent)->stdin_window_bytes : 0;
    return window ? window : DEFAULT_WINDOW_BYTES;
}

bool session_stdin_is_full(const struct session_entry *e)
{
    return buf_len(&e->in.buf) >= session_stdin_window(e);
}

/* Towards the agent */

static struct agent_client *agent_to_feed(const struct session_entry *e)
{
    return session_agent_knows(e) && session_is_live(e) ? session_agent(e) : NULL;
}

void session_stdin_pump(struct session_entry *e)
{
    struct session_input *in = &e->in;
    struct agent_client *agent = agent_to_feed(e);
    if (!agent || in->closed || !in->known)
        return;
    uint64_t end = session_stdin_end(e);
    uint64_t limit = in->acked + session_stdin_window(e);
    while (in->sent < end && in->sent < limit) {
        uint64_t until = end < limit ? end : limit;
        uint64_t left = until - in->sent;
        uint32_t n = left < FRAME_BYTES ? (uint32_t)left : FRAME_BYTES;
        const uint8_t *data = buf_data(&in->buf) + (in->sent - in->start);
        if (agent_client_send_stdin(agent, e->session.id, in->sent, data, n, NULL) < 0)
            return; /* at writable, or when the link is back */
        in->sent += n;
    }
    if (in->eof && !in->eof_sent && in->sent == end &&
        agent_client_send_stdin_eof(agent, e->session.id, end, NULL) == 0)
        in->eof_sent = true;
}

void session_stdin_rewind(struct session_entry *e)
{
    e->in.sent = e->in.start;
    e->in.eof_sent = false;
}

/* Acknowledgements */

static void end_send(struct session_send *send, bool failed)
{
    list_remove(&send->link);
    list_add_tail(&send->session->core->sessions->ended_sends, &send->link);
    send->failed = failed;
    timer_start(&send->report, 0);
}

/* Those that the process has, up to `taken`; all when nothing more will be taken. */
static void end_sends(struct session_entry *e, uint64_t taken)
{
    for (struct list *pos; (pos = list_first(&e->in.sends));) {
        struct session_send *send = container_of(pos, struct session_send, link);
        if (send->until > taken && !e->in.closed)
            return; /* they are in order of offset */
        end_send(send, send->until > taken);
    }
}

static void close_at(struct session_entry *e, uint64_t taken)
{
    struct session_input *in = &e->in;
    in->closed = true;
    e->session.stdin_closed = true;
    end_sends(e, taken);
    buf_done(&in->buf);
    in->start = in->sent = in->acked;
    session_touch(e);
}

void session_stdin_close(struct session_entry *e)
{
    if (!e->in.closed)
        close_at(e, e->in.acked);
}

/* All below offset is with the agent or the process. */
static void drop_below(struct session_input *in, uint64_t offset)
{
    if (offset <= in->start)
        return;
    uint64_t n = offset - in->start;
    buf_consume(&in->buf, n < buf_len(&in->buf) ? (size_t)n : buf_len(&in->buf));
    in->start = offset;
    if (in->sent < offset)
        in->sent = offset;
}

/* The first word about a session that an earlier daemon fed. Bytes that it gave the agent keep
 * their offsets, and its end of stdin holds: whoever writes next comes behind them. */
static void take_over(struct session_entry *e, const struct agent_session_status *status)
{
    struct session_input *in = &e->in;
    uint64_t received = status->stdin_received, window = session_stdin_window(e);
    if (status->stdin_acked > in->acked)
        in->acked = status->stdin_acked;
    if (received > in->acked && received - in->acked > window)
        received = in->acked + window; /* it holds no more, whatever the guest says */
    drop_below(in, received > in->acked ? received : in->acked);
    in->eof |= status->stdin_eof;
    in->known = true;
}

void session_stdin_take_status(struct session_entry *e, const struct agent_session_status *status)
{
    if (!e->in.known && !e->in.closed)
        take_over(e, status);
    session_stdin_take_ack(e, status->stdin_acked, status->stdin_closed);
}

void session_stdin_take_ack(struct session_entry *e, uint64_t offset, bool closed)
{
    struct session_input *in = &e->in;
    if (in->closed || !in->known)
        return; /* a status tells it again, with what else the agent has */
    /* Never beyond what there is, whatever the guest says. */
    uint64_t end = session_stdin_end(e), before = in->acked;
    if (offset > end)
        offset = end;
    if (offset > in->acked) {
        drop_below(in, offset);
        in->acked = offset;
    }
    e->session.stdin_acked = in->acked;
    /* What is acknowledged together with the closing may have been dropped, unless the closing was
     * our own end of it all. */
    if (closed)
        close_at(e, in->eof && offset == end ? offset : before);
    else
        end_sends(e, in->acked);
    session_touch(e);
}

/* From writers */

static int check_open(const struct session_entry *e, struct err *err)
{
    if (e->session.stdin_mode != SESSION_STDIN_PIPE && !e->session.tty) {
        err_set(err, ERR_PRECONDITION, "session %s was started without stdin", e->session.id);
        return err_tag(err, "NO_STDIN", "session/%s", e->session.id);
    }
    return 0;
}

/* Bytes of this key come next. */
static void note_sender(struct session_entry *e, uint64_t key)
{
    struct session_input *in = &e->in;
    if (!in->dated || in->latest_key != key)
        in->others_end = in->dated ? session_stdin_end(e) : 0;
    in->dated = true;
    in->latest_key = key;
}

uint64_t session_stdin_foreign(const struct session_entry *e, uint64_t key)
{
    if (!e->in.dated || key == 0)
        return 0;
    return e->in.latest_key == key ? e->in.others_end : session_stdin_end(e);
}

int session_stdin_write(struct session_entry *e, uint64_t key, uint64_t offset, const void *data,
                        size_t len, struct err *err)
{
    struct session_input *in = &e->in;
    if (check_open(e, err) < 0)
        return -1;
    if (in->closed)
        return 0; /* the acknowledgement says so */
    uint64_t end = session_stdin_end(e);
    if (offset > end || len > UINT64_MAX - offset) {
        err_set(err, ERR_INVALID, "stdin at offset %llu leaves a hole: %llu comes next",
                (unsigned long long)offset, (unsigned long long)end);
        return err_tag(err, "STDIN_HOLE", "session/%s", e->session.id);
    }
    if (offset + len <= end)
        return 0; /* sent before */
    size_t skip = (size_t)(end - offset);
    note_sender(e, key);
    if (in->eof) {
        err_set(err, ERR_PRECONDITION, "stdin of session %s has had its end", e->session.id);
        return err_tag(err, "STDIN_CLOSED", "session/%s", e->session.id);
    }
    if (buf_append(&in->buf, (const uint8_t *)data + skip, len - skip) < 0) {
        err_set(err, ERR_LIMIT, "too much stdin waits for session %s", e->session.id);
        return err_tag(err, "STDIN_FULL", "session/%s", e->session.id);
    }
    session_stdin_pump(e);
    return 0;
}

void session_stdin_eof(struct session_entry *e)
{
    e->in.eof = true;
    session_stdin_pump(e);
}

static void on_report(void *arg)
{
    struct session_send *send = arg;
    struct err err = ERR_INIT;
    if (send->failed) {
        err_set(&err, ERR_PRECONDITION,
                "the process closed its stdin before it had read everything");
        err_tag(&err, "STDIN_CLOSED", "session/%s", send->session->session.id);
    }
    list_remove(&send->link);
    send->done(send->arg, send->until, send->failed ? &err : NULL);
    timer_done(&send->report);
    session_unref(send->session);
    free(send);
}

void session_stdin_report_all(struct session_registry *r)
{
    for (struct list *pos; (pos = list_first(&r->ended_sends));)
        on_report(container_of(pos, struct session_send, link));
}

static int stdin_is_closed(const struct session_entry *e, struct err *err)
{
    err_set(err, ERR_PRECONDITION, "stdin of session %s is closed", e->session.id);
    return err_tag(err, "STDIN_CLOSED", "session/%s", e->session.id);
}

static int check_send(const struct session_entry *e, bool may_be_there, size_t len, struct err *err)
{
    if (check_open(e, err) < 0 || (session_is_live(e) && session_check_awake(e, err) < 0))
        return -1;
    if (len > SESSION_SEND_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes at once: at most %d", len, SESSION_SEND_BYTES);
    if (e->writer) {
        err_set(err, ERR_PRECONDITION, "session %s has a writer attached", e->session.id);
        return err_tag(err, "WRITER_TAKEN", "session/%s", e->session.id);
    }
    if ((e->in.closed || e->in.eof) && !may_be_there)
        return stdin_is_closed(e, err);
    size_t waiting = 0;
    list_foreach(pos, &e->in.sends) waiting++;
    if (!e->in.known || waiting >= SENDS_MAX || buf_room(&e->in.buf) < len) {
        err_set(err, ERR_UNAVAILABLE, "stdin of session %s is busy; try again", e->session.id);
        return err_tag(err, "STDIN_FULL", "session/%s", e->session.id);
    }
    return 0;
}

/* How many of the bytes for that offset are there: all that fit below the end of stdin. What a
 * daemon has taken itself it can tell from others; of what an earlier one did it knows the end. */
static int count_there(const struct session_entry *e, const struct session_stdin_at *at,
                       const uint8_t *data, size_t len, size_t *there, struct err *err)
{
    const struct session_input *in = &e->in;
    uint64_t end = session_stdin_end(e), want = at ? at->offset : end;
    bool ours = in->latest_key == 0 && in->sent_from == want;
    *there = want <= end && end - want < len ? (size_t)(end - want) : len;
    bool right = want <= end && end - want <= len;
    if (right && *there > 0 && in->dated)
        right = ours && *there == len && in->sent_hash == hash_bytes(HASH_START, data, len);
    if (right)
        return 0;
    err_set(err, ERR_ABORTED, "stdin of session %s is at %llu, and somebody else's bytes are there",
            e->session.id, (unsigned long long)end);
    return err_tag(err, "STDIN_MOVED", "session/%s", e->session.id);
}

int session_send_stdin(struct session_entry *e, const struct session_stdin_at *at, const void *data,
                       size_t len, bool eof,
                       void (*done)(void *arg, uint64_t offset, const struct err *err), void *arg,
                       struct err *err)
{
    size_t there = 0;
    if (check_send(e, at != NULL, len, err) < 0 || count_there(e, at, data, len, &there, err) < 0)
        return -1;
    bool repeated = there == len && (len > 0 || e->in.eof);
    if (!repeated && (e->in.closed || e->in.eof))
        return stdin_is_closed(e, err);
    uint64_t from = session_stdin_end(e) - there;
    struct session_send *send = calloc(1, sizeof(*send));
    if (!send || timer_init(&send->report, e->core->loop, on_report, send) < 0) {
        free(send);
        return err_sys(err, ENOMEM, "stdin");
    }
    if (there < len)
        note_sender(e, 0);
    if (buf_append(&e->in.buf, (const uint8_t *)data + there, len - there) < 0) {
        timer_done(&send->report);
        free(send);
        return err_sys(err, ENOMEM, "stdin");
    }
    if (there < len) {
        e->in.sent_from = from;
        e->in.sent_hash = hash_bytes(HASH_START, data, len);
    }
    send->session = session_ref(e);
    send->done = done;
    send->arg = arg;
    send->until = session_stdin_end(e);
    list_init(&send->link);
    list_add_tail(&e->in.sends, &send->link);
    e->in.eof |= eof;
    end_sends(e, e->in.acked); /* nothing to wait for */
    session_stdin_pump(e);
    return 0;
}
