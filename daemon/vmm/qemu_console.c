/* A qemu guest's console; see qemu_console.h.
 *
 * Between the last read of the ring and the socket in its place nothing can be told: what a guest
 * says in that moment (two commands in one write) is lost. The way back loses nothing: what is in
 * the socket when qemu closes it is read to its end. */
#include "daemon/vmm/qemu_console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/vmm/console_input.h"
#include "daemon/vmm/console_watch.h"
#include "daemon/vmm/parts.h"
#include "daemon/vmm/qemu_args.h"

enum {
    LAST_BYTES = 8192,     /* kept in memory: a panic and its register dump */
    COMMAND_MS = 5000,     /* for qemu's answer */
    POLL_FIRST_MS = 250,   /* often while the guest boots or talks, */
    POLL_MAX_MS = 10000,   /* seldom while it is silent, */
    POLL_WATCHED_MS = 100, /* and while somebody looks */
    PIECE_BYTES = 16384,   /* of the socket, in one turn of the loop */
};

/* In qemu's folder, which is the VM's. */
#define SOCKET_NAME "tty.sock"

static void qemu_console_append(struct qemu_console *c, const uint8_t *bytes, size_t n)
{
    console_append(&c->log, bytes, n);
    size_t keep = n > c->last.max ? c->last.max : n;
    if (keep > buf_room(&c->last))
        buf_consume(&c->last, keep - buf_room(&c->last));
    buf_append(&c->last, bytes + n - keep, keep);
}

/* The socket */

/* True: there may be more. */
static bool qemu_console_read_socket(struct qemu_console *c)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t n = c->fd >= 0 ? recv(c->fd, piece, sizeof(piece), MSG_DONTWAIT) : 0;
    if (n > 0)
        qemu_console_append(c, piece, (size_t)n);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        watch_want(&c->watch, 0); /* qemu has closed it */
    return n > 0;
}

static void qemu_console_drain(struct qemu_console *c)
{
    while (qemu_console_read_socket(c))
        ;
}

void qemu_console_take(struct qemu_console *c, const json_t *value, const struct err *err)
{
    if (err) { /* not the ring: what there is has come by the socket */
        qemu_console_drain(c);
        return;
    }
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    auto_free uint8_t *bytes = text && len ? malloc(QEMU_RING_BYTES) : NULL;
    ssize_t n = bytes ? base64_decode(bytes, QEMU_RING_BYTES, text, len) : 0;
    if (n <= 0) {
        c->poll_ms = c->poll_ms * 2 > POLL_MAX_MS ? POLL_MAX_MS : c->poll_ms * 2;
        return;
    }
    c->poll_ms = POLL_FIRST_MS;
    qemu_console_append(c, bytes, (size_t)n);
}

int qemu_console_read(struct qemu_console *c, int64_t deadline_ms, qmp_reply_fn *reply, void *arg)
{
    json_t *args = json_pack("{s:s, s:i, s:s}", "device", "console", "size", QEMU_RING_BYTES,
                             "format", "base64");
    return qmp_call(c->qmp, "ringbuf-read", args, deadline_ms, reply, arg, NULL);
}

static void qemu_console_drop_socket(struct qemu_console *c)
{
    if (c->fd < 0)
        return;
    watch_done(&c->watch);
    close(c->fd);
    c->fd = -1;
    c->full = false;
}

static void qemu_console_ready(void *arg, int events)
{
    struct qemu_console *c = arg;
    if (events & WATCH_READ)
        qemu_console_read_socket(c);
    if (events & WATCH_WRITE && c->full) {
        c->full = false;
        watch_want(&c->watch, WATCH_READ); /* whose end, if that came, is seen again */
        console_line_is_writable(&c->log);
    }
}

static int qemu_console_connect(struct qemu_console *c, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, c->path, sizeof(addr.sun_path));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return err_sys(err, errno, "socket");
    if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        err_sys(err, errno, "connect to %s", c->path);
    else if (watch_init(&c->watch, c->qmp->loop, c->fd, qemu_console_ready, c) < 0)
        err_sys(err, ENOMEM, "watching the guest's console");
    else
        return 0;
    close(c->fd);
    c->fd = -1;
    return -1;
}

