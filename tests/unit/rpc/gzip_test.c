/* gzip: single messages, negotiation on both sides, bombs; and metadata of responses. */
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/gzip.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { BODY = 300000 };

static uint8_t body[BODY], packed[BODY];

static int unpack(const uint8_t *data, size_t len, size_t max, size_t *n, struct err *err)
{
    struct buf b;
    buf_init(&b, max + 1);
    err_clear(err);
    int rv = gzip_decompress(&b, max, data, len, err);
    if (n)
        *n = buf_len(&b);
    if (rv == 0 && buf_len(&b) <= BODY)
        CHECK(buf_len(&b) == 0 || memcmp(buf_data(&b), body, buf_len(&b)) == 0);
    buf_done(&b);
    return rv;
}

static void test_round_trip(void)
{
    static const size_t sizes[] = {1, 100, 511, 512, 4096, 65537, BODY};
    struct err err;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n, len = gzip_compress(packed, sizeof(packed), body, sizes[i]);
        CHECK(len > 0);
        CHECK_INT(unpack(packed, len, BODY, &n, &err), 0);
        CHECK_INT(n, sizes[i]);
        /* Exactly the limit passes, one byte over does not. */
        CHECK_INT(unpack(packed, len, sizes[i], NULL, &err), 0);
        CHECK_INT(unpack(packed, len, sizes[i] - 1, &n, &err), -1);
        CHECK_INT(err.code, ERR_LIMIT);
        CHECK(n <= sizes[i]);
    }
    CHECK_INT(gzip_compress(packed, 10, body, 1000), 0);
}

static void test_malformed(void)
{
    struct err err;
    size_t len = gzip_compress(packed, sizeof(packed), body, 5000);
    for (size_t cut = 0; cut < len; cut++) {
        CHECK_INT(unpack(packed, cut, BODY, NULL, &err), -1);
        CHECK_INT(err.code, ERR_INTERNAL);
    }
    packed[len] = 0; /* bytes behind the member */
    CHECK_INT(unpack(packed, len + 1, BODY, NULL, &err), -1);
    packed[len - 6] ^= 1; /* the checksum */
    CHECK_INT(unpack(packed, len, BODY, NULL, &err), -1);
    CHECK_INT(err.code, ERR_INTERNAL);
    CHECK_INT(unpack((const uint8_t *)"not gzip", 8, BODY, NULL, &err), -1);
}

/* RFC 1952 2.2: one behind the other, empty ones too. */
static void test_several_members(void)
{
    static const size_t sizes[] = {3000, 1, 5000};
    struct err err;
    size_t at = 0, from = 0, n;
    for (size_t i = 0; i < 3; i++) {
        at += gzip_compress(packed + at, sizeof(packed) - at, body + from, sizes[i]);
        from += sizes[i];
        at += gzip_compress(packed + at, sizeof(packed) - at, body, 0);
    }
    CHECK_INT(unpack(packed, at, BODY, &n, &err), 0);
    CHECK_INT(n, from);
    CHECK_INT(unpack(packed, at, from - 1, NULL, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_INT(unpack(packed, at - 1, BODY, NULL, &err), -1);
    CHECK_INT(err.code, ERR_INTERNAL);
}

static struct rpc_call *start(struct pair *p, const echo_request *r, bool compress, struct seen *s)
{
    const struct rpc_call_options o = {.compress = compress};
    return pair_start(p, ECHO_UNARY, &o, r, s);
}

static void test_both_ways(void)
{
    struct pair p;
    static char *gzip[] = {"gzip"};
    for (int how = 0; how < 4; how++) {
        struct seen s = {0};
        echo_request r = REQUEST_INIT;
        pair_open(&p);
        r.text = "twice";
        r.payload = (ProtobufCBinaryData){BODY, body};
        r.tags = gzip;
        r.n_tags = how & 2 ? 1 : 0;
        struct rpc_call *call = start(&p, &r, how & 1, &s);
        CHECK_INT(rpc_call_set_compression(call, true), how & 1 ? 0 : -1);
        pair_run(&p);
        CHECK_INT(s.status.code, ERR_NONE);
        CHECK_INT(s.payload_bytes, BODY);
        CHECK_STR(s.text, "twice");
        CHECK_INT(p.stats.n_compressed, how & 1);
        CHECK_INT(rpc_call_message_was_compressed(call), how >> 1);
        rpc_call_unref(call);
        pair_close(&p);
    }
}

static void test_server_wide(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    p.wire.compress = true;
    r.payload = (ProtobufCBinaryData){BODY, body};
    struct rpc_call *call = start(&p, &r, false, &s);
    pair_run(&p);
    CHECK_INT(s.payload_bytes, BODY);
    CHECK(rpc_call_message_was_compressed(call));
    rpc_call_unref(call);
    /* What does not become smaller goes as it is. */
    s = (struct seen){0};
    r.payload.len = 0;
    r.text = "x";
    call = start(&p, &r, false, &s);
    pair_run(&p);
    CHECK_STR(s.text, "x");
    CHECK(!rpc_call_message_was_compressed(call));
    rpc_call_unref(call);
    pair_close(&p);
}

/* Each message of a stream for itself, some compressed, some not. */
static void test_stream(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    const struct rpc_call_options o = {.compress = true};
    pair_open(&p);
    p.step = 7;
    r.payload = (ProtobufCBinaryData){20000, body};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, &o, NULL, &s);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(rpc_call_set_compression(call, i % 2 == 0), 0);
        CHECK_INT(rpc_call_send(call, &r.base), 0);
        pair_run(&p);
    }
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_INT(s.payload_bytes, 6 * 20000);
    CHECK(s.in_order);
    rpc_call_unref(call);
    pair_close(&p);
}

