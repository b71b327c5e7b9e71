/* See store.h. */
#include "agent/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static const char magic[8] = "bgrkeep";

enum {
    HEAD_BYTES = (sizeof(struct store_head) + 4095) / 4096 * 4096,
    STRIDE = STORE_SLOT_BYTES + 2 * STORE_ROOM_BYTES + STORE_STDIN_BYTES,
};

static const size_t store_bytes = HEAD_BYTES + (size_t)STRIDE * STORE_SLOTS;

static int map(struct store *s)
{
    void *at = mmap(NULL, store_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (at == MAP_FAILED)
        return -1;
    madvise(at, store_bytes, MADV_NOHUGEPAGE);
    madvise(at, store_bytes, MADV_DONTDUMP);
    s->head = at;
    s->slots = (uint8_t *)at + HEAD_BYTES;
    return 0;
}

static void write_head(struct store *s)
{
    s->head->version = STORE_VERSION;
    s->head->head_bytes = HEAD_BYTES;
    s->head->slot_bytes = STRIDE;
    memcpy(s->head->magic, magic, sizeof(magic));
}

int store_make(struct store *s)
{
    *s = (struct store){.fd = -1, .keeper_fd = -1};
    s->fd = memfd_create("banger-sessions", MFD_CLOEXEC);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)store_bytes) < 0 || map(s) < 0) {
        store_done(s);
        return -1;
    }
    write_head(s);
    return 0;
}

int store_open(struct store *s, int fd, int keeper_fd, struct err *err)
{
    *s = (struct store){.fd = fd, .keeper_fd = keeper_fd, .adopted = true};
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(keeper_fd, F_SETFD, FD_CLOEXEC);
    if (lseek(fd, 0, SEEK_END) != (off_t)store_bytes || map(s) < 0)
        return err_set(err, ERR_INTERNAL, "the store of an earlier agent is of another size");
    const struct store_head *h = s->head;
    if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->version != STORE_VERSION ||
        h->head_bytes != HEAD_BYTES || h->slot_bytes != STRIDE)
        return err_set(err, ERR_INTERNAL,
                       "the store of an earlier agent is of version %u, and this one knows %u",
                       h->version, STORE_VERSION);
    return 0;
}

static void punch(struct store *s, size_t from, size_t n_bytes)
{
    if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)n_bytes) <
        0)
        memset((uint8_t *)s->head + from, 0, n_bytes); /* costs memory, and is right */
}

void store_reset(struct store *s)
{
    if (!s->head && map(s) < 0)
        return;
    store_say(s, STORE_OP_DROP_ALL, 0, 0, NULL, 0);
    punch(s, 0, store_bytes);
    write_head(s);
    s->adopted = false;
}

void store_done(struct store *s)
{
    if (s->head)
        munmap(s->head, store_bytes);
    if (s->fd >= 0)
        close(s->fd);
    if (s->keeper_fd >= 0)
        close(s->keeper_fd);
    *s = (struct store){.fd = -1, .keeper_fd = -1};
}

/* Slots */

/* The first word of a slot that is used is not 0: session_slot.h. */
void *store_slot(const struct store *s, uint32_t slot)
{
    return s->slots + (size_t)slot * STRIDE;
}

uint8_t *store_room(const struct store *s, uint32_t slot, int which)
{
    return s->slots + (size_t)slot * STRIDE + STORE_SLOT_BYTES + (size_t)which * STORE_ROOM_BYTES;
}

int store_take(struct store *s)
{
    for (uint32_t i = 0; i < STORE_AGENT; i++) {
        uint32_t slot = (s->next_free + i) % STORE_AGENT;
        uint32_t *used = store_slot(s, slot);
        if (*used)
            continue;
        *used = 1;
        s->next_free = slot + 1;
        return (int)slot;
    }
    return -1;
}

int store_next(const struct store *s, uint32_t from)
{
    if (from >= STORE_AGENT)
        return -1;
    off_t at = lseek(s->fd, (off_t)(HEAD_BYTES + (size_t)from * STRIDE), SEEK_DATA);
    if (at < 0) /* all are holes, or this kernel cannot tell */
        return errno == ENXIO ? -1 : (int)from;
    size_t slot = ((size_t)at - HEAD_BYTES) / STRIDE;
    return slot < STORE_AGENT ? (int)slot : -1;
}

void store_free(struct store *s, uint32_t slot)
{
    store_drop(s, slot, STORE_ALL);
    atomic_store(&s->head->pids[slot], STORE_PID_NONE);
    atomic_store(&s->head->exits[slot].known, 0);
    punch(s, HEAD_BYTES + (size_t)slot * STRIDE, STRIDE);
    if (slot < s->next_free)
        s->next_free = slot;
}

