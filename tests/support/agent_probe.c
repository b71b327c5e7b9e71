/* Synchronous client of the agent protocol; see agent_probe.h. */
#include "tests/support/agent_probe.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/frame.h"

enum { KEEP_BYTES = 16 * 1024 * 1024, READ_BYTES = 256 * 1024, IN_BYTES = 1024 * 1024 };

static int fail(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct probe *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->error, sizeof(p->error), fmt, ap);
    va_end(ap);
    return -1;
}

void probe_init(struct probe *p)
{
    *p = (struct probe){.fd = -1, .timeout_ms = 20000};
    buf_init(&p->in, IN_BYTES);
}

void probe_done(struct probe *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_done(&p->in);
}

void probe_use_fd(struct probe *p, int fd)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = fd;
    buf_reset(&p->in);
}

int probe_connect(struct probe *p, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int64_t deadline = clock_mono_ms() + p->timeout_ms;
    for (;;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
            probe_use_fd(p, fd);
            return 0;
        }
        int sys = errno;
        if (fd >= 0)
            close(fd);
        if (clock_mono_ms() > deadline)
            return fail(p, "cannot connect to %s: %s", path, strerror(sys));
        poll(NULL, 0, 2); /* nothing announces a socket that is not there yet */
    }
}

/* Waits for room as well as for data: the agent may stop reading while we do not read. */
static int wait_for(struct probe *p, short events, int64_t deadline_ms)
{
    struct pollfd pfd = {.fd = p->fd, .events = events};
    int64_t left = deadline_ms - clock_mono_ms();
    int n = poll(&pfd, 1, left > 0 ? (int)left : 0);
    return n > 0 ? 0 : fail(p, "nothing happened for %d ms", p->timeout_ms);
}

static int read_more(struct probe *p, int64_t deadline_ms)
{
    uint8_t *room = buf_reserve(&p->in, READ_BYTES);
    if (!room)
        return fail(p, "the input buffer is full");
    if (wait_for(p, POLLIN, deadline_ms) < 0)
        return -1;
    ssize_t n = read(p->fd, room, READ_BYTES);
    if (n <= 0)
        return fail(p, "the agent has closed the link: %s",
                    n < 0 ? strerror(errno) : "end of file");
    buf_commit(&p->in, (size_t)n);
    return 0;
}

int probe_send_bytes(struct probe *p, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    int64_t deadline = clock_mono_ms() + p->timeout_ms;
    while (len > 0) {
        ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return fail(p, "cannot write: %s", strerror(errno));
        } else if (wait_for(p, POLLOUT, deadline) < 0) {
            return -1;
        }
    }
    return 0;
}

