/* What goes in and out of a session's process: stdin with offsets, output into the spools. */
#include "agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/host_clock.h"
#include "agent/subscription.h"
#include "base/clock.h"

enum {
    READ_BYTES = TRANSFER_BYTES,
    PIPE_BYTES = 256 * 1024,
    READS_PER_ROUND = 8, /* of one stream, so that others get their turn */
    READS_OF_REST = 64,  /* after the exit: more than a pipe holds */
    HELD_LOOK_MS = 20,
    SMALL_BYTES = 16 * 1024, /* of stdin: simply tried */
};

static int stream_kind(const struct stream *stream)
{
    return stream == &stream->session->out[1] ? STORE_STDERR : STORE_STDOUT;
}

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
    if (stream->k->cut) /* its writers have to see that, now; of others there are none left */
        store_drop(&t->store, stream->session->slot, 1u << stream_kind(stream));
    session_end_stream(stream);
}

void session_end_stream(struct stream *stream)
{
    struct session *s = stream->session;
    session_join_end(stream);
    if (stream->k->ended)
        return;
    loop_remove(s->table->loop, &stream->io);
    stream->k->ended = true;
    if (!stream->k->cut)
        session_close_stream(stream);
    if (stream->held)
        s->table->n_held--;
    stream->held = false;
    subscriptions_wake(s);
    session_mark(s);
    if (s->out[0].k->ended && s->out[1].k->ended)
        loop_disarm(&s->drain);
    session_settle(s);
}

/* What may be read at once: never the whole of a small spool, nor what a holder would lose. */
static size_t read_size(struct stream *stream)
{
    uint64_t half = stream->spool.k->limit / 2;
    uint64_t n = half > READ_BYTES ? READ_BYTES : half > 0 ? half : 1;
    uint64_t room = subscriptions_room(stream);
    return (size_t)(room < n ? room : n);
}

/* As read(). A kernel before 5.11 does not splice from a terminal: there a kill may cost what has
 * just been read. */
static ssize_t read_once(struct stream *stream, size_t n)
{
    struct transfer *t = &stream->session->table->transfer;
    ssize_t got = transfer_read(t, stream->fd, &stream->spool, n);
    if (got >= 0 || errno != EINVAL)
        return got;
    uint8_t *room = spool_reserve(&stream->spool, &n);
    got = read(stream->fd, room, n);
    if (got > 0)
        spool_commit(&stream->spool, (size_t)got);
    return got;
}

/* Reads until there is no more, or a follower should catch up first (when forced: a holder), at
 * most n_reads times. True at the end of the stream. */
