/* What a stock client would not send: raw HTTP/2 requests and raw bytes to the server's side. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define UNARY "/banger.test.v1.EchoService/Unary"

/* An HTTP/2 client that takes any headers, and notes what comes back for its stream. */
struct raw {
    struct pair pair;
    nghttp2_session *session;
    char headers[4096]; /* "name: value\n"… */
    size_t body_len;
    uint32_t reset;
    bool closed, goaway;
    const uint8_t *data; /* request body not yet sent */
    size_t data_len;
};

static int raw_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *arg)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct raw *r = arg;
    size_t at = strlen(r->headers);
    snprintf(r->headers + at, sizeof(r->headers) - at, "%.*s: %.*s\n", (int)name_len,
             (const char *)name, (int)value_len, (const char *)value);
    return 0;
}

static int raw_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                       size_t len, void *arg)
{
    (void)session;
    (void)flags;
    (void)id;
    (void)data;
    ((struct raw *)arg)->body_len += len;
    return 0;
}

static int raw_on_one_byte(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                           size_t len, void *arg)
{
    CHECK_INT(len, 1);
    nghttp2_submit_window_update(session, NGHTTP2_FLAG_NONE, id, 1);
    nghttp2_submit_window_update(session, NGHTTP2_FLAG_NONE, 0, 1);
    return raw_on_data(session, flags, id, data, len, arg);
}

static int raw_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    (void)session;
    (void)id;
    struct raw *r = arg;
    r->closed = true;
    r->reset = code;
    return 0;
}

static int raw_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        ((struct raw *)arg)->goaway = true;
    return 0;
}

static ssize_t raw_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                        uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)id;
    (void)source;
    struct raw *r = arg;
    size_t n = r->data_len < room ? r->data_len : room;
    memcpy(to, r->data, n);
    r->data += n;
    r->data_len -= n;
    if (r->data_len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void raw_open(struct raw *r)
{
    *r = (struct raw){0};
    pair_open(&r->pair);
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(cb, raw_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, raw_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, raw_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, raw_on_frame);
    nghttp2_session_client_new2(&r->session, cb, r, option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    nghttp2_submit_settings(r->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void raw_close(struct raw *r)
{
    nghttp2_session_del(r->session);
    pair_close(&r->pair);
}

static void raw_run(struct raw *r)
{
    for (bool moved = true; moved && !r->pair.server_broken;) {
        const uint8_t *data;
        moved = false;
        for (ssize_t n; (n = nghttp2_session_mem_send(r->session, &data)) > 0; moved = true)
            if (wire_conn_receive(r->pair.server, data, (size_t)n, &r->pair.server_err) < 0)
                r->pair.server_broken = true;
        struct buf *b = &r->pair.to_client;
        if (wire_conn_pull(r->pair.server, b, 4096, &r->pair.server_err) < 0)
            r->pair.server_broken = true;
        if (buf_len(b) > 0) {
            nghttp2_session_mem_recv(r->session, buf_data(b), buf_len(b));
            buf_consume(b, buf_len(b));
            moved = true;
        }
    }
}

/* "name: value" lines, then runs; body may be NULL. */
static void raw_request(struct raw *r, const char *const *lines, size_t n_lines, const void *body,
                        size_t body_len)
{
    nghttp2_nv nv[64];
    for (size_t i = 0; i < n_lines; i++) {
        const char *colon = strchr(lines[i] + 1, ':');
        nv[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)lines[i], (uint8_t *)(uintptr_t)(colon + 2),
                             (size_t)(colon - lines[i]), strlen(colon + 2), NGHTTP2_NV_FLAG_NONE};
    }
    r->headers[0] = '\0';
    r->closed = false;
    r->body_len = 0;
    r->data = body;
    r->data_len = body_len;
    nghttp2_data_provider provider = {.read_callback = raw_read};
    nghttp2_submit_request(r->session, NULL, nv, n_lines, body ? &provider : NULL, NULL);
    raw_run(r);
}

#define HEAD ":method: POST", ":scheme: http", ":authority: x"
#define REQUEST(r, body, ...)                                                                      \
    do {                                                                                           \
        static const char *const lines_[] = {__VA_ARGS__};                                         \
        raw_request(r, lines_, sizeof(lines_) / sizeof(lines_[0]), body, sizeof(body) - 1);        \
    } while (0)

static const char empty_message[] = "\0\0\0\0\0";

static void test_plain(void)
{
    struct raw r;
    raw_open(&r);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc+proto");
    CHECK_CONTAINS(r.headers, ":status: 200\n");
    CHECK_CONTAINS(r.headers, "content-type: application/grpc\n");
    CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    CHECK(r.closed);
    CHECK_INT(r.body_len, 5 + 2);
    raw_close(&r);
}

static void test_content_types(void)
{
    static const char *const good[] = {
        "content-type: application/grpc",           "content-type: application/grpc+proto",
        "content-type: application/grpc;charset=x", "content-type: application/grpc+proto;a=b",
        "content-type: application/grpc ; a=b",     "content-type: application/grpc+proto\t; a=b",
        "content-type: Application/gRPC+Proto",     "content-type:  application/grpc "};
    struct raw r;
    raw_open(&r);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *lines[] = {HEAD, (":path: " UNARY), good[i]};
        raw_request(&r, lines, sizeof(lines) / sizeof(lines[0]), empty_message, 5);
        CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    }
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc+json");
    CHECK_CONTAINS(r.headers, ":status: 415\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc x");
    CHECK_CONTAINS(r.headers, ":status: 415\n");
    raw_close(&r);
}

static void test_blanks_in_metadata(void)
{
    struct raw r;
    raw_open(&r);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc",
            "x-one: value \t", "x-two:  value", "x-three:   ");
    CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc",
            "grpc-timeout: 5S ", "x-bin: aGk ");
    CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    raw_close(&r);
}

