/* Client of Firecracker's API; see firecracker_api.h. */
#include "daemon/vmm/firecracker_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/firecracker_http.h"

enum {
    RETRY_MS = 3,
    OUT_BYTES = 64 * 1024,
    READ_BYTES = 16 * 1024,
    WHAT_BYTES = 48,
    WORDS_BYTES = 300, /* of a refusal */
};

struct firecracker_call {
    struct list link;
    struct firecracker_api *api;
    char what[WHAT_BYTES];
    char *text; /* owned; the request, whole */
    bool sent;
    struct timer deadline;
    firecracker_answer_fn *answered;
    void *arg;
};

static void call_free(struct firecracker_call *c)
{
    if (!list_empty(&c->link))
        c->api->n_calls--;
    list_remove(&c->link);
    timer_done(&c->deadline);
    free(c->text);
    free(c);
}

static void call_end(struct firecracker_call *c, const json_t *value, const struct err *err)
{
    firecracker_answer_fn *answered = c->answered;
    void *arg = c->arg;
    call_free(c);
    if (answered)
        answered(arg, value, err);
}

static struct firecracker_call *first_call(struct firecracker_api *api)
{
    return list_empty(&api->calls) ? NULL
                                   : container_of(api->calls.next, struct firecracker_call, link);
}

/* Connection */

static void disconnect(struct firecracker_api *api)
{
    watch_done(&api->watch);
    api->watch = (struct watch){.fd = -1};
    if (api->fd >= 0)
        close(api->fd);
    api->fd = -1;
    buf_reset(&api->in);
    buf_reset(&api->out);
}

/* The one that was sent has no answer any more; those behind it ask again. */
static void lose(struct firecracker_api *api, const char *why)
{
    struct err err = ERR_INIT;
    struct firecracker_call *c = first_call(api);
    disconnect(api);
    if (api->n_calls > 0)
        timer_start(&api->retry, RETRY_MS);
    if (!c || !c->sent)
        return;
    err_set(&err, ERR_UNAVAILABLE, "firecracker did not answer for %s: %s", c->what, why);
    call_end(c, NULL, &err);
}

static void call_late(void *arg)
{
    struct firecracker_call *c = arg;
    struct firecracker_api *api = c->api;
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "firecracker does not answer for %s", c->what);
    if (c->sent) { /* what it may still say is not the next one's */
        disconnect(api);
        timer_start(&api->retry, RETRY_MS);
    }
    call_end(c, NULL, &err);
}

