/* See proxy.h. */
#include "tests/integration/guest/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { QUEUE_BYTES = 64 * 1024 };

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static void rewatch(struct proxy *p)
{
    if (p->down_fd >= 0)
        watch_want(&p->down_watch, (buf_room(&p->to_up) ? WATCH_READ : 0) |
                                       (buf_len(&p->to_down) ? WATCH_WRITE : 0));
    if (p->up_fd >= 0)
        watch_want(&p->up_watch, (buf_room(&p->to_down) ? WATCH_READ : 0) |
                                     (buf_len(&p->to_up) ? WATCH_WRITE : 0));
}

static void close_down(struct proxy *p)
{
    if (p->down_fd < 0)
        return;
    watch_done(&p->down_watch);
    close(p->down_fd);
    p->down_fd = -1;
    watch_want(&p->listen_watch, WATCH_READ);
    buf_reset(&p->to_up);
}

static void close_up(struct proxy *p)
{
    if (p->up_fd < 0)
        return;
    watch_done(&p->up_watch);
    close(p->up_fd);
    p->up_fd = -1;
    buf_reset(&p->to_down);
}

static void arm_cut(struct proxy *p)
{
    p->budget = p->cut_max ? p->cut_min + (size_t)rand() % (p->cut_max - p->cut_min + 1) : SIZE_MAX;
}

void proxy_cut(struct proxy *p)
{
    close_down(p);
    if (p->kind != PROXY_PORT)
        close_up(p);
    p->cuts++;
    rewatch(p);
}

/* False: the peer has gone. */
static bool fill(struct buf *b, int fd)
{
    size_t room = buf_room(b);
    size_t want = 1 + (size_t)rand() % QUEUE_BYTES;
    if (want > room)
        want = room;
    uint8_t *at = want ? buf_reserve(b, want) : NULL;
    if (!at)
        return true;
    ssize_t n = read(fd, at, want);
    if (n > 0)
        buf_commit(b, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* False: cut now, or the peer has gone. */
static bool drain(struct proxy *p, struct buf *b, int fd)
{
    size_t len = buf_len(b) < p->budget ? buf_len(b) : p->budget;
    if (len == 0)
        return p->budget > 0;
    ssize_t n = send(fd, buf_data(b), len, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_consume(b, (size_t)n);
    p->passed += (size_t)n;
    if (p->budget != SIZE_MAX)
        p->budget -= (size_t)n;
    return p->budget > 0;
}

static void on_down(void *arg, int events)
{
    struct proxy *p = arg;
    bool ok = true;
    if (events & WATCH_READ)
        ok = fill(&p->to_up, p->down_fd) && (p->up_fd < 0 || drain(p, &p->to_up, p->up_fd));
    else
        ok = drain(p, &p->to_down, p->down_fd);
    if (!ok)
        proxy_cut(p);
    rewatch(p);
}

static void on_up(void *arg, int events)
{
    struct proxy *p = arg;
    bool ok = true;
    if (events & WATCH_READ) {
        if (!fill(&p->to_down, p->up_fd)) {
            close_up(p);
            ok = false;
        } else if (p->down_fd >= 0) {
            ok = drain(p, &p->to_down, p->down_fd);
        }
    } else {
        ok = drain(p, &p->to_up, p->up_fd);
    }
    if (!ok)
        proxy_cut(p);
    rewatch(p);
}

static bool dial(struct proxy *p)
{
    struct sockaddr_un a = address(p->upstream);
    p->up_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->up_fd < 0)
        die("socket");
    if (connect(p->up_fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(p->up_fd);
        p->up_fd = -1;
        return false;
    }
    if (watch_init(&p->up_watch, p->loop, p->up_fd, on_up, p) < 0)
        die("watch");
    return true;
}

/* The request came with the connection. Its answer goes the way of all bytes, and may be cut. */
static bool shake_hands(struct proxy *p, int fd)
{
    char request[32] = "";
    ssize_t n = read(fd, request, sizeof("CONNECT 52\n") - 1);
    if (n < 0 || strcmp(request, "CONNECT 52\n") != 0)
        die("the request for a port");
    if (p->refusals++ < PROXY_VSOCK_REFUSALS)
        return false;
    buf_append(&p->to_down, "OK 1073741824\n", 14);
    return true;
}

static void on_accept(void *arg, int events)
{
    (void)events;
    struct proxy *p = arg;
    int fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (p->refuse || (p->kind == PROXY_VSOCK && !shake_hands(p, fd)) ||
        (p->up_fd < 0 && !dial(p))) {
        close(fd);
        return;
    }
    watch_want(&p->listen_watch, 0);
    p->down_fd = fd;
    if (watch_init(&p->down_watch, p->loop, fd, on_down, p) < 0)
        die("watch");
    arm_cut(p);
    rewatch(p);
}

void proxy_open(struct proxy *p, struct loop *loop, enum proxy_kind kind, const char *path,
                const char *upstream)
{
    *p = (struct proxy){.loop = loop, .kind = kind, .down_fd = -1, .up_fd = -1};
    snprintf(p->path, sizeof(p->path), "%s", path);
    snprintf(p->upstream, sizeof(p->upstream), "%s", upstream);
    buf_init(&p->to_up, QUEUE_BYTES);
    buf_init(&p->to_down, QUEUE_BYTES);
    struct sockaddr_un a = address(path);
    p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(p->listen_fd, 8) < 0 ||
        watch_init(&p->listen_watch, loop, p->listen_fd, on_accept, p) < 0)
        die(path);
    watch_want(&p->listen_watch, WATCH_READ);
    p->budget = SIZE_MAX;
}

void proxy_set_cuts(struct proxy *p, size_t min, size_t max)
{
    p->cut_min = min;
    p->cut_max = max;
    arm_cut(p);
}

void proxy_close(struct proxy *p)
{
    close_down(p);
    close_up(p);
    watch_done(&p->listen_watch);
    close(p->listen_fd);
    unlink(p->path);
    buf_done(&p->to_up);
    buf_done(&p->to_down);
}
