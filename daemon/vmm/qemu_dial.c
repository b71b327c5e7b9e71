/* Connecting to guests; see qemu_dial.h.
 *
 * look -> (close what an earlier daemon left) -> open -> look, connect -> look until qemu has taken
 * the connection, since what it has not taken ends with the port -> close. Each arrow is an answer
 * of qemu's monitor; all on the loop. */
#include "daemon/vmm/qemu_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/qemu_args.h"
#include "daemon/vmm/qmp.h"

enum { DIAL_MS = 5000, LOOKS_MAX = 200 };

bool qemu_dial_parse(const char *line, bool *listening, unsigned *port)
{
    char state[32], address[48];
    int fd;
    if (sscanf(line, " TCP[%31[A-Z_0-9]] %d %47s %u", state, &fd, address, port) != 4)
        return false;
    *listening = strcmp(state, "HOST_FORWARD") == 0;
    return strcmp(address, "127.0.0.1") == 0 && *port > 0 && *port < 65536;
}

void qemu_dial_init(struct qemu_dial *d, struct qmp *qmp)
{
    *d = (struct qemu_dial){.qmp = qmp, .fd = -1};
}

/* err NULL: with the connection. */
static void dial_end(struct qemu_dial *d, const struct err *err)
{
    vmm_dialed_fn *done = d->done;
    void *arg = d->arg;
    int fd = d->fd;
    d->done = NULL;
    d->fd = -1;
    d->busy = d->open = false;
    if ((err || !done) && fd >= 0)
        close(fd);
    if (done)
        done(arg, err ? -1 : fd, err);
}

static void dial_fail(struct qemu_dial *d, const char *why)
{
    struct err err = ERR_INIT;
    char line[80];
    if (d->port) { /* the next one would find it; it may be long in coming */
        snprintf(line, sizeof(line), "hostfwd_remove " QEMU_NETDEV " tcp:127.0.0.1:%u", d->port);
        json_t *args = json_pack("{s:s}", "command-line", line);
        qmp_call(d->qmp, "human-monitor-command", args, DIAL_MS, NULL, NULL, NULL);
    }
    err_set(&err, ERR_UNAVAILABLE, "no way to the guest's port %u: %.200s", d->guest_port, why);
    dial_end(d, &err);
}

/* next comes with qemu's answer. */
static void dial_ask(struct qemu_dial *d, const char *line, qmp_reply_fn *next)
{
    struct err err = ERR_INIT;
    json_t *args = json_pack("{s:s}", "command-line", line);
    if (qmp_call(d->qmp, "human-monitor-command", args, DIAL_MS, next, d, &err) < 0)
        dial_end(d, &err);
}

/* qemu's words; NULL where there are none and the dial has ended. */
static const char *dial_words(struct qemu_dial *d, const json_t *value, const struct err *err)
{
    const char *text = json_string_value(value);
    if (err)
        dial_end(d, err);
    else if (!text)
        dial_fail(d, "qemu says nothing");
    return err ? NULL : text;
}

/* What listens (or a connection of our port), or 0. */
static unsigned dial_find(const struct qemu_dial *d, const char *text, bool want_listening)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        bool listening;
        unsigned port;
        line += *line == '\n';
        if (qemu_dial_parse(line, &listening, &port) && listening == want_listening &&
            (listening || port == d->port))
            return port;
    }
    return 0;
}

static void dial_look(struct qemu_dial *d);

static void dial_close(struct qemu_dial *d, unsigned port, qmp_reply_fn *next)
{
    char line[80];
    snprintf(line, sizeof(line), "hostfwd_remove " QEMU_NETDEV " tcp:127.0.0.1:%u", port);
    dial_ask(d, line, next);
}

static void dial_closed(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_dial *d = arg;
    const char *words = dial_words(d, value, err);
    if (words && !strstr(words, "removed"))
        dial_fail(d, words);
    else if (words)
        dial_end(d, NULL);
}

static void dial_closed_old(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_dial *d = arg;
    if (dial_words(d, value, err))
        dial_look(d);
}

static void dial_opened(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_dial *d = arg;
    const char *words = dial_words(d, value, err);
    if (words && words[strspn(words, " \r\n")])
        dial_fail(d, words);
    else if (words)
        dial_look(d);
}

static int dial_connect(struct qemu_dial *d)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)d->port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (d->fd < 0)
        return -1;
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(d->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return 0;
    return errno == EINPROGRESS ? 0 : -1;
}

/* qemu has it; or has had it, and the guest did not want it. */
static bool dial_is_taken(const struct qemu_dial *d, const char *text)
{
    struct pollfd p = {.fd = d->fd, .events = POLLIN};
    return dial_find(d, text, false) || poll(&p, 1, 0) > 0;
}

static void dial_looked(void *arg, const json_t *value, const struct err *err)
{
    struct qemu_dial *d = arg;
    const char *text = dial_words(d, value, err);
    char line[80];
    if (!text)
        return;
    unsigned port = dial_find(d, text, true);
    if (d->looks++ == LOOKS_MAX) {
        dial_fail(d, "qemu does not take the connection");
    } else if (!d->open && port) {
        dial_close(d, port, dial_closed_old);
    } else if (!d->open) {
        d->open = true;
        snprintf(line, sizeof(line), "hostfwd_add " QEMU_NETDEV " tcp:127.0.0.1:0-:%u",
                 d->guest_port);
        dial_ask(d, line, dial_opened);
    } else if (!port) {
        dial_fail(d, "qemu does not say which port of this host leads to it");
    } else if (d->fd >= 0 && dial_is_taken(d, text)) {
        dial_close(d, d->port, dial_closed);
    } else {
        d->port = port;
        if (d->fd < 0 && dial_connect(d) < 0)
            dial_fail(d, strerror(errno));
        else
            dial_look(d);
    }
}

static void dial_look(struct qemu_dial *d)
{
    dial_ask(d, "info usernet", dial_looked);
}

int qemu_dial_start(struct qemu_dial *d, uint32_t port, vmm_dialed_fn *done, void *arg,
                    struct err *err)
{
    if (d->busy)
        return err_set(err, ERR_UNAVAILABLE, "the way to the guest is just being closed");
    json_t *args = json_pack("{s:s}", "command-line", "info usernet");
    if (qmp_call(d->qmp, "human-monitor-command", args, DIAL_MS, dial_looked, d, err) < 0)
        return -1;
    d->guest_port = port;
    d->done = done;
    d->arg = arg;
    d->busy = true;
    d->open = false;
    d->looks = d->port = 0;
    return 0;
}

void qemu_dial_cancel(struct qemu_dial *d)
{
    d->done = NULL;
}