/* A megabyte and more from a kilobyte: refused, without its memory. */
static void test_bomb(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    size_t len = 5 << 20;
    uint8_t *zeros = calloc(1, len);
    pair_open(&p);
    r.payload = (ProtobufCBinaryData){len, zeros};
    /* The sending side's own limit is the method's; only the receiver's is of interest here. */
    struct rpc_method method = *echo_method(ECHO_UNARY);
    method.max_request_bytes = 0;
    const struct rpc_call_options o = {.compress = true};
    struct rpc_call *call =
        rpc_client_start(p.client, &method, &o, &r.base, &seen_events, &s, &p.client_err);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_LIMIT);
    CHECK_CONTAINS(s.status.message, "once unpacked");
    CHECK_INT(p.stats.n_compressed, 0);
    rpc_call_unref(call);
    free(zeros);
    pair_close(&p);
}

static void check_metadata(const struct rpc_call *call, const char *kind, const char *bytes,
                           size_t n_bytes)
{
    char key[32];
    size_t len = 0;
    snprintf(key, sizeof(key), "x-%s", kind);
    CHECK_STR(rpc_call_metadata(call, key, NULL), "plain");
    snprintf(key, sizeof(key), "x-%s-bin", kind);
    const char *value = rpc_call_metadata(call, key, &len);
    CHECK(value && len == n_bytes && memcmp(value, bytes, len) == 0);
}

/* The keys, in order, joined by blanks. */
static void list_keys(const struct rpc_call *call,
                      bool (*next)(const struct rpc_call *, size_t *, struct rpc_metadata *),
                      char text[200])
{
    struct rpc_metadata m;
    text[0] = '\0';
    for (size_t at = 0; next(call, &at, &m);)
        snprintf(text + strlen(text), 200 - strlen(text), "%s%s", *text ? " " : "", m.key);
}

