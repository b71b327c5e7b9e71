/* What goes in and out of a session's process: stdin with offsets, output into the spools. */
#include "agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/subscription.h"
#include "base/clock.h"

enum {
    READ_BYTES = 64 * 1024,
    PIPE_BYTES = 256 * 1024,
    READS_PER_ROUND = 8, /* of one stream, so that others get their turn */
    READS_OF_REST = 64,  /* after the exit: more than a pipe holds */
    HELD_LOOK_MS = 20,
};

void session_close_stream(struct stream *stream)
{
    struct session_table *t = stream->session->table;
    if (!list_empty(&stream->late))
        t->n_late--;
    list_remove(&stream->late);
    loop_remove(t->loop, &stream->io);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    session_end_stream(stream);
}

void session_end_stream(struct stream *stream)
{
    struct session *s = stream->session;
    if (stream->ended)
        return;
    loop_remove(s->table->loop, &stream->io);
    stream->ended = true;
    if (!stream->cut)
        session_close_stream(stream);
    if (stream->held)
        s->table->n_held--;
    stream->held = false;
    subscriptions_wake(s);
    session_mark(s);
    if (s->out[0].ended && s->out[1].ended)
        loop_disarm(&s->drain);
    session_settle(s);
}

/* What may be read at once: never the whole of a small spool, nor what a holder would lose. */
static size_t read_size(const struct stream *stream)
{
    uint64_t half = stream->spool.limit / 2;
    uint64_t n = half > READ_BYTES ? READ_BYTES : half > 0 ? half : 1;
    uint64_t room = subscriptions_room(stream);
    return (size_t)(room < n ? room : n);
}

/* Reads until there is no more, or a follower should catch up first (when forced: a holder), at
 * most n_reads times. True at the end of the stream. */
static bool read_stream(struct stream *stream, int n_reads, bool forced)
{
    bool grown = false, end = false;
    while (n_reads-- > 0 &&
           !(forced ? subscriptions_room(stream) == 0 : subscriptions_hold(stream))) {
        size_t n = read_size(stream);
        uint8_t scratch[512];
        uint8_t *room = spool_reserve(&stream->spool, &n);
        if (!room && n > sizeof(scratch))
            n = sizeof(scratch);
        ssize_t got = read(stream->fd, room ? room : scratch, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { /* EIO: the last one at a terminal has left */
            end = got == 0 || errno != EAGAIN;
            break;
        }
        grown = true;
        if (room)
            spool_commit(&stream->spool, (size_t)got);
        else
            spool_append(&stream->spool, scratch, (size_t)got);
    }
    if (grown) {
        stream->session->read_ms = clock_mono_ms();
        session_watch_growth(stream->session);
        subscriptions_wake(stream->session);
    }
    return end;
}

static void stream_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct stream *stream = container_of(io, struct stream, io);
    struct session_table *t = stream->session->table;
    if (read_stream(stream, READS_PER_ROUND, false)) {
        session_end_stream(stream);
    } else if (subscriptions_hold(stream)) {
        stream->held = true;
        t->n_held++;
        loop_remove(t->loop, &stream->io);
        loop_arm(t->loop, &t->held, HELD_LOOK_MS);
    }
}

static void release_held(struct session *s)
{
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &s->out[i];
        if (!stream->held || subscriptions_hold(stream) ||
            loop_add(s->table->loop, &stream->io, stream->fd, EPOLLIN) < 0)
            continue;
        stream->held = false;
        s->table->n_held--;
    }
}

void sessions_release_held(struct session_table *t)
{
    if (t->n_held == 0)
        return;
    list_foreach(pos, &t->live) release_held(container_of(pos, struct session, member));
    if (t->n_held > 0) /* a follower that stops keeping up does so without an event */
        loop_arm(t->loop, &t->held, HELD_LOOK_MS);
}

void session_read_rest(struct session *s, bool forced)
{
    for (int i = 0; i < 2; i++)
        if (!s->out[i].ended && read_stream(&s->out[i], READS_OF_REST, forced))
            session_end_stream(&s->out[i]);
}

static void ack(struct session *s, uint64_t n_bytes)
{
    s->in.acked += n_bytes;
    session_mark_ack(s);
}

void session_close_stdin(struct session *s)
{
    struct session_stdin *in = &s->in;
    if (in->closed)
        return;
    loop_remove(s->table->loop, &in->io);
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    in->closed = true;
    ack(s, buf_len(&in->buf)); /* dropped */
    buf_done(&in->buf);
}

