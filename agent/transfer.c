/* See transfer.h. */
#include "agent/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/spool.h"
#include "agent/store.h"

enum { PIPE_BYTES = 256 * 1024 }; /* as many pieces as a session's pipe may have */

static uint64_t in_pipe(int fd)
{
    int n = 0;
    return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

int transfer_init(struct transfer *t, struct store *store)
{
    *t = (struct transfer){.store = store, .out = {-1, -1}, .in = {-1, -1}};
    if (store->adopted) {
        t->out[0] = store_inherit(store, STORE_AGENT, STORE_OUT_READ);
        t->out[1] = store_inherit(store, STORE_AGENT, STORE_OUT_WRITE);
        t->in[0] = store_inherit(store, STORE_AGENT, STORE_IN_READ);
        t->in[1] = store_inherit(store, STORE_AGENT, STORE_IN_WRITE);
    }
    if (t->out[0] >= 0 && t->out[1] >= 0 && t->in[0] >= 0 && t->in[1] >= 0)
        return 0;
    transfer_done(t);
    if (pipe2(t->out, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(t->in, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    fcntl(t->out[1], F_SETPIPE_SZ, PIPE_BYTES);
    fcntl(t->in[1], F_SETPIPE_SZ, PIPE_BYTES);
    return 0;
}

void transfer_put(struct transfer *t)
{
    const int fds[STORE_FDS] = {t->out[0], t->out[1], t->in[0], t->in[1], -1, -1};
    store_put(t->store, STORE_AGENT, fds);
}

void transfer_done(struct transfer *t)
{
    int *fds[] = {&t->out[0], &t->out[1], &t->in[0], &t->in[1]};
    for (int i = 0; i < 4; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

/* What is in the pipe, `to` being written down. */
static void take(struct transfer *t, struct spool *spool, uint64_t to)
{
    while (spool->k->total < to) {
        size_t n = (size_t)(to - spool->k->total);
        uint8_t *room = spool_reserve(spool, &n);
        ssize_t got = read(t->out[0], room, n);
        if (got > 0)
            spool_commit(spool, (size_t)got);
        else if (got == 0 || errno != EINTR)
            return; /* cannot be: it is there */
    }
}

ssize_t transfer_read(struct transfer *t, int fd, struct spool *spool, size_t n_bytes)
{
    struct store_transfer *out = &t->store->head->out;
    out->slot = spool->slot;
    out->stream = spool->stream;
    atomic_signal_fence(memory_order_seq_cst); /* before the call */
    ssize_t got = splice(fd, NULL, t->out[1], NULL, n_bytes, SPLICE_F_NONBLOCK);
    if (got <= 0)
        return got;
    uint64_t to = spool->k->total + (uint64_t)got;
    atomic_store(&out->to, to);
    take(t, spool, to);
    atomic_store(&out->to, 0);
    return got;
}

int transfer_interrupted(const struct transfer *t, uint32_t *stream)
{
    const struct store_transfer *out = &t->store->head->out;
    *stream = out->stream;
    return in_pipe(t->out[0]) > 0 || atomic_load((_Atomic uint64_t *)&out->to) > 0 ? (int)out->slot
                                                                                   : -1;
}

static void drain(int fd)
{
    static char scratch[TRANSFER_BYTES];
    while (read(fd, scratch, sizeof(scratch)) > 0)
        continue;
}

void transfer_finish_read(struct transfer *t, struct spool *spool)
{
    struct store_transfer *out = &t->store->head->out;
    if (!spool) {
        drain(t->out[0]);
        atomic_store(&out->to, 0);
        return;
    }
    uint64_t left = in_pipe(t->out[0]), to = atomic_load(&out->to);
    if (to > spool->k->total && to - left > spool->k->total)
        spool_commit(spool, (size_t)(to - left - spool->k->total)); /* read, and not counted */
    atomic_store(&out->to, spool->k->total + left);
    take(t, spool, spool->k->total + left);
    atomic_store(&out->to, 0);
}

/* What is left in the pipe is dropped: the caller still has it. */
ssize_t transfer_write(struct transfer *t, int fd, const void *data, size_t n_bytes,
                       uint64_t *counter)
{
    struct store_transfer *in = &t->store->head->in;
    in->counter_at = (uint64_t)((const uint8_t *)counter - (const uint8_t *)t->store->head);
    ssize_t n = write(t->in[1], data, n_bytes);
    if (n <= 0)
        return n;
    atomic_store(&in->to, *counter + (uint64_t)n);
    ssize_t taken = splice(t->in[0], NULL, fd, NULL, (size_t)n, SPLICE_F_NONBLOCK);
    int sys = errno;
    if (taken > 0)
        *(volatile uint64_t *)counter += (uint64_t)taken;
    atomic_store(&in->to, 0);
    if (taken < n)
        drain(t->in[0]);
    errno = sys;
    return taken;
}

void transfer_finish_write(struct transfer *t)
{
    struct store_transfer *in = &t->store->head->in;
    uint64_t to = atomic_load(&in->to);
    if (to > 0)
        *(uint64_t *)(void *)((uint8_t *)t->store->head + in->counter_at) = to - in_pipe(t->in[0]);
    atomic_store(&in->to, 0);
    drain(t->in[0]);
}
