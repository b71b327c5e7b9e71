/* A kind of channel without any file descriptor, to show that the table is enough: two queues, and
 * timers that say what is ready. `trickle` moves a byte in a call. */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/integration/guest/channel_rig.h"

enum { QUEUE_BYTES = 100 * 1000 };

struct pair;

struct end {
    struct channel base;
    struct pair *pair; /* shared; the last one frees it */
    struct end *other;
    struct timer turn;
    struct buf in; /* what the other end has sent */
    channel_ready_fn *ready;
    void *arg;
    int wanted;
    bool open, shut; /* shut: sends nothing more */
    bool over;
};

struct pair {
    struct end ends[2]; /* who opened, who accepts */
};

static struct {
    struct loop *loop;
    bool listening;
    size_t call_bytes; /* at most in one call */
    struct pair *waiting;
} rig;

static bool ends_here(const struct end *e)
{
    return !e->other->open || e->other->shut || e->over;
}

static int possible(const struct end *e)
{
    bool room = e->other->open && !e->over && !e->shut && buf_room(&e->other->in) > 0;
    return (buf_len(&e->in) > 0 || ends_here(e) ? WATCH_READ : 0) | (room ? WATCH_WRITE : 0);
}

static void look_again(struct end *e)
{
    if (e->open && e->ready && (e->wanted & possible(e)))
        timer_start(&e->turn, 0);
}

static void on_turn(void *arg)
{
    struct end *e = arg;
    int events = e->wanted & possible(e);
    look_again(e);
    if (events)
        e->ready(e->arg, events);
}

static size_t memory_send(struct channel *c, const struct iovec *iov, size_t n)
{
    struct end *e = (struct end *)c;
    size_t taken = 0;
    if (e->over)
        return 0;
    if (!e->other->open) {
        e->over = true;
        look_again(e);
        return 0;
    }
    for (size_t i = 0; i < n && taken < rig.call_bytes; i++) {
        size_t piece = iov[i].iov_len, room = buf_room(&e->other->in);
        piece = piece < room ? piece : room;
        piece = piece < rig.call_bytes - taken ? piece : rig.call_bytes - taken;
        buf_append(&e->other->in, iov[i].iov_base, piece);
        taken += piece;
    }
    look_again(e->other);
    return taken;
}

static ssize_t memory_recv(struct channel *c, void *room, size_t len, struct err *err)
{
    struct end *e = (struct end *)c;
    size_t n = buf_len(&e->in) < len ? buf_len(&e->in) : len;
    n = n < rig.call_bytes ? n : rig.call_bytes;
    if (n == 0 && !ends_here(e))
        return 0;
    if (n == 0) {
        e->over = true;
        return err_set(err, ERR_UNAVAILABLE, "the other end has gone");
    }
    memcpy(room, buf_data(&e->in), n);
    buf_consume(&e->in, n);
    look_again(e->other);
    return (ssize_t)n;
}

static void memory_want(struct channel *c, int events)
{
    ((struct end *)c)->wanted = events;
    look_again((struct end *)c);
}

static bool memory_is_alive(const struct channel *c)
{
    return !((const struct end *)c)->over;
}

static void memory_close(struct channel *c)
{
    struct end *e = (struct end *)c;
    struct pair *pair = e->pair;
    timer_done(&e->turn);
    buf_done(&e->in);
    e->open = false;
    look_again(e->other);
    if (e->other->open)
        return;
    free(pair);
}

static struct channel *memory_open(struct loop *loop, const struct channel_config *config,
                                   channel_ready_fn *ready, void *arg, struct err *err)
{
    struct pair *pair = rig.listening ? calloc(1, sizeof(*pair)) : NULL;
    if (!pair) {
        err_set(err, ERR_UNAVAILABLE, "nobody listens");
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        struct end *e = &pair->ends[i];
        *e = (struct end){
            .base = {config->kind}, .pair = pair, .other = &pair->ends[1 - i], .open = true};
        buf_init(&e->in, QUEUE_BYTES);
        if (timer_init(&e->turn, loop, on_turn, e) < 0)
            abort();
    }
    pair->ends[0].ready = ready;
    pair->ends[0].arg = arg;
    rig.waiting = pair;
    return &pair->ends[0].base;
}

static const struct channel_kind memory_kind = {
    .name = "memory",
    .open = memory_open,
    .send = memory_send,
    .recv = memory_recv,
    .want = memory_want,
    .is_alive = memory_is_alive,
    .close = memory_close,
};

static void begin(struct loop *loop, struct channel_config *config)
{
    config->kind = &memory_kind;
    rig.loop = loop;
    rig.listening = true;
    rig.call_bytes = SIZE_MAX;
}

static void begin_trickle(struct loop *loop, struct channel_config *config)
{
    begin(loop, config);
    rig.call_bytes = 1;
}

static struct channel *accept_end(channel_ready_fn *ready, void *arg)
{
    struct end *e = &rig.waiting->ends[1];
    rig.waiting = NULL;
    e->ready = ready;
    e->arg = arg;
    return &e->base;
}

static void shut(struct channel *peer)
{
    struct end *e = (struct end *)peer;
    e->shut = true;
    look_again(e->other);
}

static void end(void)
{
    rig.listening = false;
}

const struct rig rig_memory = {
    .name = "memory",
    .volume_bytes = 16 << 20,
    .begin = begin,
    .accept = accept_end,
    .shut = shut,
    .end = end,
};

const struct rig rig_trickle = {
    .name = "trickle",
    .volume_bytes = 50 * 1000,
    .begin = begin_trickle,
    .accept = accept_end,
    .shut = shut,
    .end = end,
};