void store_free_room(struct store *s, uint32_t slot, int which, size_t from)
{
    size_t size = which == 2 ? STORE_STDIN_BYTES : STORE_ROOM_BYTES;
    from = (from + 4095) / 4096 * 4096;
    if (from < size)
        punch(s, (size_t)(store_room(s, slot, which) - (uint8_t *)s->head) + from, size - from);
}

/* Files */

int store_say(struct store *s, enum store_op op, uint32_t slot, uint32_t mask, const int *fds,
              int n_fds)
{
    struct store_message m = {.op = op, .slot = slot, .mask = mask};
    struct iovec iov = {&m, sizeof(m)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * STORE_FDS)];
    } control;
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (s->keeper_fd < 0)
        return 0;
    if (n_fds > 0) {
        memset(&control, 0, sizeof(control));
        h.msg_control = &control;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n_fds);
    }
    ssize_t n;
    do {
        n = sendmsg(s->keeper_fd, &h, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

void store_put(struct store *s, uint32_t slot, const int fds[STORE_FDS])
{
    int list[STORE_FDS], n = 0;
    uint32_t mask = 0;
    for (int i = 0; i < STORE_FDS; i++)
        if (fds[i] >= 0) {
            mask |= 1u << i;
            list[n++] = fds[i];
        }
    if (n > 0 && store_say(s, STORE_OP_PUT, slot, mask, list, n) == 0)
        s->put[slot] |= (uint8_t)mask;
}

void store_put_one(struct store *s, uint32_t slot, int kind, int fd)
{
    int fds[STORE_FDS] = {-1, -1, -1, -1, -1, -1};
    fds[kind] = fd;
    store_put(s, slot, fds);
}

void store_drop(struct store *s, uint32_t slot, uint32_t mask)
{
    mask &= s->put[slot];
    if (mask == 0)
        return;
    store_say(s, STORE_OP_DROP, slot, mask, NULL, 0);
    s->put[slot] &= (uint8_t)~mask;
}

int store_inherit(struct store *s, uint32_t slot, int kind)
{
    int fd = s->head->fds[slot][kind] - 1;
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    s->put[slot] |= (uint8_t)(1u << kind);
    return fd;
}

/* Processes */

void store_intend(struct store *s, uint32_t slot)
{
    atomic_store(&s->head->exits[slot].known, 0);
    atomic_store(&s->head->pids[slot], STORE_PID_INTENT);
}

bool store_claim(struct store *s, uint32_t slot, pid_t pid)
{
    int32_t was = STORE_PID_INTENT;
    return atomic_compare_exchange_strong(&s->head->pids[slot], &was, pid) || was == pid;
}

bool store_void(struct store *s, uint32_t slot)
{
    int32_t was = STORE_PID_INTENT;
    return atomic_compare_exchange_strong(&s->head->pids[slot], &was, STORE_PID_VOID) || was <= 0;
}

pid_t store_pid(const struct store *s, uint32_t slot)
{
    int32_t pid = atomic_load(&s->head->pids[slot]);
    return pid > 0 ? pid : 0;
}

const struct store_exit *store_ended(const struct store *s, uint32_t slot)
{
    const struct store_exit *e = &s->head->exits[slot];
    return atomic_load((_Atomic uint32_t *)&e->known) ? e : NULL;
}

/* The slot of a process that has not been seen to end; -1: none. *open: one is being started, which
 * may be it. */
static int slot_of(const struct store *s, pid_t pid, bool *open)
{
    for (int i = 0; i < STORE_AGENT; i++) {
        int32_t p = atomic_load_explicit(&s->head->pids[i], memory_order_relaxed);
        if (p == pid && !store_ended(s, (uint32_t)i))
            return i;
        if (p == STORE_PID_INTENT)
            *open = true;
    }
    return -1;
}

static int wait_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

int store_reap(struct store *s, int max, pid_t agent, bool *again)
{
    for (int n = 0; n < max; n++) {
        siginfo_t info = {0};
        bool open = false;
        *again = false;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return n;
        *again = true;
        if (agent > 0 && info.si_pid == agent)
            return n;
        int slot = slot_of(s, info.si_pid, &open);
        if (slot < 0 && open && agent > 0)
            return n;    /* its agent is about to say whose it is */
        if (slot >= 0) { /* written down before the kernel forgets it */
            struct store_exit *e = &s->head->exits[slot];
            e->status = wait_status(&info);
            e->real_ns = clock_real_ns();
            e->mono_ns = clock_mono_ns();
            atomic_store(&e->known, 1);
        }
        waitpid(info.si_pid, NULL, WNOHANG);
    }
    return max;
}
