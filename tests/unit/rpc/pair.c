/* Client and server in memory; see pair.h. */
#include "tests/unit/rpc/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PULL_BYTES = 64 << 10, PULL_MAX_BYTES = 1 << 20 };

int pair_try_open(struct pair *p)
{
    *p = (struct pair){0};
    struct err err = ERR_INIT;
    router_init(&p->wire.router);
    deadlines_init(&p->deadlines);
    wire_pool_init(&p->pool);
    buf_init(&p->to_client, PULL_MAX_BYTES);
    const struct wire_conn_config config = {
        .server = &p->wire,
        .limits = {.max_streams = 128,
                   .max_message_bytes = 1 << 20,
                   .max_header_list_bytes = 16 << 10,
                   .max_queued_bytes = 16 << 20},
        .deadlines = &p->deadlines,
        .pool = &p->pool,
    };
    if (router_add(&p->wire.router, &echo_rpc_service, &echo_handlers, &p->stats, &err) == 0 &&
        (p->server = wire_conn_new(&config, &err)) &&
        (p->client = rpc_client_new("localhost", &err))) {
        p->server->peer.role = RPC_ROLE_OPERATOR;
        snprintf(p->server->peer.principal, sizeof(p->server->peer.principal), "unix:1000");
        return 0;
    }
    pair_close(p);
    return -1;
}

void pair_open(struct pair *p)
{
    if (pair_try_open(p) < 0)
        abort();
}

void pair_close(struct pair *p)
{
    struct err why;
    err_set(&why, ERR_CANCELLED, "test over");
    rpc_client_free(p->client);
    if (p->server)
        wire_conn_close(p->server, &why);
    wire_conn_unref(p->server);
    router_done(&p->wire.router);
    deadlines_done(&p->deadlines);
    wire_pool_done(&p->pool);
    buf_done(&p->to_client);
}

static bool pair_to_server(struct pair *p)
{
    const uint8_t *data;
    ssize_t n = rpc_client_output(p->client, &data, &p->client_err);
    if (n < 0)
        p->client_broken = true;
    if (n <= 0 || p->server_broken)
        return false;
    for (ssize_t at = 0; at < n && !p->server_broken;) {
        size_t step = p->step && (size_t)(n - at) > p->step ? p->step : (size_t)(n - at);
        if (wire_conn_receive(p->server, data + at, step, &p->server_err) < 0)
            p->server_broken = true;
        at += (ssize_t)step;
    }
    return true;
}

static bool pair_to_client(struct pair *p)
{
    struct buf *b = &p->to_client;
    if (p->server_broken || p->client_broken ||
        wire_conn_pull(p->server, b, PULL_BYTES, &p->server_err) < 0) {
        p->server_broken |= !p->client_broken;
        return false;
    }
    bool any = buf_len(b) > 0;
    while (buf_len(b) > 0 && !p->client_broken) {
        size_t step = p->step && buf_len(b) > p->step ? p->step : buf_len(b);
        if (rpc_client_receive(p->client, buf_data(b), step, &p->client_err) < 0)
            p->client_broken = true;
        buf_consume(b, step);
    }
    return any;
}

void pair_run(struct pair *p)
{
    for (bool moved = true; moved;) {
        moved = pair_to_server(p);
        if (!p->client_deaf)
            moved |= pair_to_client(p);
    }
}

size_t pair_pull_server(struct pair *p, size_t max_bytes)
{
    size_t total = 0, before;
    struct buf b;
    buf_init(&b, PULL_MAX_BYTES);
    do {
        before = total;
        if (wire_conn_pull(p->server, &b, PULL_BYTES, &p->server_err) < 0)
            break;
        total += buf_len(&b);
        buf_consume(&b, buf_len(&b));
    } while (total > before && total < max_bytes);
    buf_done(&b);
    return total;
}

static void seen_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct seen *s = arg;
    const echo_response *r = (const echo_response *)message;
    if (s->n_messages == 0)
        s->in_order = true;
    s->in_order &= r->seq == ++s->n_messages;
    s->last_seq = r->seq;
    s->payload_bytes += r->payload.len;
    snprintf(s->text, sizeof(s->text), "%s", r->text);
    if (s->pause_each)
        rpc_call_pause_reading(call);
}

static void seen_half_closed(void *arg, struct rpc_call *call)
{
    (void)call;
    ((struct seen *)arg)->n_half_closed++;
}

static void seen_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    ((struct seen *)arg)->n_writable++;
}

static void seen_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    struct seen *s = arg;
    s->n_closed++;
    s->status = *status;
}

const struct rpc_call_events seen_events = {seen_message, seen_half_closed, seen_writable,
                                            seen_closed};

struct rpc_call *pair_start(struct pair *p, int method, const struct rpc_call_options *options,
                            const echo_request *request, struct seen *seen)
{
    return rpc_client_start(p->client, echo_method(method), options,
                            request ? &request->base : NULL, &seen_events, seen, &p->client_err);
}

struct err pair_unary(struct pair *p, int method, const echo_request *request, struct seen *seen)
{
    struct seen mine = {0};
    if (!seen)
        seen = &mine;
    struct rpc_call *call = pair_start(p, method, NULL, request, seen);
    if (!call)
        return p->client_err;
    pair_run(p);
    rpc_call_unref(call);
    return seen->status;
}