/* Headers and trailers are told apart; an answer of nothing but an error has one block only. */
static void test_headers_apart_from_trailers(void)
{
    static char *tags[] = {"header", "trailer"};
    static const struct {
        bool fails, has_headers;
        const char *headers, *trailers;
    } cases[] = {
        {false, true, "x-header x-header-bin", "x-trailer x-trailer-bin"},
        {true, true, "x-header x-header-bin", "grpc-status-details-bin x-trailer x-trailer-bin"},
        {true, false, "", "grpc-status-details-bin x-trailer x-trailer-bin"},
    };
    struct pair p;
    char text[200];
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen s = {0};
        r.tags = cases[i].has_headers ? tags : tags + 1;
        r.n_tags = cases[i].has_headers ? 2 : 1;
        r.fail_code = cases[i].fails ? ERR_NOT_FOUND : 0;
        struct rpc_call *call = start(&p, &r, false, &s);
        CHECK(!rpc_call_got_headers(call));
        pair_run(&p);
        CHECK_INT(rpc_call_got_headers(call), cases[i].has_headers);
        list_keys(call, rpc_call_next_header, text);
        CHECK_STR(text, cases[i].headers);
        list_keys(call, rpc_call_next_trailer, text);
        CHECK_STR(text, cases[i].trailers);
        rpc_call_unref(call);
    }
    pair_close(&p);
}

static void test_response_metadata(void)
{
    static char *tags[] = {"header", "trailer"};
    struct pair p;
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    r.tags = tags;
    r.n_tags = 2;
    for (int fail = 0; fail < 2; fail++) {
        struct seen s = {0};
        r.fail_code = fail ? ERR_NOT_FOUND : 0;
        struct rpc_call *call = start(&p, &r, false, &s);
        pair_run(&p);
        CHECK_INT(s.n_closed, 1);
        CHECK_INT(s.status.code, r.fail_code);
        check_metadata(call, "header", "\0\1\2", 3);
        check_metadata(call, "trailer", "\3\2\1\0", 4);
        rpc_call_unref(call);
    }
    pair_close(&p);
}

static void test_outgoing(void)
{
    struct outgoing o;
    struct err err;
    nghttp2_nv nv[OUTGOING_MAX];
    const struct rpc_metadata good[] = {{"a", "1", 1}, {"b-bin", "\xff", 1}, {"c", "", 0}};
    static const struct rpc_metadata bad[] = {{"A", "1", 1},           {"grpc-status", "0", 1},
                                              {":path", "/", 1},       {"x", "line\n", 5},
                                              {"content-type", "", 0}, {"", "x", 1},
                                              {"host", "x", 1},        {"grpc-x", "x", 1},
                                              {"a b", "x", 1},         {"banger-alive-ms", "1", 1},
                                              {"x", "\xc3\xa4", 2},    {"a!", "x", 1}};
    outgoing_init(&o);
    CHECK_INT(outgoing_add(&o, good, 3, &err), 0);
    CHECK_INT(outgoing_put(&o, nv), 3);
    CHECK_INT(nv[1].valuelen, 2);
    CHECK(memcmp(nv[1].value, "/w", 2) == 0);
    const struct rpc_metadata blanks = {"d", " \t in side ", 11};
    CHECK_INT(outgoing_add(&o, &blanks, 1, &err), 0);
    CHECK_INT(outgoing_put(&o, nv), 4);
    CHECK_INT(nv[3].valuelen, 7);
    outgoing_done(&o);
    outgoing_init(&o);
    CHECK_INT(outgoing_add(&o, good, 3, &err), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rpc_metadata two[] = {good[0], bad[i]};
        CHECK_INT(outgoing_add(&o, two, 2, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
        CHECK_INT(outgoing_put(&o, nv), 3);
    }
    static char big[OUTGOING_MAX_BYTES];
    memset(big, 'x', sizeof(big));
    const struct rpc_metadata large = {"large", big, sizeof(big)};
    CHECK_INT(outgoing_add(&o, &large, 1, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    while (outgoing_add(&o, good, 1, &err) == 0)
        ;
    CHECK_INT(o.n, OUTGOING_MAX);
    outgoing_done(&o);
}

int main(void)
{
    for (size_t i = 0; i < BODY; i++)
        body[i] = (uint8_t)(i / 100);
    RUN(test_round_trip);
    RUN(test_malformed);
    RUN(test_several_members);
    RUN(test_both_ways);
    RUN(test_server_wide);
    RUN(test_stream);
    RUN(test_bomb);
    RUN(test_response_metadata);
    RUN(test_headers_apart_from_trailers);
    RUN(test_outgoing);
    return check_end();
}