static bool read_stream(struct stream *stream, int n_reads, bool forced)
{
    bool end = false;
    uint64_t before = stream->spool.k->total;
    while (n_reads-- > 0 &&
           !(forced ? subscriptions_room(stream) == 0 : subscriptions_hold(stream))) {
        stream->k->held_from = subscriptions_held_from(stream);
        ssize_t got = read_once(stream, read_size(stream));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { /* EIO: the last one at a terminal has left */
            end = got == 0 || errno != EAGAIN;
            break;
        }
    }
    if (stream->spool.k->total > before) {
        time_index_note(&stream->times, before, spool_first(&stream->spool), host_clock_ns());
        stream->session->read_ms = clock_mono_ms();
        pace_note(&stream->session->table->pace, stream->spool.k->total - before,
                  stream->session->read_ms);
        session_watch_growth(stream->session);
        session_join_ack(stream->session);
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
        session_end_soon(stream);
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
        if (!s->out[i].k->ended && read_stream(&s->out[i], READS_OF_REST, forced))
            session_end_stream(&s->out[i]);
}

void session_close_stdin(struct session *s)
{
    struct session_stdin *in = &s->in;
    if (in->k->closed)
        return;
    list_remove(&s->fed);
    loop_remove(s->table->loop, &in->io);
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    in->k->closed = true;
    store_drop(&s->table->store, s->slot, 1u << STORE_STDIN);
    in->k->acked = in->k->received; /* dropped */
    session_mark_ack(s);
    if (in->k->received > STORE_SLOT_BYTES)
        store_free_room(&s->table->store, s->slot, 2, 0);
}

/* A terminal has no half-close: the end-of-file character does it, for a reader in line mode. */
static void give_eof(struct session *s)
{
    if (s->k->tty && s->in.k->eof_given == 0 &&
        transfer_write(&s->table->transfer, s->in.fd, "\004", 1, &s->in.k->eof_given) < 0 &&
        errno == EAGAIN)
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

static size_t free_in_pipe(const struct session_stdin *in)
{
    int size = fcntl(in->fd, F_GETPIPE_SZ), n = 0;
    if (size < 0 || ioctl(in->fd, FIONREAD, &n) < 0)
        return SIZE_MAX; /* a terminal: it is tried */
    return n < size ? (size_t)(size - n) : 0;
}

/* What its pipe takes now, so that nothing is moved there in vain. One that has read much gets a
 * larger one: fewer switches. */
static size_t stdin_room(struct session_stdin *in)
{
    size_t room = free_in_pipe(in);
    if (room > 0 || in->widened || in->k->acked < STORE_STDIN_BYTES)
        return room;
    in->widened = true;
    return fcntl(in->fd, F_SETPIPE_SZ, PIPE_BYTES) < 0 ? 0 : free_in_pipe(in);
}

static void write_stdin(struct session *s)
{
    struct session_stdin *in = &s->in;
    while (in->fd >= 0 && in->k->acked < in->k->received) {
        size_t at = (size_t)(in->k->acked % STORE_STDIN_BYTES);
        size_t n = (size_t)(in->k->received - in->k->acked);
        n = n < STORE_STDIN_BYTES - at ? n : STORE_STDIN_BYTES - at;
        n = n < TRANSFER_BYTES ? n : TRANSFER_BYTES;
        size_t room = n < SMALL_BYTES ? n : stdin_room(in);
        if (room == 0) {
            want_writable(s, true);
            return;
        }
        n = n < room ? n : room;
        ssize_t got = transfer_write(&s->table->transfer, in->fd, in->room + at, n, &in->k->acked);
        if (got > 0) {
            if (s->k->tty)
                session_ack_typed(s);
            else
                session_mark_ack(s);
            pace_note(&s->table->pace, (uint64_t)got, clock_mono_ms());
        }
        if (got > 0 ? (size_t)got < n : errno == EAGAIN) {
            want_writable(s, true);
            return;
        }
        if (got <= 0 && errno != EINTR) {
            session_close_stdin(s); /* nobody reads any more */
            return;
        }
    }
    if (in->fd < 0)
        return;
    if (in->k->eof_known && in->k->acked >= in->k->eof_at)
        give_eof(s);
    else
        want_writable(s, false);
}

/* With the rest of this turn's, by sessions_feed. */
static void feed_later(struct session *s)
{
    if (s->in.fd >= 0 && list_empty(&s->fed))
        list_add_tail(&s->table->fed, &s->fed);
}

void sessions_feed(struct session_table *t)
{
    for (struct list *pos; (pos = list_first(&t->fed));) {
        list_remove(pos);
        write_stdin(container_of(pos, struct session, fed));
    }
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

static void append_stdin(struct session_stdin *in, const uint8_t *data, size_t len)
{
    size_t at = (size_t)(in->k->received % STORE_STDIN_BYTES);
    size_t first = len < STORE_STDIN_BYTES - at ? len : STORE_STDIN_BYTES - at;
    memcpy(in->room + at, data, first);
    memcpy(in->room, data + first, len - first);
    atomic_signal_fence(memory_order_seq_cst);
    in->k->received += len;
}

bool session_take_stdin(struct session *s, const struct codec_stdin *m)
{
    struct session_stdin *in = &s->in;
    uint64_t offset = m->message.offset;
    struct slice data = m->data;
    uint64_t received = in->k->received;
    if (in->k->closed) {
        if (offset + data.len > in->k->acked)
            in->k->acked = in->k->received = offset + data.len;
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
    if (in->k->eof_known && offset + data.len > in->k->eof_at)
        return false;
    if (offset + data.len - in->k->acked > STORE_STDIN_BYTES)
        return false; /* over the window */
    append_stdin(in, data.data + skip, data.len - skip);
    /* behind them: a run is never of bytes that are not here */
    stdin_runs_note(&in->k->runs, m->message.key, received, offset + data.len, m->message.more);
    feed_later(s);
    return true;
}

bool session_take_eof(struct session *s, uint64_t offset)
{
    struct session_stdin *in = &s->in;
    if (in->k->closed) {
        session_mark_ack(s);
        return true;
    }
    if (offset < in->k->received || (in->k->eof_known && offset != in->k->eof_at))
        return false;
    in->k->eof_at = offset;
    atomic_signal_fence(memory_order_seq_cst);
    in->k->eof_known = true;
    feed_later(s);
    return true;
}

/* What their ends have to be before a process has the others. */
int session_prepare_io(struct session *s, int in_fd, int out_fd, int err_fd)
{
    int fds[] = {in_fd, out_fd, err_fd};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    for (int i = 1; i < 3; i++) /* fewer switches; a terminal has no such thing */
        if (fds[i] >= 0)
            fcntl(fds[i], F_SETPIPE_SZ, PIPE_BYTES);
    s->k->out[1].ended = err_fd < 0; /* a terminal has one stream */
    return 0;
}

int session_open_io(struct session *s, int in_fd, int out_fd, int err_fd)
{
    struct loop *loop = s->table->loop;
    int fds[] = {out_fd, err_fd};
    s->in.io.ready = stdin_ready;
    for (int i = 0; i < 2; i++) {
        s->out[i].io.ready = stream_ready;
        if (fds[i] >= 0 && loop_add(loop, &s->out[i].io, fds[i], EPOLLIN) < 0)
            return -1;
    }
    s->out[0].fd = out_fd;
    s->out[1].fd = err_fd;
    s->in.fd = in_fd;
    if (in_fd < 0)
        session_close_stdin(s);
    else
        write_stdin(s);
    return 0;
}

void session_resize(struct session *s, uint32_t rows, uint32_t columns)
{
    if (!s->k->tty || s->out[0].fd < 0 || rows > 0xffff || columns > 0xffff)
        return;
    sessions_feed(s->table); /* what was typed before */
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    ioctl(s->out[0].fd, TIOCSWINSZ, &size);
}
