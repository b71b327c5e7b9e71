/* Replies that are packed element by element. */
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { PAYLOAD_BYTES = 100000 };

static uint8_t payload[PAYLOAD_BYTES];

/* A request whose answer has it as its payload. */
static echo_request pieces_request(size_t len)
{
    static char *tags[] = {"pieces"};
    echo_request r = REQUEST_INIT;
    r.text = "text";
    r.payload = (ProtobufCBinaryData){len, payload};
    r.tags = tags;
    r.n_tags = 1;
    return r;
}

static void test_elements_and_the_rest_are_one_message(void)
{
    static const size_t sizes[] = {0, 1, 1000, 2100, PAYLOAD_BYTES};
    struct pair p;
    pair_open(&p);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct seen s = {0};
        echo_request r = pieces_request(sizes[i]);
        struct err e = pair_unary(&p, ECHO_UNARY, &r, &s);
        CHECK_INT(e.code, ERR_NONE);
        CHECK_STR(s.text, "text");
        CHECK_INT(s.last_seq, 1);
        CHECK_INT(s.payload_bytes, protobuf_c_message_get_packed_size(&r.base));
    }
    CHECK_INT(p.server->queued_bytes, 0);
    pair_close(&p);
}

static void test_compressed_as_a_whole(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    p.wire.compress = true;
    echo_request r = pieces_request(PAYLOAD_BYTES);
    const struct rpc_call_options o = {.timeout_ms = 5000};
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_INT(s.payload_bytes, protobuf_c_message_get_packed_size(&r.base));
    CHECK(rpc_call_message_was_compressed(call));
    CHECK_INT(p.server->queued_bytes, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_an_error_takes_the_elements_back(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    echo_request r = pieces_request(1000);
    r.fail_code = ERR_NOT_FOUND;
    r.fail_reason = "GONE";
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NOT_FOUND);
    CHECK_INT(s.n_messages, 0);
    CHECK_INT(p.server->queued_bytes, 0);
    pair_close(&p);
}

static void test_over_the_limit(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    p.server->limits.max_queued_bytes = PAYLOAD_BYTES;
    echo_request r = pieces_request(PAYLOAD_BYTES);
    struct err e = pair_unary(&p, ECHO_UNARY, &r, &s);
    CHECK_INT(e.code, ERR_LIMIT);
    CHECK_INT(s.n_messages, 0);
    CHECK_INT(p.server->queued_bytes, 0);
    pair_close(&p);
}

int main(void)
{
    RUN(test_elements_and_the_rest_are_one_message);
    RUN(test_compressed_as_a_whole);
    RUN(test_an_error_takes_the_elements_back);
    RUN(test_over_the_limit);
    return check_end();
}
