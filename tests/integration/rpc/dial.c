/* Blocking clients; see dial.h. */
#include "tests/integration/rpc/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { BUFFER_BYTES = 16 << 20, BLOCK_BYTES = 64 << 10, TLS_STEP_BYTES = 1 << 20, HEAD_BYTES = 9 };

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "FATAL %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void dial_init(struct dial *d)
{
    *d = (struct dial){.fd = -1};
    buf_init(&d->plain, BUFFER_BYTES);
    buf_init(&d->out, BUFFER_BYTES);
    buf_init(&d->frames, BUFFER_BYTES);
}

void dial_unix(struct dial *d, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    dial_init(d);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(d->fd >= 0 && connect(d->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, path);
}

void dial_tls(struct dial *d, uint16_t port, const char *ca_pem, const struct cert *cert)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct tls_config config = {.ca_pem = ca_pem,
                                      .certificate_pem = cert ? cert->certificate : NULL,
                                      .key_pem = cert ? cert->key : NULL};
    int one = 1;
    dial_init(d);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(d->fd >= 0 && connect(d->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "TCP");
    must(setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0, "TCP_NODELAY");
    d->context = tls_context_new(&config, &d->why);
    d->tls = d->context ? tls_new(d->context, "127.0.0.1", &d->why) : NULL;
    must(d->tls && tls_start(d->tls, &d->out, &d->why) == 0, d->why.message);
}

void dial_done(struct dial *d)
{
    rpc_client_free(d->rpc);
    tls_free(d->tls);
    tls_context_unref(d->context);
    close(d->fd);
    buf_done(&d->plain);
    buf_done(&d->out);
    buf_done(&d->frames);
}

void dial_client(struct dial *d)
{
    d->rpc = rpc_client_new("localhost", &d->why);
    must(d->rpc != NULL, "client");
}

static void dial_lose(struct dial *d, const struct err *why)
{
    if (d->lost)
        return;
    d->lost = true;
    d->why = *why;
    if (d->rpc)
        rpc_client_lost(d->rpc, why);
}

/* Looks for GOAWAY among the frames that came. */
static void dial_frames(struct dial *d)
{
    const uint8_t *f = buf_data(&d->frames);
    for (size_t len; buf_len(&d->frames) >= HEAD_BYTES; f = buf_data(&d->frames)) {
        len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        if (buf_len(&d->frames) < HEAD_BYTES + len)
            return;
        if (f[3] == NGHTTP2_GOAWAY && len >= 8) {
            d->goaway = true;
            d->goaway_code = (uint32_t)f[HEAD_BYTES + 6] << 8 | f[HEAD_BYTES + 7];
            snprintf(d->goaway_text, sizeof(d->goaway_text), "%.*s", (int)(len - 8),
                     (const char *)f + HEAD_BYTES + 8);
        }
        buf_consume(&d->frames, HEAD_BYTES + len);
    }
}

static void dial_take(struct dial *d, const uint8_t *data, size_t len)
{
    struct err err = ERR_INIT;
    if (d->rpc) {
        (void)rpc_client_receive(d->rpc, data, len, &err); /* GOAWAY has told the calls */
        return;
    }
    must(buf_append(&d->frames, data, len) == 0, "answers");
    dial_frames(d);
}

static void dial_receive(struct dial *d)
{
    static _Thread_local uint8_t block[BLOCK_BYTES];
    struct err err = ERR_INIT;
    ssize_t n = recv(d->fd, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        err_set(&err, ERR_UNAVAILABLE, "the server closed the connection");
        dial_lose(d, &err);
    } else if (!d->tls) {
        dial_take(d, block, (size_t)n);
    } else if (tls_receive(d->tls, block, (size_t)n, &d->plain, &d->out, &err) < 0) {
        dial_lose(d, &err);
    } else {
        dial_take(d, buf_data(&d->plain), buf_len(&d->plain));
        buf_consume(&d->plain, buf_len(&d->plain));
    }
}

static void dial_send(struct dial *d)
{
    for (;;) {
        size_t len = buf_len(&d->out);
        if (len == 0)
            return;
        if (d->step && len > d->step)
            len = d->step;
        ssize_t n = send(d->fd, buf_data(&d->out), len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            buf_consume(&d->out, buf_len(&d->out)); /* what the server said is still to be read */
        if (n < 0)
            return;
        buf_consume(&d->out, (size_t)n);
    }
}

void dial_queue(struct dial *d, const uint8_t *data, size_t len)
{
    struct err err = ERR_INIT;
    if (!d->tls)
        must(buf_append(&d->out, data, len) == 0, "queue");
    else if (tls_send(d->tls, data, len, &d->out, &err) < 0)
        dial_lose(d, &err);
}

void dial_turn(struct dial *d, int wait_ms)
{
    struct err err = ERR_INIT;
    const uint8_t *data;
    ssize_t n;
    while (d->rpc && !d->lost && (!d->tls || tls_is_ready(d->tls)) &&
           buf_len(&d->out) < TLS_STEP_BYTES && (n = rpc_client_output(d->rpc, &data, &err)) > 0)
        dial_queue(d, data, (size_t)n);
    dial_send(d);
    struct pollfd p = {.fd = d->fd, .events = POLLIN};
    if (buf_len(&d->out) > 0)
        p.events |= POLLOUT;
    if (poll(&p, 1, wait_ms) > 0 && (p.revents & ~POLLOUT))
        dial_receive(d);
}

bool dial_shake(struct dial *d)
{
    int64_t end = clock_mono_ms() + DIAL_WAIT_MS;
    while (!d->lost && !tls_is_ready(d->tls) && clock_mono_ms() < end)
        dial_turn(d, 100);
    return !d->lost && tls_is_ready(d->tls);
}

void dial_push(struct dial *d, const void *data, size_t len)
{
    int64_t end = clock_mono_ms() + DIAL_WAIT_MS;
    const uint8_t *at = data;
    while (!d->lost && (len > 0 || buf_len(&d->out) > 0) && clock_mono_ms() < end) {
        size_t n = len < BLOCK_BYTES ? len : BLOCK_BYTES;
        if (n > 0 && buf_len(&d->out) < TLS_STEP_BYTES) {
            dial_queue(d, at, n);
            at += n;
            len -= n;
        }
        dial_turn(d, buf_len(&d->out) < TLS_STEP_BYTES ? 0 : 100);
    }
}

bool dial_await_end(struct dial *d, int64_t wait_ms)
{
    int64_t end = clock_mono_ms() + wait_ms, left;
    while (!d->lost && (left = end - clock_mono_ms()) > 0)
        dial_turn(d, (int)left);
    return d->lost;
}

struct echo {
    int n_messages, n_closed;
    size_t payload_bytes;
    bool right;
    struct err status;
};

static void echo_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    struct echo *e = arg;
    const echo_response *r = (const echo_response *)message;
    e->n_messages++;
    e->payload_bytes += r->payload.len;
    for (size_t i = 0; i < r->payload.len; i++)
        e->right &= r->payload.data[i] == (uint8_t)(i * 31 + strlen(r->text));
}

static void echo_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    struct echo *e = arg;
    e->n_closed++;
    e->status = *status;
}

