/* What is told of certificates, lists and the listener: ahead of time, in the log, and when asked;
 * see access_internal.h and access.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/core.h"
#include "daemon/core/host/host_check.h"

enum { DAY_S = 24 * 3600 };

/* How near an end is; each is told once. */
enum access_ahead { AHEAD_FAR, AHEAD_30_DAYS, AHEAD_7_DAYS, AHEAD_1_DAY, AHEAD_PAST, AHEAD_EARLY };

static enum access_ahead ahead_of(const struct access_dated *d, int64_t now_s)
{
    switch (pki_when(&d->dates, now_s)) {
    case PKI_NOT_YET:
        return AHEAD_EARLY;
    case PKI_EXPIRED:
        return AHEAD_PAST;
    default:
        break;
    }
    int64_t left_s = d->dates.ends_s == INT64_MAX ? INT64_MAX : d->dates.ends_s - now_s;
    if (left_s <= DAY_S)
        return AHEAD_1_DAY;
    if (left_s <= 7 * DAY_S)
        return AHEAD_7_DAYS;
    return left_s <= 30 * DAY_S ? AHEAD_30_DAYS : AHEAD_FAR;
}

static const char *const names[] = {
    [ACCESS_OWN_CA] = "host CA",      [ACCESS_OWN_SERVER] = "host certificate",
    [ACCESS_SITE_CA] = "ca_file",     [ACCESS_SITE_SERVER] = "certificate_file",
    [ACCESS_CRL] = "revocation list",
};

static const char *const fixes[] = {
    [ACCESS_OWN_CA] = "banger auth init",
    [ACCESS_OWN_SERVER] = "banger auth init",
    [ACCESS_SITE_CA] = "put a newer one there and send the daemon a SIGHUP",
    [ACCESS_SITE_SERVER] = "put a newer one there and send the daemon a SIGHUP",
    [ACCESS_CRL] =
        "put a newer one there and send a SIGHUP; expired, it shuts its CA's clients out",
};

static void describe(char text[TEXT_BYTES], const struct access_dated *d, int64_t now_s)
{
    char then[PKI_TIME_BYTES], now[PKI_TIME_BYTES];
    pki_time_text(now, now_s);
    int64_t left_s = d->dates.ends_s - now_s;
    switch (ahead_of(d, now_s)) {
    case AHEAD_EARLY:
        snprintf(
            text, TEXT_BYTES,
            "%.200s is not yet valid: it begins at %s, and the clock says %s: is the clock right?",
            d->path, pki_time_text(then, d->dates.begins_s), now);
        return;
    case AHEAD_PAST:
        snprintf(text, TEXT_BYTES, "%.200s has expired: it ended at %s, and the clock says %s",
                 d->path, pki_time_text(then, d->dates.ends_s), now);
        return;
    default:
        break;
    }
    if (d->dates.ends_s == INT64_MAX)
        snprintf(text, TEXT_BYTES, "%.200s says of no end", d->path);
    else
        snprintf(text, TEXT_BYTES, "%.200s ends at %s, in %" PRId64 " %s", d->path,
                 pki_time_text(then, d->dates.ends_s),
                 left_s >= 2 * DAY_S ? left_s / DAY_S : left_s / 3600,
                 left_s >= 2 * DAY_S ? "days" : "hours");
}

/* What the daemon renews by itself is told of only when that has not happened. */
static bool is_quiet(const struct access_dated *d, enum access_ahead ahead)
{
    bool own = d->what == ACCESS_OWN_CA || d->what == ACCESS_OWN_SERVER;
    return ahead == AHEAD_FAR || (own && ahead == AHEAD_30_DAYS);
}