/* A failed send shows as the end of input, too, and is dealt with there: on an empty stack. */
static void flush(struct firecracker_api *api)
{
    while (buf_len(&api->out) > 0) {
        ssize_t n =
            send(api->fd, buf_data(&api->out), buf_len(&api->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_reset(&api->out);
        if (n < 0)
            break;
        buf_consume(&api->out, (size_t)n);
    }
    watch_want(&api->watch, buf_len(&api->out) > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

static void send_next(struct firecracker_api *api)
{
    struct firecracker_call *c = first_call(api);
    if (!c || c->sent || api->fd < 0 || buf_append(&api->out, c->text, strlen(c->text)) < 0)
        return; /* without room its deadline ends it */
    c->sent = true;
    flush(api);
}

/* Answers */

/* 2xx is yes; all else is a fault with a message. */
static void take(struct firecracker_api *api, const struct firecracker_answer *answer)
{
    struct firecracker_call *c = first_call(api);
    struct err err = ERR_INIT;
    json_t *value = NULL;
    if (answer->body_len > 0)
        value = json_loadb(answer->body, answer->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (answer->status / 100 != 2) {
        const char *words = json_string_value(json_object_get(value, "fault_message"));
        err_set(&err, ERR_UNKNOWN, "firecracker refused %s: %.*s", c->what, WORDS_BYTES,
                words ? words : "no reason given");
    } else if (answer->body_len > 0 && !json_is_object(value)) {
        err_set(&err, ERR_UNAVAILABLE, "firecracker's answer for %s is no object", c->what);
    }
    call_end(c, err.code == ERR_NONE ? value : NULL, err.code == ERR_NONE ? NULL : &err);
    json_decref(value);
}

/* A handler may close the connection: then fd has changed. */
static void take_all(struct firecracker_api *api)
{
    while (api->fd >= 0 && buf_len(&api->in) > 0) {
        struct firecracker_call *c = first_call(api);
        struct firecracker_answer answer;
        struct err err = ERR_INIT;
        size_t used = 0;
        int found = firecracker_answer_parse((const char *)buf_data(&api->in), buf_len(&api->in),
                                             &answer, &used, &err);
        if (found == 0)
            return;
        if (found < 0 || !c || !c->sent) {
            lose(api, found < 0 ? err.message : "it answers what nobody asked");
            return;
        }
        take(api, &answer);
        if (api->fd >= 0)
            buf_consume(&api->in, used);
        send_next(api);
    }
}

static void on_ready(void *arg, int events)
{
    struct firecracker_api *api = arg;
    if (events & WATCH_WRITE)
        flush(api);
    if (!(events & WATCH_READ))
        return;
    size_t room = buf_room(&api->in) < READ_BYTES ? buf_room(&api->in) : READ_BYTES;
    uint8_t *at = room ? buf_reserve(&api->in, room) : NULL;
    ssize_t n = at ? recv(api->fd, at, room, MSG_DONTWAIT) : (errno = ENOBUFS, -1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(api, n == 0 ? "it hung up" : strerror(errno));
        return;
    }
    buf_commit(&api->in, (size_t)n);
    take_all(api);
}

static void try_connect(void *arg)
{
    struct firecracker_api *api = arg;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (api->fd >= 0 || api->n_calls == 0)
        return;
    if (api->find)
        api->find(api->find_arg);
    memcpy(addr.sun_path, api->path, sizeof(addr.sun_path));
    api->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (api->fd < 0 || connect(api->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        watch_init(&api->watch, api->loop, api->fd, on_ready, api) < 0) {
        lose(api, strerror(errno));
        return;
    }
    watch_want(&api->watch, WATCH_READ);
    send_next(api);
}

/* Public */

int firecracker_api_init(struct firecracker_api *api, struct loop *loop, const char *path,
                         void (*find)(void *arg), void *arg)
{
    *api = (struct firecracker_api){
        .loop = loop, .find = find, .find_arg = arg, .fd = -1, .watch = {.fd = -1}};
    snprintf(api->path, sizeof(api->path), "%s", path);
    list_init(&api->calls);
    buf_init(&api->in, FIRECRACKER_ANSWER_BYTES);
    buf_init(&api->out, OUT_BYTES);
    return timer_init(&api->retry, loop, try_connect, api);
}

void firecracker_api_open(struct firecracker_api *api)
{
    api->is_open = true;
}

void firecracker_api_close(struct firecracker_api *api)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_ABORTED, "the control connection was closed");
    api->is_open = false;
    disconnect(api);
    timer_stop(&api->retry);
    for (struct firecracker_call *c; (c = first_call(api));)
        call_end(c, NULL, &err);
}

void firecracker_api_done(struct firecracker_api *api)
{
    if (!api->loop)
        return;
    api->is_open = false;
    disconnect(api);
    for (struct firecracker_call *c; (c = first_call(api));)
        call_free(c);
    timer_done(&api->retry);
    buf_done(&api->in);
    buf_done(&api->out);
}

static char *compose(const char *method, const char *path, const json_t *body)
{
    char *json = body ? json_dumps(body, JSON_COMPACT) : strdup(""), *text = NULL;
    if (!json || asprintf(&text,
                          "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          method, path, strlen(json), json) < 0)
        text = NULL;
    free(json);
    return text;
}

int firecracker_api_call(struct firecracker_api *api, const char *method, const char *path,
                         json_t *body, const char *what, int64_t deadline_ms,
                         firecracker_answer_fn *answered, void *arg, struct err *err)
{
    if (!api->is_open || api->n_calls >= FIRECRACKER_CALLS_MAX) {
        json_decref(body);
        return err_set(err, ERR_UNAVAILABLE, "firecracker cannot be asked for %s: %s", what,
                       api->is_open ? "too many requests wait" : "it does not run");
    }
    struct firecracker_call *c = calloc(1, sizeof(*c));
    char *text = compose(method, path, body);
    json_decref(body);
    if (!c || !text || timer_init(&c->deadline, api->loop, call_late, c) < 0) {
        free(c);
        free(text);
        return err_sys(err, ENOMEM, "cannot ask firecracker for %s", what);
    }
    snprintf(c->what, sizeof(c->what), "%s", what);
    c->api = api;
    c->text = text;
    c->answered = answered;
    c->arg = arg;
    list_init(&c->link);
    list_add_tail(&api->calls, &c->link);
    api->n_calls++;
    timer_start(&c->deadline, deadline_ms);
    if (api->fd >= 0)
        send_next(api);
    else if (!timer_pending(&api->retry))
        timer_start(&api->retry, 0);
    return 0;
}