int probe_send(struct probe *p, const PB(ToAgent) * message)
{
    size_t len = protobuf_c_message_get_packed_size(&message->base);
    if (len > FRAME_MAX_PAYLOAD_BYTES)
        return fail(p, "a message of %zu bytes", len);
    uint8_t *frame = malloc(FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
    if (!frame)
        return fail(p, "out of memory");
    frame_put_header(frame, (uint32_t)len, p->next_out);
    protobuf_c_message_pack(&message->base, frame + FRAME_HEADER_BYTES);
    frame_put_trailer(frame + FRAME_HEADER_BYTES + len, p->next_out);
    p->next_out++;
    int rc = probe_send_bytes(p, frame, FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
    free(frame);
    return rc;
}

void probe_free(PB(FromAgent) * message)
{
    if (message)
        banger__agent__v1__from_agent__free_unpacked(message, NULL);
}

/* The next frame as it comes, also one of an earlier link. */
static PB(FromAgent) * next_frame(struct probe *p, uint32_t *sequence, int64_t deadline_ms)
{
    for (;;) {
        struct frame frame;
        size_t used = 0;
        enum frame_found found = frame_find(buf_data(&p->in), buf_len(&p->in), &frame, &used);
        if (found == FRAME_WHOLE) {
            *sequence = frame.sequence;
            PB(FromAgent) *m =
                banger__agent__v1__from_agent__unpack(NULL, frame.len, frame.payload);
            buf_consume(&p->in, used);
            if (!m)
                fail(p, "a frame that cannot be decoded");
            return m;
        }
        buf_consume(&p->in, used);
        if (found == FRAME_MORE && read_more(p, deadline_ms) < 0)
            return NULL;
    }
}

PB(FromAgent) * probe_next(struct probe *p)
{
    uint32_t sequence;
    PB(FromAgent) *m = next_frame(p, &sequence, clock_mono_ms() + p->timeout_ms);
    if (!m)
        return NULL; /* nothing yet: the same frame is still due */
    if (sequence != p->next_in) {
        fail(p, "frame %u came where %u was due", sequence, p->next_in);
        probe_free(m);
        return NULL;
    }
    p->next_in++;
    return m;
}

PB(FromAgent) * probe_next_of(struct probe *p, int kind)
{
    for (PB(FromAgent) * m; (m = probe_next(p)); probe_free(m))
        if ((int)m->kind_case == kind)
            return m;
    return NULL;
}

static int take_hello_reply(struct probe *p, uint64_t nonce)
{
    int64_t deadline = clock_mono_ms() + p->timeout_ms;
    uint32_t sequence;
    for (PB(FromAgent) * m; (m = next_frame(p, &sequence, deadline)); probe_free(m)) {
        if (m->kind_case != FROM_KIND(HELLO_REPLY) || m->hello_reply->nonce != nonce ||
            sequence != 0)
            continue;
        snprintf(p->boot_id, sizeof(p->boot_id), "%s", m->hello_reply->boot_id);
        snprintf(p->instance, sizeof(p->instance), "%s", m->hello_reply->instance);
        snprintf(p->boot_error, sizeof(p->boot_error), "%s", m->hello_reply->boot_error);
        p->max_sessions = m->hello_reply->max_sessions;
        probe_free(m);
        p->next_in = 1;
        return 0;
    }
    return -1;
}

int probe_hello(struct probe *p)
{
    static const uint8_t zeros[FRAME_PREAMBLE_BYTES];
    PB(Hello) hello = BANGER__AGENT__V1__HELLO__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    hello.protocol = 1;
    if (getrandom(&hello.nonce, sizeof(hello.nonce), 0) != (ssize_t)sizeof(hello.nonce))
        return fail(p, "no random bytes");
    m.kind_case = TO_KIND(HELLO);
    m.hello = &hello;
    p->next_out = 0;
    if (probe_send_bytes(p, zeros, sizeof(zeros)) < 0 || probe_send(p, &m) < 0 ||
        take_hello_reply(p, hello.nonce) < 0)
        return -1;
    PB(FromAgent) *synced = probe_next_of(p, FROM_KIND(SYNCED));
    if (!synced)
        return -1;
    p->n_synced = synced->synced->sessions;
    probe_free(synced);
    return 0;
}

int probe_start_message(struct probe *p, PB(StartSession) * start, const char *const *argv)
{
    uint8_t strings[64 * 1024];
    size_t len = 0;
    for (; *argv; argv++) {
        size_t n = strlen(*argv) + 1;
        if (n > sizeof(strings) - len)
            return fail(p, "argv is too long");
        memcpy(strings + len, *argv, n);
        len += n;
    }
    start->argv = (ProtobufCBinaryData){len, strings};
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    m.kind_case = TO_KIND(START_SESSION);
    m.start_session = start;
    return probe_send(p, &m);
}

int probe_start(struct probe *p, const char *id, const char *const *argv, bool with_stdin)
{
    PB(StartSession) start = BANGER__AGENT__V1__START_SESSION__INIT;
    start.session_id = (char *)(uintptr_t)id;
    start.stdin_mode = with_stdin ? BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_PIPE
                                  : BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_NONE;
    return probe_start_message(p, &start, argv);
}

static uint32_t subscribe(struct probe *p, const char *id, uint32_t credit_bytes, bool hold)
{
    PB(Subscribe) s = BANGER__AGENT__V1__SUBSCRIBE__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    s.subscription = ++p->n_subscriptions;
    s.session_id = (char *)(uintptr_t)id;
    s.credit_bytes = credit_bytes;
    s.follow = true;
    s.hold = hold;
    m.kind_case = TO_KIND(SUBSCRIBE);
    m.subscribe = &s;
    return probe_send(p, &m) < 0 ? 0 : s.subscription;
}

uint32_t probe_subscribe(struct probe *p, const char *id, uint32_t credit_bytes)
{
    return subscribe(p, id, credit_bytes, false);
}

uint32_t probe_subscribe_holding(struct probe *p, const char *id, uint32_t credit_bytes)
{
    return subscribe(p, id, credit_bytes, true);
}

int probe_unsubscribe(struct probe *p, uint32_t subscription, bool release)
{
    PB(Unsubscribe) u = BANGER__AGENT__V1__UNSUBSCRIBE__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    u.subscription = subscription;
    u.release = release;
    m.kind_case = TO_KIND(UNSUBSCRIBE);
    m.unsubscribe = &u;
    return probe_send(p, &m);
}

int probe_add_credit(struct probe *p, uint32_t subscription, uint32_t bytes)
{
    PB(Credit) c = BANGER__AGENT__V1__CREDIT__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    c.subscription = subscription;
    c.bytes = bytes;
    m.kind_case = TO_KIND(CREDIT);
    m.credit = &c;
    return probe_send(p, &m);
}

int probe_stdin(struct probe *p, const char *id, uint64_t offset, const void *data, size_t len)
{
    PB(Stdin) s = BANGER__AGENT__V1__STDIN__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.offset = offset;
    s.data = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
    m.kind_case = TO_KIND(STDIN);
    m.stdin = &s;
    return probe_send(p, &m);
}

int probe_stdin_eof(struct probe *p, const char *id, uint64_t offset)
{
    PB(StdinEof) s = BANGER__AGENT__V1__STDIN_EOF__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.offset = offset;
    m.kind_case = TO_KIND(STDIN_EOF);
    m.stdin_eof = &s;
    return probe_send(p, &m);
}

int probe_signal(struct probe *p, const char *id, int signo, int target)
{
    PB(Signal) s = BANGER__AGENT__V1__SIGNAL__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.signo = signo;
    s.target = (PB(SignalTarget))target;
    m.kind_case = TO_KIND(SIGNAL);
    m.signal = &s;
    return probe_send(p, &m);
}

int probe_delete(struct probe *p, const char *id)
{
    PB(DeleteSession) d = BANGER__AGENT__V1__DELETE_SESSION__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    d.session_id = (char *)(uintptr_t)id;
    m.kind_case = TO_KIND(DELETE_SESSION);
    m.delete_session = &d;
    if (probe_send(p, &m) < 0)
        return -1;
    PB(FromAgent) *answer = probe_next_of(p, FROM_KIND(SESSION_DELETED));
    bool right = answer && strcmp(answer->session_deleted->session_id, id) == 0;
    if (answer && !right)
        fail(p, "%s was deleted, not %s", answer->session_deleted->session_id, id);
    probe_free(answer);
    return right ? 0 : -1;
}

PB(FromAgent) * probe_wait_state(struct probe *p, const char *id, int state)
{
    for (PB(FromAgent) * m; (m = probe_next_of(p, FROM_KIND(SESSION_STATUS))); probe_free(m)) {
        const PB(SessionStatus) *s = m->session_status;
        if (strcmp(s->session_id, id) != 0)
            continue;
        if ((int)s->state == state)
            return m;
        if (s->state == BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_FAILED) {
            fail(p, "%s failed: %s: %s", id, s->failed_stage, s->error);
            probe_free(m);
            return NULL;
        }
    }
    return NULL;
}

void probe_result_done(struct probe_result *r)
{
    buf_done(&r->out);
    buf_done(&r->err);
}

struct collecting {
    struct probe *p;
    const char *id;
    uint32_t subscription, used; /* used: payload since credit was last given */
    bool keep, stream_ended, final;
    uint64_t total[2];
    bool ended[2];
    struct probe_result *r;
};

static int take_data(struct collecting *c, const PB(Data) * d)
{
    if (d->subscription != c->subscription)
        return 0;
    bool is_err = d->stream == BANGER__AGENT__V1__STREAM__STREAM_STDERR;
    uint64_t *count = is_err ? &c->r->n_err : &c->r->n_out;
    if (d->offset != *count)
        return fail(c->p, "%s: data at %llu, expected %llu", c->id, (unsigned long long)d->offset,
                    (unsigned long long)*count);
    *count += d->data.len;
    struct buf *to = is_err ? &c->r->err : &c->r->out;
    if (c->keep && buf_append(to, d->data.data, d->data.len) < 0)
        return fail(c->p, "%s: too much output to keep", c->id);
    c->used += (uint32_t)d->data.len;
    if (c->used < (c->p->credit_step ? c->p->credit_step : PROBE_CREDIT_BYTES / 4))
        return 0;
    uint32_t credit = c->used;
    c->used = 0;
    return probe_add_credit(c->p, c->subscription, credit);
}

static int take_stream_end(struct collecting *c, const PB(StreamEnd) * e)
{
    if (e->subscription != c->subscription)
        return 0;
    int which = e->stream == BANGER__AGENT__V1__STREAM__STREAM_STDERR;
    uint64_t got = which ? c->r->n_err : c->r->n_out;
    if (c->ended[which] || e->total != got)
        return fail(c->p, "%s: stream %d ends at %llu, we have %llu", c->id, which,
                    (unsigned long long)e->total, (unsigned long long)got);
    c->ended[which] = true;
    if (!which)
        snprintf(c->r->cut, sizeof(c->r->cut), "%s", e->cut);
    return 0;
}

static void take_status(struct collecting *c, const PB(SessionStatus) * s)
{
    if (strcmp(s->session_id, c->id) != 0)
        return;
    c->r->state = (int)s->state;
    c->r->exit_code = s->exit_code;
    c->r->signo = s->signo;
    snprintf(c->r->failed_stage, sizeof(c->r->failed_stage), "%s", s->failed_stage);
    c->r->failed_errno = s->failed_errno;
    c->r->left = s->left;
    c->r->late_bytes = s->late_bytes;
    c->final = (s->state == BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED ||
                s->state == BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_FAILED) &&
               s->stdout_ended && s->stderr_ended;
}

static int take_gap(struct collecting *c, const PB(Gap) * g)
{
    if (g->subscription != c->subscription)
        return 0;
    c->r->gap = true;
    snprintf(c->r->gap_reason, sizeof(c->r->gap_reason), "%s", g->reason);
    c->p->n_gaps++;
    c->p->n_left_out += g->oldest < g->to;
    if (g->oldest <= g->from)
        c->p->n_wrong_gaps++;
    *(g->stream == BANGER__AGENT__V1__STREAM__STREAM_STDERR ? &c->r->n_err : &c->r->n_out) = g->to;
    return 0;
}

static int take_message(struct collecting *c, const PB(FromAgent) * m)
{
    switch (m->kind_case) {
    case FROM_KIND(DATA):
        return take_data(c, m->data);
    case FROM_KIND(STREAM_END):
        return take_stream_end(c, m->stream_end);
    case FROM_KIND(GAP):
        return take_gap(c, m->gap);
    case FROM_KIND(SESSION_STATUS):
        take_status(c, m->session_status);
        return 0;
    case FROM_KIND(SUBSCRIPTION_END):
        c->stream_ended |= m->subscription_end->subscription == c->subscription;
        return 0;
    case FROM_KIND(SUBSCRIBED):
        if (m->subscribed->subscription == c->subscription && m->subscribed->error[0])
            return fail(c->p, "%s: %s", c->id, m->subscribed->error);
        return 0;
    default:
        return 0;
    }
}

int probe_collect(struct probe *p, const char *id, uint32_t subscription, bool keep,
                  struct probe_result *r)
{
    struct collecting c = {.p = p, .id = id, .subscription = subscription, .keep = keep, .r = r};
    *r = (struct probe_result){0};
    buf_init(&r->out, KEEP_BYTES);
    buf_init(&r->err, KEEP_BYTES);
    while (!c.stream_ended || !c.final) {
        PB(FromAgent) *m = probe_next(p);
        int rc = m ? take_message(&c, m) : -1;
        probe_free(m);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int probe_run(struct probe *p, const char *id, const char *const *argv, const void *in, size_t n_in,
              bool keep, struct probe_result *r)
{
    enum { PIECE = 32 * 1024 };
    *r = (struct probe_result){0};
    if (probe_start(p, id, argv, in != NULL) < 0)
        return -1;
    for (size_t at = 0; in && at < n_in; at += PIECE) {
        size_t n = n_in - at < PIECE ? n_in - at : PIECE;
        if (probe_stdin(p, id, at, (const uint8_t *)in + at, n) < 0)
            return -1;
    }
    if (in && probe_stdin_eof(p, id, n_in) < 0)
        return -1;
    uint32_t sub = probe_subscribe(p, id, PROBE_CREDIT_BYTES);
    return sub ? probe_collect(p, id, sub, keep, r) : -1;
}