/* Ring or socket */

static void qemu_console_settle(struct qemu_console *c);

static void qemu_console_is_ring(struct qemu_console *c)
{
    qemu_console_drain(c);
    qemu_console_drop_socket(c);
    c->line = QEMU_LINE_RING;
    if (c->reading)
        timer_start(&c->poll, console_is_watched(&c->log) ? POLL_WATCHED_MS : c->poll_ms);
    qemu_console_settle(c);
}

static void qemu_console_failed(struct qemu_console *c, const struct err *err)
{
    log_warn(c->qmp->path, "the guest's console cannot be typed into: %s", err->message);
    console_line_failed(&c->log, err); /* after which nobody types */
    qemu_console_settle(c);
}

static void qemu_console_made_socket(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_console *c = arg;
    struct err why = ERR_INIT;
    (void)value;
    if (err && err->code != ERR_UNKNOWN) {
        c->line = QEMU_LINE_UNKNOWN;
        qemu_console_settle(c);
    } else if (err) {
        c->line = QEMU_LINE_RING;
        qemu_console_failed(c, err);
    } else {
        c->line = QEMU_LINE_SOCKET;
        if (qemu_console_connect(c, &why) < 0) {
            qemu_console_failed(c, &why);
        } else {
            watch_want(&c->watch, WATCH_READ);
            console_is_fresh(&c->log);
            console_line_is_writable(&c->log);
            qemu_console_settle(c);
        }
    }
}

static void qemu_console_made_ring(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_console *c = arg;
    (void)value;
    c->line = QEMU_LINE_UNKNOWN;
    if (!err)
        qemu_console_is_ring(c);
    else if (err->code == ERR_UNKNOWN) /* no use to ask again before QMP is up anew */
        log_warn(c->qmp->path, "the guest's console is not read: %s", err->message);
    else
        qemu_console_settle(c);
}

static void qemu_console_looked(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_console *c = arg;
    qemu_console_take(c, value, err);
    c->line = err && err->code == ERR_UNKNOWN ? QEMU_LINE_SOCKET : QEMU_LINE_UNKNOWN;
    if (!err) {
        console_is_fresh(&c->log);
        qemu_console_is_ring(c);
    } else {
        qemu_console_settle(c);
    }
}

static void qemu_console_last_of_ring(void *arg, const json_t *value, const struct err *err)
{
    qemu_console_take(arg, value, err);
}

static int qemu_console_change(struct qemu_console *c, json_t *backend, qmp_reply_fn *reply)
{
    return qmp_call(c->qmp, "chardev-change",
                    json_pack("{s:s, s:o}", "id", "console", "backend", backend), COMMAND_MS, reply,
                    c, NULL);
}

static json_t *qemu_console_ring(void)
{
    return json_pack("{s:s, s:{s:i}}", "type", "ringbuf", "data", "size", QEMU_RING_BYTES);
}

static json_t *qemu_console_socket(void)
{
    return json_pack("{s:s, s:{s:{s:s, s:{s:s}}, s:b, s:b}}", "type", "socket", "data", "addr",
                     "type", "unix", "data", "path", SOCKET_NAME, "server", 1, "wait", 0);
}

/* Takes the next step towards what is wanted, if none is under way. */
static void qemu_console_settle(struct qemu_console *c)
{
    if (!qmp_is_up(c->qmp) || !c->reading)
        return;
    bool mine = c->fd >= 0;
    if (c->line == QEMU_LINE_UNKNOWN &&
        qemu_console_read(c, COMMAND_MS, qemu_console_looked, c) == 0) {
        c->line = QEMU_LINE_LOOKING;
    } else if (c->line == QEMU_LINE_RING && c->typed &&
               qemu_console_read(c, COMMAND_MS, qemu_console_last_of_ring, c) == 0 &&
               qemu_console_change(c, qemu_console_socket(), qemu_console_made_socket) == 0) {
        c->line = QEMU_LINE_TO_SOCKET;
        timer_stop(&c->poll);
    } else if (c->line == QEMU_LINE_SOCKET && !(c->typed && mine) &&
               qemu_console_change(c, qemu_console_ring(), qemu_console_made_ring) == 0) {
        c->line = QEMU_LINE_TO_RING;
    }
}