bool dial_echo(struct dial *d, const char *text, size_t payload_bytes)
{
    static const struct rpc_call_events events = {.message = echo_message, .closed = echo_closed};
    struct echo e = {.right = true};
    echo_request r = BANGER__TEST__V1__ECHO_REQUEST__INIT;
    uint8_t *payload = malloc(payload_bytes + 1);
    for (size_t i = 0; i < payload_bytes; i++)
        payload[i] = (uint8_t)(i * 31 + strlen(text));
    r.text = (char *)(uintptr_t)text;
    r.payload = (ProtobufCBinaryData){payload_bytes, payload};
    const struct rpc_call_options o = {.timeout_ms = -1};
    struct rpc_call *call =
        rpc_client_start(d->rpc, echo_method(ECHO_UNARY), &o, &r.base, &events, &e, &d->why);
    int64_t end = clock_mono_ms() + DIAL_WAIT_MS;
    while (call && e.n_closed == 0 && clock_mono_ms() < end)
        dial_turn(d, 100);
    if (e.n_closed > 0 && e.status.code != ERR_NONE)
        d->why = e.status;
    else if (call && e.n_closed == 0)
        err_set(&d->why, ERR_DEADLINE, "no answer in %d s", DIAL_WAIT_MS / 1000);
    bool well = e.n_closed == 1 && e.status.code == ERR_NONE && e.n_messages == 1 && e.right &&
                e.payload_bytes == payload_bytes;
    if (e.n_closed == 0 && call)
        rpc_call_cancel(call);
    rpc_call_unref(call);
    free(payload);
    return well;
}
