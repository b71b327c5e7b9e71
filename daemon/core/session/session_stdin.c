/* Bytes for stdin of one session; see session.h. Calls without an attach are session_send.c's.
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
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

enum {
    FRAME_BYTES = 32 * 1024,
    DEFAULT_WINDOW_BYTES = 64 * 1024, /* while no agent has said what it takes */
};

void session_stdin_init(struct session_entry *e)
{
    struct session_input *in = &e->in;
    buf_init(&in->buf, SESSION_STDIN_BUFFER_BYTES);
    list_init(&in->sends);
    list_init(&in->pending);
    in->acked = in->start = in->sent = e->session.stdin_acked;
    in->closed = e->session.stdin_closed || session_is_terminal(e->session.state);
}

void session_stdin_done(struct session_entry *e)
{
    buf_done(&e->in.buf);
    timer_done(&e->in.turn);
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
        uint64_t key;
        bool more;
        if (left > FRAME_BYTES)
            until = in->sent + FRAME_BYTES;
        until = session_send_frame_end(e, in->sent, until, &key, &more);
        uint32_t n = (uint32_t)(until - in->sent);
        const uint8_t *data = buf_data(&in->buf) + (in->sent - in->start);
        if (agent_client_send_stdin_run(agent, e->session.id, in->sent, key, more, data, n, NULL) <
            0)
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

static void close_at(struct session_entry *e, uint64_t taken)
{
    struct session_input *in = &e->in;
    in->closed = true;
    e->session.stdin_closed = true;
    session_sends_end(e, taken);
    buf_done(&in->buf);
    in->start = in->sent = in->acked;
    session_sends_go_on(e);
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
    session_send_take_runs(e, status);
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
        session_sends_end(e, in->acked);
    session_touch(e);
    session_sends_go_on(e); /* there is room */
}

/* From writers */

int session_stdin_check_open(const struct session_entry *e, struct err *err)
{
    if (e->session.spec.stdin_mode != SESSION_STDIN_PIPE && !e->session.spec.tty) {
        err_set(err, ERR_PRECONDITION, "session %s was started without stdin", e->session.id);
        return err_tag(err, "NO_STDIN", "session/%s", e->session.id);
    }
    return 0;
}

/* Bytes of this key come next. */
void session_stdin_note_sender(struct session_entry *e, uint64_t key)
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
    if (session_stdin_check_open(e, err) < 0)
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
    session_stdin_note_sender(e, key);
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
