/* QMP client; see qmp.h. */
#include "daemon/vmm/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

enum {
    QMP_EAGER_TRIES = 64, /* qemu makes its socket some 20 ms after exec */
    QMP_RETRY_FIRST_MS = 3,
    QMP_RETRY_MAX_MS = 1000,
    QMP_OUT_BYTES = 64 * 1024,
    QMP_READ_BYTES = 16 * 1024,
};

struct qmp_command {
    struct list link;
    struct qmp *qmp;
    uint64_t id;
    bool sent;
    char *text; /* owned; JSON and newline */
    struct timer deadline;
    qmp_reply_fn *reply;
    void *arg;
};

/* Commands */

static void qmp_command_free(struct qmp_command *c)
{
    if (!list_empty(&c->link))
        c->qmp->n_commands--;
    list_remove(&c->link);
    timer_done(&c->deadline);
    free(c->text);
    free(c);
}

static void qmp_command_end(struct qmp_command *c, const json_t *value, const struct err *err)
{
    qmp_reply_fn *reply = c->reply;
    void *arg = c->arg;
    qmp_command_free(c);
    if (reply)
        reply(arg, value, err);
}

static void qmp_command_late(void *arg)
{
    struct qmp_command *c = arg;
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "qemu does not answer on %s", c->qmp->path);
    qmp_command_end(c, NULL, &err);
}

/* Ends those that were sent, or all. A reply may add commands or close q: look from the start
 * again. */
static void qmp_end_commands(struct qmp *q, bool all, const struct err *err)
{
    for (;;) {
        struct qmp_command *found = NULL;
        list_foreach(at, &q->commands)
        {
            struct qmp_command *c = container_of(at, struct qmp_command, link);
            if (!found && (all || c->sent))
                found = c;
        }
        if (!found)
            return;
        qmp_command_end(found, NULL, err);
    }
}

/* Connection */

static void qmp_disconnect(struct qmp *q)
{
    watch_done(&q->watch);
    q->watch = (struct watch){.fd = -1};
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
    buf_reset(&q->in);
    buf_reset(&q->out);
}

static void qmp_lose(struct qmp *q, const char *why)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNAVAILABLE, "lost qemu's control socket %s: %s", q->path, why);
    qmp_disconnect(q);
    q->state = QMP_WAITING;
    timer_start(&q->retry, q->retry_ms);
    if (++q->tries > QMP_EAGER_TRIES && q->retry_ms < QMP_RETRY_MAX_MS)
        q->retry_ms *= 2;
    qmp_end_commands(q, false, &err);
}

