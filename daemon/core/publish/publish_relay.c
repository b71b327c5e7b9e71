/* One connection: a client of the host's socket, and the tool dial in the guest.
 *
 * Out: what the tool says is written as it comes, the rest waits here, and is granted again when it
 * is written. In: a client whose bytes the guest does not take is not read from. Each direction
 * ends by itself; a connection that fails is reset. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/publish/publish_internal.h"
#include "daemon/core/session/guest_records.h"
#include "daemon/core/session/guest_tool.h"

enum {
    READ_BYTES = 64 * 1024,
    CREDIT_BYTES = 128 * 1024,
    SILENT_S = 60, /* then a client is asked whether it lives */
    DEAD_MS = 120 * 1000,
};

struct publish_relay {
    struct list link; /* published.relays */
    struct published *of;
    struct guest_tool *tool;
    struct watch watch;
    struct timer linger; /* when the tool has ended well, and bytes of it are left */
    struct guest_records records;
    struct buf out;  /* to the client */
    struct buf rest; /* of the client's bytes, that the tool did not take */
    uint32_t owed;   /* of out: to be granted when it is empty */
    bool opened;
    bool in_ended;        /* the client sends no more */
    bool out_ended, over; /* the guest sends no more; the tool has ended */
    int fd;
};

static void relay_close(struct publish_relay *r, bool reset)
{
    struct published *p = r->of;
    const struct linger hard = {.l_onoff = 1};
    if (reset)
        setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    watch_done(&r->watch);
    timer_done(&r->linger);
    guest_tool_close(r->tool);
    close(r->fd);
    buf_done(&r->out);
    buf_done(&r->rest);
    list_remove(&r->link);
    p->n_relays--;
    p->room->n_relays--;
    free(r);
}

/* Who waits for the place is let in. */
static void relay_end(struct publish_relay *r, bool reset)
{
    struct publish_room *room = r->of->room;
    bool was_full = room->n_relays >= room->max_relays;
    struct published *p = r->of;
    relay_close(r, reset);
    publish_look(p);
    if (!was_full)
        return;
    list_foreach(l, &room->all) publish_look(container_of(l, struct published, link));
}

static void relay_want(struct publish_relay *r)
{
    bool reads = r->opened && !r->in_ended && !r->over && buf_len(&r->rest) == 0;
    watch_want(&r->watch, (reads ? WATCH_READ : 0) | (buf_len(&r->out) > 0 ? WATCH_WRITE : 0));
}

/* Out ------------------------------------------------------------------------------------------ */

/* -1: the client is gone. */
static int relay_write(struct publish_relay *r)
{
    while (buf_len(&r->out) > 0) {
        ssize_t n = send(r->fd, buf_data(&r->out), buf_len(&r->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        buf_consume(&r->out, (size_t)n);
    }
    if (r->out_ended)
        shutdown(r->fd, SHUT_WR);
    if (!r->over)
        guest_tool_grant(r->tool, r->owed);
    r->owed = 0;
    return 0;
}

static int relay_take(struct publish_relay *r, const uint8_t *data, uint32_t len)
{
    for (uint32_t at = 0, n; at < len; at += n) {
        enum guest_record what;
        n = guest_records_take(&r->records, data + at, len - at, &what);
        if (what == GUEST_RECORD_DATA && buf_append(&r->out, data + at, n) < 0)
            return -1;
        r->opened |= what == GUEST_RECORD_OPENED;
        r->out_ended |= what == GUEST_RECORD_END;
    }
    r->owed += len;
    return relay_write(r);
}

static void on_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct publish_relay *r = arg;
    if (relay_take(r, data, len) < 0)
        relay_end(r, true);
    else
        relay_want(r);
}

static void on_ended(void *arg, const struct err *err)
{
    struct publish_relay *r = arg;
    r->over = true;
    if (err)
        log_debug(vm_record(r->of->vm)->id, "a published connection has failed: %s", err->message);
    if (err || buf_len(&r->out) == 0) {
        relay_end(r, err != NULL);
        return;
    }
    r->out_ended = true;
    timer_start(&r->linger, PUBLISH_LINGER_MS);
    relay_want(r);
}

static void on_late(void *arg)
{
    relay_end(arg, true);
}

/* In ------------------------------------------------------------------------------------------- */

static void on_writable(void *arg)
{
    struct publish_relay *r = arg;
    buf_consume(&r->rest, guest_tool_write(r->tool, buf_data(&r->rest), buf_len(&r->rest)));
    relay_want(r);
}

/* -1: it is gone. */
static int relay_read(struct publish_relay *r)
{
    static uint8_t bytes[READ_BYTES]; /* the loop's thread alone */
    ssize_t n = recv(r->fd, bytes, sizeof(bytes), 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0) {
        r->in_ended = true;
        guest_tool_finish(r->tool);
        return 0;
    }
    size_t taken = guest_tool_write(r->tool, bytes, (size_t)n);
    return taken < (size_t)n ? buf_append(&r->rest, bytes + taken, (size_t)n - taken) : 0;
}

static void on_ready(void *arg, int events)
{
    struct publish_relay *r = arg;
    int rc = events & WATCH_WRITE ? relay_write(r) : relay_read(r);
    if (rc < 0)
        relay_end(r, true);
    else if (r->over && buf_len(&r->out) == 0)
        relay_end(r, false);
    else
        relay_want(r);
}

/* Life ----------------------------------------------------------------------------------------- */

static void relay_options(int fd)
{
    const int on = 1, silent_s = SILENT_S;
    const unsigned dead_ms = DEAD_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &silent_s, sizeof(silent_s));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

void publish_relay_open(struct published *p, const struct vm_publish *to, int fd)
{
    static const struct guest_tool_events events = {on_data, on_writable, on_ended};
    char port[16];
    const char *const argv[] = {"dial", "tcp", "", port};
    const struct guest_tool_spec spec = {.argv = argv, .argc = 4, .most_credit = CREDIT_BYTES};
    struct err err = ERR_INIT;
    struct core *core = p->room->core;
    struct publish_relay *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->linger, core->loop, on_late, r) < 0 ||
        watch_init(&r->watch, core->loop, fd, on_ready, r) < 0) {
        if (r)
            timer_done(&r->linger);
        free(r);
        close(fd);
        return;
    }
    r->of = p;
    r->fd = fd;
    buf_init(&r->out, CREDIT_BYTES);
    buf_init(&r->rest, READ_BYTES);
    list_add_tail(&p->relays, &r->link);
    p->n_relays++;
    p->room->n_relays++;
    relay_options(fd);
    snprintf(port, sizeof(port), "%u", to->guest_port);
    r->tool = guest_tool_run(core, p->vm, &spec, CREDIT_BYTES, &events, r, &err);
    if (r->tool)
        return;
    log_debug(vm_record(p->vm)->id, "a published connection has failed: %s", err.message);
    relay_close(r, true);
}

void publish_relays_close(struct published *p)
{
    list_foreach(l, &p->relays) relay_close(container_of(l, struct publish_relay, link), true);
}