/* A terminal has no half-close: the end-of-file character does it, for a reader in line mode. */
static void give_eof(struct session *s)
{
    if (s->tty && write(s->in.fd, "\004", 1) < 0 && errno == EAGAIN)
        return; /* its input queue is full; nobody reads what is there */
    session_close_stdin(s);
}

static void want_writable(struct session *s, bool want)
{
    struct loop *loop = s->table->loop;
    int fd = s->in.fd;
    if (s->in.io.fd == fd && s->in.awaits_room == want)
        return;
    loop_remove(loop, &s->in.io);
    loop_add(loop, &s->in.io, fd, want ? EPOLLOUT : 0);
    s->in.awaits_room = want;
}

static void write_stdin(struct session *s)
{
    struct session_stdin *in = &s->in;
    while (in->fd >= 0 && buf_len(&in->buf) > 0) {
        ssize_t n = write(in->fd, buf_data(&in->buf), buf_len(&in->buf));
        if (n > 0) {
            buf_consume(&in->buf, (size_t)n);
            ack(s, (uint64_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            want_writable(s, true);
            return;
        } else if (n < 0 && errno != EINTR) {
            session_close_stdin(s); /* nobody reads any more */
            return;
        }
    }
    if (in->fd < 0)
        return;
    if (in->eof_known && in->acked >= in->eof_at)
        give_eof(s);
    else
        want_writable(s, false);
}

/* Also with no events wanted: EPOLLERR tells that the last reader has gone. */
static void stdin_ready(struct loop_io *io, uint32_t events)
{
    struct session *s =
        container_of(container_of(io, struct session_stdin, io), struct session, in);
    if (events & (EPOLLERR | EPOLLHUP))
        session_close_stdin(s);
    else
        write_stdin(s);
}

bool session_take_stdin(struct session *s, uint64_t offset, struct slice data)
{
    struct session_stdin *in = &s->in;
    uint64_t received = in->acked + buf_len(&in->buf);
    if (in->closed) {
        if (offset + data.len > in->acked)
            in->acked = offset + data.len;
        session_mark_ack(s);
        return true;
    }
    if (offset > received || data.len > FRAME_MAX_PAYLOAD_BYTES)
        return false;
    if (offset + data.len <= received) {
        session_mark_ack(s); /* it does not know yet that we have these */
        return true;
    }
    size_t skip = (size_t)(received - offset);
    if (in->eof_known && offset + data.len > in->eof_at)
        return false;
    if (buf_append(&in->buf, data.data + skip, data.len - skip) < 0)
        return false; /* over the window */
    if (in->fd >= 0)
        write_stdin(s);
    return true;
}

bool session_take_eof(struct session *s, uint64_t offset)
{
    struct session_stdin *in = &s->in;
    if (in->closed) {
        session_mark_ack(s);
        return true;
    }
    if (offset < in->acked + buf_len(&in->buf) || (in->eof_known && offset != in->eof_at))
        return false;
    in->eof_known = true;
    in->eof_at = offset;
    if (in->fd >= 0)
        write_stdin(s);
    return true;
}

int session_open_io(struct session *s, int in_fd, int out_fd, int err_fd)
{
    struct loop *loop = s->table->loop;
    int fds[] = {in_fd, out_fd, err_fd};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    for (int i = 0; i < 2; i++) {
        int fd = fds[1 + i];
        s->out[i].io.ready = stream_ready;
        if (fd < 0)
            continue;
        fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* fewer switches; a terminal has no such thing */
        if (loop_add(loop, &s->out[i].io, fd, EPOLLIN) < 0)
            return -1;
    }
    s->out[0].fd = out_fd;
    s->out[1].fd = err_fd;
    s->in.fd = in_fd;
    s->in.io.ready = stdin_ready;
    s->out[1].ended = err_fd < 0; /* a terminal has one stream */
    if (in_fd < 0)
        session_close_stdin(s);
    else
        write_stdin(s);
    return 0;
}

void session_resize(struct session *s, uint32_t rows, uint32_t columns)
{
    if (!s->tty || s->out[0].fd < 0 || rows > 0xffff || columns > 0xffff)
        return;
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    ioctl(s->out[0].fd, TIOCSWINSZ, &size);
}