void access_tell_ahead(struct access *access, int64_t now_s)
{
    char text[TEXT_BYTES];
    struct access_credentials *c = access->now;
    for (size_t i = 0; c && i < c->n_dated; i++) {
        struct access_dated *d = &c->dated[i];
        enum access_ahead ahead = ahead_of(d, now_s);
        if ((int)ahead == d->told)
            continue;
        d->told = (int)ahead;
        if (is_quiet(d, ahead))
            continue;
        describe(text, d, now_s);
        if (ahead >= AHEAD_PAST)
            log_error("bangerd", "%s: %s (%s)", names[d->what], text, fixes[d->what]);
        else
            log_warn("bangerd", "%s: %s (%s)", names[d->what], text, fixes[d->what]);
    }
}

void access_keep_told(struct access_credentials *next, const struct access_credentials *before)
{
    for (size_t i = 0; before && i < next->n_dated; i++)
        for (size_t k = 0; k < before->n_dated; k++) {
            struct access_dated *d = &next->dated[i];
            const struct access_dated *b = &before->dated[k];
            if (d->what == b->what && d->dates.ends_s == b->dates.ends_s &&
                d->dates.begins_s == b->dates.begins_s && strcmp(d->path, b->path) == 0)
                d->told = b->told;
        }
}

static void add(struct host_check *checks, size_t max, size_t *n, const char *name,
                enum host_check_result result, const char *message, const char *fix)
{
    if (*n == max)
        return;
    struct host_check *c = &checks[(*n)++];
    *c = (struct host_check){.name = name, .result = result};
    snprintf(c->message, sizeof(c->message), "%s", message);
    snprintf(c->fix, sizeof(c->fix), "%s", result == HOST_CHECK_OK ? "" : fix);
}

static const char *why_closed(const struct access_listen *l)
{
    return l->closed.code == ERR_NONE ? "the certificates are being read" : l->closed.message;
}

static void add_listener(const struct access *access, struct host_check *checks, size_t max,
                         size_t *n)
{
    const struct access_listen *l = &access->listen;
    const char *reason = l->closed.reason;
    char text[TEXT_BYTES];
    if (l->open)
        snprintf(text, sizeof(text), "listens on %s", l->address);
    else
        snprintf(text, sizeof(text), "closed on %s%s%s: %s", l->address, *reason ? ", " : "",
                 reason, why_closed(l));
    bool address = strcmp(l->closed.reason, "ADDRESS_UNAVAILABLE") == 0;
    add(checks, max, n, "TCP", l->open ? HOST_CHECK_OK : HOST_CHECK_FAILED, text,
        address ? "free that address, or listen on another; it opens by itself"
                : "banger auth init, or set right what is named; it opens by itself");
    if (l->failed.code != ERR_NONE)
        add(checks, max, n, "certificates", HOST_CHECK_WARNING, l->failed.message,
            "those read before stay in use: set it right and send the daemon a SIGHUP");
    if (access->now && access->now->not_renewed.code != ERR_NONE)
        add(checks, max, n, "renewal", HOST_CHECK_WARNING, access->now->not_renewed.message,
            "the host's own certificates cannot be renewed: set it right, or banger auth init");
}

size_t access_diagnose(const struct core *core, struct host_check *checks, size_t max)
{
    const struct access *access = core->access;
    const struct access_credentials *c = access->now;
    int64_t now_s = clock_real_ns() / 1000000000;
    char text[TEXT_BYTES];
    size_t n = 0;
    if (!access->listen.address[0])
        return 0;
    add_listener(access, checks, max, &n);
    for (size_t i = 0; c && i < c->n_dated; i++) {
        const struct access_dated *d = &c->dated[i];
        enum access_ahead ahead = ahead_of(d, now_s);
        enum host_check_result result = HOST_CHECK_OK;
        if (!is_quiet(d, ahead))
            result = ahead >= AHEAD_PAST ? HOST_CHECK_FAILED : HOST_CHECK_WARNING;
        describe(text, d, now_s);
        add(checks, max, &n, names[d->what], result, text, fixes[d->what]);
    }
    return n;
}

void access_status(const struct core *core, struct access_status *status)
{
    const struct access_listen *l = &core->access->listen;
    *status = (struct access_status){.address = l->open ? l->address : "", .problem = ""};
    if (l->address[0] && !l->open)
        status->problem = why_closed(l);
}