/* A failed send shows as the end of input, too, and is dealt with there: on an empty stack. */
static void qmp_flush(struct qmp *q)
{
    while (buf_len(&q->out) > 0) {
        ssize_t n = send(q->fd, buf_data(&q->out), buf_len(&q->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_reset(&q->out);
        if (n < 0)
            break;
        buf_consume(&q->out, (size_t)n);
    }
    watch_want(&q->watch, buf_len(&q->out) > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

static void qmp_send_commands(struct qmp *q)
{
    list_foreach(at, &q->commands)
    {
        struct qmp_command *c = container_of(at, struct qmp_command, link);
        if (c->sent)
            continue;
        if (buf_append(&q->out, c->text, strlen(c->text)) < 0)
            break; /* no room: its deadline ends it, or the next flush takes it */
        c->sent = true;
    }
    qmp_flush(q);
}

/* Messages */

static void qmp_take_reply(struct qmp *q, const json_t *message, const json_t *id)
{
    struct err err = ERR_INIT;
    list_foreach(at, &q->commands)
    {
        struct qmp_command *c = container_of(at, struct qmp_command, link);
        if (!c->sent || !json_is_integer(id) || (uint64_t)json_integer_value(id) != c->id)
            continue;
        const json_t *value = json_object_get(message, "return");
        if (!value) {
            const char *text =
                json_string_value(json_object_get(json_object_get(message, "error"), "desc"));
            err_set(&err, ERR_UNKNOWN, "qemu refused: %.300s", text ? text : "no reason given");
        }
        qmp_command_end(c, value, value ? NULL : &err);
        return;
    }
}

/* False: what came is no QMP. */
static bool qmp_take(struct qmp *q, const json_t *message)
{
    const char *event = json_string_value(json_object_get(message, "event"));
    const json_t *id = json_object_get(message, "id");
    if (event) {
        if (q->state == QMP_UP)
            q->events->event(q->arg, event, json_object_get(message, "data"));
        return true;
    }
    if (q->state == QMP_GREETING && json_object_get(message, "QMP")) {
        static const char negotiate[] = "{\"execute\":\"qmp_capabilities\",\"id\":0}\n";
        q->state = QMP_NEGOTIATING;
        buf_append(&q->out, negotiate, sizeof(negotiate) - 1);
        qmp_flush(q);
        return true;
    }
    if (q->state == QMP_NEGOTIATING) {
        if (!json_object_get(message, "return"))
            return false;
        q->state = QMP_UP;
        q->retry_ms = QMP_RETRY_FIRST_MS;
        q->tries = 0;
        qmp_send_commands(q);
        q->events->up(q->arg);
        return true;
    }
    if (q->state != QMP_UP ||
        (!json_object_get(message, "return") && !json_object_get(message, "error")))
        return false;
    qmp_take_reply(q, message, id);
    return true;
}

/* Whole lines that are in. A handler may close or lose the connection: then fd has changed. */
static void qmp_take_lines(struct qmp *q)
{
    while (q->fd >= 0) {
        const uint8_t *data = buf_data(&q->in);
        const uint8_t *end = data ? memchr(data, '\n', buf_len(&q->in)) : NULL;
        if (!end)
            break;
        size_t len = (size_t)(end - data) + 1;
        json_t *message = json_loadb((const char *)data, len, JSON_ALLOW_NUL, NULL);
        buf_consume(&q->in, len);
        bool good = json_is_object(message) && qmp_take(q, message);
        json_decref(message);
        if (!good && q->fd >= 0) {
            qmp_lose(q, "it does not speak QMP");
            return;
        }
    }
    if (q->fd >= 0 && buf_room(&q->in) == 0)
        qmp_lose(q, "it sent a line without end");
}

static void qmp_ready(void *arg, int events)
{
    struct qmp *q = arg;
    if (events & WATCH_WRITE)
        qmp_flush(q);
    if (!(events & WATCH_READ))
        return;
    size_t room = buf_room(&q->in);
    uint8_t *at = buf_reserve(&q->in, room < QMP_READ_BYTES ? room : QMP_READ_BYTES);
    ssize_t n = at ? recv(q->fd, at, room < QMP_READ_BYTES ? room : QMP_READ_BYTES, MSG_DONTWAIT)
                   : (errno = ENOMEM, -1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        qmp_lose(q, n == 0 ? "it was closed" : strerror(errno));
        return;
    }
    buf_commit(&q->in, (size_t)n);
    qmp_take_lines(q);
}

static void qmp_connect(void *arg)
{
    struct qmp *q = arg;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, q->path, sizeof(addr.sun_path));
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (q->fd < 0 || connect(q->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        watch_init(&q->watch, q->loop, q->fd, qmp_ready, q) < 0) {
        qmp_lose(q, strerror(errno));
        return;
    }
    /* The greeting may take as long as qemu is stopped or serves another: waiting costs nothing,
     * and the commands that wait for it have their deadlines. */
    q->state = QMP_GREETING;
    watch_want(&q->watch, WATCH_READ);
}

/* Public */

int qmp_init(struct qmp *q, struct loop *loop, const char *path, const struct qmp_events *events,
             void *arg)
{
    *q = (struct qmp){.loop = loop, .events = events, .arg = arg, .fd = -1, .next_id = 1};
    q->watch.fd = -1;
    snprintf(q->path, sizeof(q->path), "%s", path);
    list_init(&q->commands);
    buf_init(&q->in, QMP_LINE_BYTES);
    buf_init(&q->out, QMP_OUT_BYTES);
    return timer_init(&q->retry, loop, qmp_connect, q);
}

void qmp_open(struct qmp *q)
{
    if (q->state != QMP_CLOSED)
        return;
    q->state = QMP_WAITING;
    q->retry_ms = QMP_RETRY_FIRST_MS;
    q->tries = 0;
    timer_start(&q->retry, 0);
}

void qmp_close(struct qmp *q)
{
    struct err err = ERR_INIT;
    if (q->state == QMP_CLOSED)
        return;
    qmp_disconnect(q);
    timer_stop(&q->retry);
    q->state = QMP_CLOSED;
    err_set(&err, ERR_ABORTED, "the control connection was closed");
    qmp_end_commands(q, true, &err);
}

void qmp_done(struct qmp *q)
{
    if (!q->loop)
        return;
    qmp_disconnect(q);
    q->state = QMP_CLOSED;
    list_foreach(at, &q->commands) qmp_command_free(container_of(at, struct qmp_command, link));
    timer_done(&q->retry);
    buf_done(&q->in);
    buf_done(&q->out);
}

static char *qmp_compose(const char *command, json_t *args, uint64_t id)
{
    json_t *root = args ? json_pack("{s:s, s:o, s:I}", "execute", command, "arguments", args, "id",
                                    (json_int_t)id)
                        : json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)id);
    char *json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    char *text = NULL;
    if (!json || asprintf(&text, "%s\n", json) < 0)
        text = NULL;
    free(json);
    return text;
}

int qmp_call(struct qmp *q, const char *command, json_t *args, int64_t deadline_ms,
             qmp_reply_fn *reply, void *arg, struct err *err)
{
    if (q->state == QMP_CLOSED || q->n_commands >= QMP_COMMANDS_MAX) {
        json_decref(args);
        return err_set(err, ERR_UNAVAILABLE, "qemu cannot be asked to %s: %s", command,
                       q->state == QMP_CLOSED ? "it does not run" : "too many commands wait");
    }
    struct qmp_command *c = calloc(1, sizeof(*c));
    char *text = qmp_compose(command, args, q->next_id);
    if (!c || !text || timer_init(&c->deadline, q->loop, qmp_command_late, c) < 0) {
        free(c);
        free(text);
        return err_sys(err, ENOMEM, "cannot ask qemu to %s", command);
    }
    c->qmp = q;
    c->id = q->next_id++;
    c->text = text;
    c->reply = reply;
    c->arg = arg;
    list_init(&c->link);
    list_add_tail(&q->commands, &c->link);
    q->n_commands++;
    timer_start(&c->deadline, deadline_ms);
    if (q->state == QMP_UP)
        qmp_send_commands(q);
    return 0;
}
