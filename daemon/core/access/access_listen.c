/* The TCP listener: open, or closed for a reason that has a name, is told, and may pass; see
 * access_internal.h. On the loop's thread.
 *
 * Nothing in here keeps the daemon from serving its own machine. While TCP is closed it is tried
 * again and again, a minute apart at most; while it is open, dates are held against the clock every
 * hour, since a clock may jump. Timers are monotonic, only dates are not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/core.h"
#include "rpc/event/server.h"

static const int64_t ns_per_s = INT64_C(1000000000);

static int64_t now_s(void)
{
    return clock_real_ns() / ns_per_s;
}

void access_listen_settled(struct access *access)
{
    void (*done)(void *arg) = access->listen.settled;
    access->listen.settled = NULL;
    timer_stop(&access->listen.settle);
    if (done)
        done(access->listen.settled_arg);
}

static void settle_is_over(void *arg)
{
    access_listen_settled(arg);
}

static void look_again(void *arg)
{
    struct access *access = arg;
    bool due = access->now && access_credentials_are_due(access->now, now_s());
    if (due || !access->listen.open)
        access_job_refresh(access);
    else
        access_listen_decide(access);
}

int access_listen_init(struct access *access, struct err *err)
{
    access->listen.retry_ms = ACCESS_RETRY_FIRST_MS;
    if (timer_init(&access->listen.settle, access->core->loop, settle_is_over, access) == 0 &&
        timer_init(&access->listen.look, access->core->loop, look_again, access) == 0)
        return 0;
    return err_set(err, ERR_LIMIT, "out of memory for the TCP listener");
}

void access_listen_done(struct access *access)
{
    timer_done(&access->listen.look);
    timer_done(&access->listen.settle);
}

/* Logged when the reason is another than the last one told. */
static void tell_closed(struct access_listen *l)
{
    const char *reason = l->closed.reason[0] ? l->closed.reason : "?";
    if (strcmp(l->told, reason) == 0)
        return;
    snprintf(l->told, sizeof(l->told), "%s", reason);
    log_err(LOG_LEVEL_ERROR, "bangerd", &l->closed,
            "TCP on %s is closed until that has passed, the local socket serves (%s)", l->address,
            reason);
}

static void note_open(struct access *access, uint16_t port)
{
    struct access_listen *l = &access->listen;
    /* Port 0 takes a free one: that is where clients find us. */
    char *colon = strrchr(l->address, ':');
    size_t room = sizeof(l->address) - (size_t)(colon - l->address);
    if (strcmp(colon, ":0") == 0 && room > 6)
        snprintf(colon, room, ":%u", port);
    l->open = true;
    l->told[0] = '\0';
    l->retry_ms = ACCESS_RETRY_FIRST_MS;
    err_clear(&l->closed);
    log_info("bangerd", "listens on %s, TLS 1.3 only", l->address);
}

static void open_tcp(struct access *access)
{
    struct access_listen *l = &access->listen;
    uint16_t port = 0;
    if (rpc_server_listen_tls(access->core->rpc_server, l->address, access->now->tls, &port,
                              &l->closed) == 0) {
        note_open(access, port);
        return;
    }
    err_tag(&l->closed, "ADDRESS_UNAVAILABLE", NULL);
}

/* Why TCP cannot be served now: 0 where it can. */
static int check(const struct access *access, struct err *why)
{
    const struct access_credentials *c = access->now;
    if (access_credentials_count(c, now_s(), why) < 0)
        return -1;
    if (c->tls)
        return 0;
    *why = c->why;
    return -1;
}

static void look_later(struct access *access)
{
    struct access_listen *l = &access->listen;
    bool waits = l->address[0] && !l->open;
    timer_start(&l->look, waits ? l->retry_ms : ACCESS_LOOK_MS);
    if (waits)
        l->retry_ms = 2 * l->retry_ms < ACCESS_RETRY_MAX_MS ? 2 * l->retry_ms : ACCESS_RETRY_MAX_MS;
}

void access_listen_decide(struct access *access)
{
    struct access_listen *l = &access->listen;
    struct err why = ERR_INIT;
    if (!l->may_open || !access->now || access->closing || l->initialising)
        return;
    if (l->address[0] && check(access, &why) < 0) {
        if (l->open)
            rpc_server_close_tls(access->core->rpc_server);
        l->open = false;
        l->closed = why;
    } else if (l->address[0] && !l->open) {
        open_tcp(access);
    }
    if (l->address[0] && !l->open)
        tell_closed(l);
    access_tell_ahead(access, now_s());
    look_later(access);
}

void access_listen_adopt(struct access *access, const char *address, uint16_t port)
{
    snprintf(access->listen.address, sizeof(access->listen.address), "%s", address);
    note_open(access, port);
}

static void tell_renewed(const struct access_credentials *c)
{
    if (c->not_renewed.code != ERR_NONE)
        log_err(LOG_LEVEL_ERROR, "bangerd", &c->not_renewed,
                "the host's own certificates cannot be renewed");
    if (c->renewed)
        log_info("bangerd", "the host's own certificates are renewed%s",
                 c->renewed & PKI_RENEWED_CA ? ", that of its CA, too" : "");
}

void access_listen_take(struct access *access, struct access_credentials *c)
{
    struct access_listen *l = &access->listen;
    if (!c) {
        err_set(&l->failed, ERR_LIMIT, "out of memory for certificates");
        return;
    }
    tell_renewed(c);
    if (!l->address[0])
        snprintf(l->address, sizeof(l->address), "%s", c->kept_address);
    err_clear(&l->failed);
    if (!c->tls && !c->nothing && access->now && access->now->tls) {
        l->failed = c->why;
        access_credentials_free(c);
        return;
    }
    access_keep_told(c, access->now);
    access_credentials_free(access->now);
    access->now = c;
    if (c->tls && l->open)
        rpc_server_set_tls(access->core->rpc_server, c->tls);
    else if (c->tls)
        rpc_server_verify_again(access->core->rpc_server, c->tls);
}