static void qemu_console_want(void *arg, bool wanted)
{
    struct qemu_console *c = arg;
    c->typed = wanted;
    qemu_console_settle(c);
}

static size_t qemu_console_write(void *arg, const void *data, size_t len)
{
    struct qemu_console *c = arg;
    if (!c->reading)
        return len; /* the guest is over, or not yet there */
    if (c->line != QEMU_LINE_SOCKET || c->fd < 0)
        return 0; /* when it is one */
    ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return len; /* qemu has gone, which is said elsewhere */
    size_t taken = n > 0 ? (size_t)n : 0;
    c->full = taken < len;
    if (c->full)
        watch_want(&c->watch, WATCH_READ | WATCH_WRITE);
    return taken;
}

static const struct console_line qemu_console_line = {.want = qemu_console_want,
                                                      .write = qemu_console_write};

/* The ring */

static void qemu_console_polled(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_console *c = arg;
    qemu_console_take(c, value, err);
    if (!err)
        console_is_fresh(&c->log);
    bool watched = console_is_watched(&c->log);
    if (c->line == QEMU_LINE_RING && (!err || err->code == ERR_DEADLINE))
        timer_start(&c->poll, watched ? POLL_WATCHED_MS : c->poll_ms);
}

static void qemu_console_poll(void *arg)
{
    struct qemu_console *c = arg;
    if (c->line == QEMU_LINE_SOCKET) { /* a reader came */
        qemu_console_drain(c);
        console_is_fresh(&c->log);
    } else if (c->line == QEMU_LINE_RING && qmp_is_up(c->qmp) &&
               qemu_console_read(c, COMMAND_MS, qemu_console_polled, c) < 0) {
        timer_start(&c->poll, POLL_MAX_MS);
    }
}

/* A poll that is under way, or will be when it is known what the line is, does as well. */
static bool qemu_console_refresh(void *arg)
{
    struct qemu_console *c = arg;
    if (!qmp_is_up(c->qmp) || !c->reading)
        return false;
    if (timer_pending(&c->poll) || c->line == QEMU_LINE_SOCKET)
        timer_start(&c->poll, 0);
    return true;
}

int qemu_console_init(struct qemu_console *c, struct vmm_host *host,
                      const struct vmm_config *config, struct qmp *qmp)
{
    *c = (struct qemu_console){.qmp = qmp, .fd = -1, .poll_ms = POLL_FIRST_MS};
    snprintf(c->path, sizeof(c->path), "%.*s/" SOCKET_NAME,
             (int)(sizeof(c->path) - sizeof("/" SOCKET_NAME)), config->vm_dir);
    console_init(&c->log, host, config->console.log_path);
    console_set_refresh(&c->log, qemu_console_refresh, c);
    buf_init(&c->last, LAST_BYTES);
    if (timer_init(&c->poll, host->loop, qemu_console_poll, c) < 0)
        return -1;
    console_set_line(&c->log, &qemu_console_line, c);
    return 0;
}

void qemu_console_done(struct qemu_console *c)
{
    if (c->qmp)
        qemu_console_drop_socket(c);
    console_done(&c->log);
    timer_done(&c->poll);
    buf_done(&c->last);
}

void qemu_console_reset(struct qemu_console *c)
{
    c->reading = true; /* as soon as QMP is up */
    c->line = QEMU_LINE_UNKNOWN;
    qemu_console_drop_socket(c);
    buf_reset(&c->last);
}

void qemu_console_begin(struct qemu_console *c)
{
    c->poll_ms = POLL_FIRST_MS;
    c->line = QEMU_LINE_UNKNOWN;
    qemu_console_settle(c);
}

void qemu_console_end(struct qemu_console *c)
{
    qemu_console_drain(c); /* a guest that is over says no more */
    c->reading = false;
    timer_stop(&c->poll);
}

void qemu_console_clean(const struct vmm_config *config)
{
    char path[PATH_BYTES + sizeof("/" SOCKET_NAME)];
    snprintf(path, sizeof(path), "%s/" SOCKET_NAME, config->vm_dir);
    unlink(path);
}