/* It is told so, and nothing of the call is done. */
static void test_expired_deadline(void)
{
    static const char *const timeouts[] = {"grpc-timeout: 0n", "grpc-timeout: 0S"};
    for (size_t i = 0; i < 2; i++) {
        struct raw r;
        raw_open(&r);
        const char *lines[] = {HEAD, (":path: " UNARY), "content-type: application/grpc",
                               timeouts[i]};
        raw_request(&r, lines, sizeof(lines) / sizeof(lines[0]), empty_message, 5);
        CHECK_CONTAINS(r.headers, "grpc-status: 4\n");
        CHECK_INT(r.body_len, 0);
        raw_close(&r);
    }
}

static void test_http_refusals(void)
{
    struct raw r;
    raw_open(&r);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/json");
    CHECK_CONTAINS(r.headers, ":status: 415\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY);
    CHECK_CONTAINS(r.headers, ":status: 415\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpcweb");
    CHECK_CONTAINS(r.headers, ":status: 415\n");
    REQUEST(&r, empty_message, ":method: GET", ":scheme: http", ":authority: x", ":path: /",
            "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, ":status: 405\n");
    CHECK(r.body_len > 0);
    CHECK_INT(r.pair.server->n_calls, 0);
    raw_close(&r);
}

static void test_grpc_refusals(void)
{
    struct raw r;
    raw_open(&r);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc",
            "grpc-encoding: snappy");
    CHECK_CONTAINS(r.headers, "grpc-status: 12\n");
    CHECK_CONTAINS(r.headers, "grpc-accept-encoding: identity,gzip\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc",
            "grpc-timeout: soon");
    CHECK_CONTAINS(r.headers, "grpc-status: 3\n");
    REQUEST(&r, empty_message, HEAD, ":path: /nowhere", "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "grpc-status: 12\n");
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc",
            "x-bin: not base 64!");
    CHECK_CONTAINS(r.headers, "grpc-status: 3\n");
    REQUEST(&r, "\1\0\0\0\0", HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "grpc-status: 13\n");
    REQUEST(&r, "\0\0\0\0\4\x0a\2\xff\xfe", HEAD, ":path: " UNARY,
            "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "grpc-status: 3\n");
    CHECK_CONTAINS(r.headers, "field text");
    REQUEST(&r, "\0\0\0\0\5ab", HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "ends within a message");
    REQUEST(&r, "", HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "no message");
    REQUEST(&r, "\0\0\0\0\0\0\0\0\0\0", HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "more than one message");
    REQUEST(&r, "\0\xff\xff\xff\xff", HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "grpc-status: 8\n");
    CHECK_INT(r.pair.server->n_calls, 0);
    raw_close(&r);
}

static void test_header_limits(void)
{
    struct raw r;
    raw_open(&r);
    static char big[12 << 10], line[13 << 10];
    memset(big, 'x', sizeof(big) - 1);
    snprintf(line, sizeof(line), "x-big: %s", big);
    const char *lines[] = {HEAD, (":path: " UNARY), "content-type: application/grpc", line, line};
    raw_request(&r, lines, sizeof(lines) / sizeof(lines[0]), empty_message, 5);
    CHECK_CONTAINS(r.headers, "grpc-status: 8\n");
    CHECK_INT(r.pair.server->n_calls, 0);
    raw_close(&r);
}

/* Malformed HTTP: the stream is reset, the connection lives. */
static void test_malformed_http(void)
{
    struct raw r;
    raw_open(&r);
    REQUEST(&r, empty_message, HEAD, "content-type: application/grpc");
    CHECK(r.closed);
    CHECK_INT(r.reset, NGHTTP2_PROTOCOL_ERROR);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "connection: close",
            "content-type: application/grpc");
    CHECK_INT(r.reset, NGHTTP2_PROTOCOL_ERROR);
    REQUEST(&r, empty_message, HEAD, ":path: " UNARY, "content-type: application/grpc");
    CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    raw_close(&r);
}

static void test_garbage(void)
{
    static const char *const inputs[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01",
                                         "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct pair p;
        pair_open(&p);
        CHECK_INT(wire_conn_receive(p.server, (const uint8_t *)inputs[i], strlen(inputs[i]),
                                    &p.server_err),
                  -1);
        CHECK_INT(p.server_err.code, ERR_INVALID);
        pair_close(&p);
    }
    /* The preface, then nonsense: GOAWAY. */
    struct raw r;
    raw_open(&r);
    raw_run(&r);
    static const uint8_t bad[] = {0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 2, 3, 4};
    wire_conn_receive(r.pair.server, bad, sizeof(bad), &r.pair.server_err);
    raw_run(&r);
    CHECK(r.goaway);
    CHECK(wire_conn_is_finished(r.pair.server));
    raw_close(&r);
}

/* Windows of one byte, of the stream and of the connection: the answer leaves a byte at a time, and
 * as many WINDOW_UPDATEs as bytes are no flood. */
static void test_window_of_one_byte(void)
{
    enum { TEXT = 70000 }; /* beyond the connection's first window */
    struct raw r;
    static char body[TEXT + 16];
    raw_open(&r);
    nghttp2_session_del(r.session);
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(cb, raw_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, raw_on_one_byte);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, raw_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, raw_on_frame);
    nghttp2_session_client_new2(&r.session, cb, &r, option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    const nghttp2_settings_entry one = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1};
    nghttp2_submit_settings(r.session, NGHTTP2_FLAG_NONE, &one, 1);
    raw_run(&r);
    const uint8_t head[] = {0,
                            0,
                            (TEXT + 4) >> 16,
                            ((TEXT + 4) >> 8) & 0xff,
                            (TEXT + 4) & 0xff,
                            0x12,
                            0x80 | (TEXT & 0x7f),
                            0x80 | ((TEXT >> 7) & 0x7f),
                            TEXT >> 14};
    memcpy(body, head, sizeof(head));
    const char *lines[] = {HEAD, (":path: " UNARY), "content-type: application/grpc"};
    raw_request(&r, lines, sizeof(lines) / sizeof(lines[0]), body, sizeof(head) + TEXT);
    CHECK(r.closed);
    CHECK_INT(r.reset, NGHTTP2_NO_ERROR);
    CHECK_CONTAINS(r.headers, "grpc-status: 0\n");
    CHECK(r.body_len > TEXT && r.body_len < TEXT + 20);
    CHECK(!r.goaway);
    CHECK_STR(r.pair.server->fault, "");
    CHECK_INT(r.pair.server->queued_bytes, 0);
    raw_close(&r);
}

int main(void)
{
    RUN(test_plain);
    RUN(test_window_of_one_byte);
    RUN(test_content_types);
    RUN(test_blanks_in_metadata);
    RUN(test_expired_deadline);
    RUN(test_http_refusals);
    RUN(test_grpc_refusals);
    RUN(test_header_limits);
    RUN(test_malformed_http);
    RUN(test_garbage);
    return check_end();
}
