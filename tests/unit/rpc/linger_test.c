/* Calls that are answered while their client may still send: no RST_STREAM comes with the answer,
 * which some clients and proxies drop for it, but later, and only to those that it takes. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/support/raw_http2.h"
#include "tests/unit/rpc/pair.h"

#define STREAM "/banger.test.v1.EchoService/ClientStream"

enum { PULL_BYTES = 64 << 10, HEAD_BYTES = 9 };

/* Frames of a type that the server sent for a stream since the last look; all streams: 0. */
struct sent {
    size_t ends, resets, other_resets, stream_updates;
    uint32_t last_reset; /* its stream */
};

static struct sent look(struct pair *p)
{
    struct sent s = {0};
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t before = 1; before != buf_len(&b);) {
        before = buf_len(&b);
        CHECK_INT(wire_conn_pull(p->server, &b, before + PULL_BYTES, &p->server_err), 0);
    }
    while (buf_len(&b) >= HEAD_BYTES) {
        const uint8_t *f = buf_data(&b);
        size_t len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        uint32_t stream = (uint32_t)f[7] << 8 | f[8];
        s.ends += f[3] == RAW_HEADERS && f[4] & RAW_END_STREAM;
        s.stream_updates += f[3] == RAW_WINDOW_UPDATE && stream != 0;
        if (f[3] == RAW_RST_STREAM) {
            s.last_reset = stream;
            ++*(f[HEAD_BYTES + 3] == NGHTTP2_NO_ERROR ? &s.resets : &s.other_resets);
        }
        buf_consume(&b, HEAD_BYTES + len);
    }
    buf_done(&b);
    return s;
}

static void feed(struct pair *p, struct raw *r)
{
    CHECK_INT(wire_conn_receive(p->server, r->data, r->len, &p->server_err), 0);
    r->len = 0;
}

/* A call that fails at its first message, and does not end its request. */
static void put_call(struct raw *r, uint32_t stream)
{
    raw_headers(r, stream, STREAM);
    raw_frame(r, RAW_DATA, 0, stream, "\0\0\0\0\2\x20\x09", 7);
}

static void begin(struct pair *p, struct raw *r)
{
    pair_open(p);
    raw_begin(r);
    raw_accept(r);
    feed(p, r);
    (void)look(p);
}

static void test_no_reset_with_the_answer(void)
{
    struct pair p;
    struct raw r;
    begin(&p, &r);
    put_call(&r, 1);
    feed(&p, &r);
    struct sent s = look(&p);
    CHECK_INT(s.ends, 1);
    CHECK_INT(s.resets + s.other_resets, 0);
    CHECK_INT(p.stats.n_closed, 1); /* the handler is done with it */
    deadlines_run(&p.deadlines, clock_mono_ms() + 20000);
    CHECK_INT(look(&p).resets, 0);
    deadlines_run(&p.deadlines, clock_mono_ms() + 31000);
    CHECK_INT(look(&p).resets, 1);
    CHECK_INT(p.server->n_calls, 0);
    CHECK_INT(p.server->n_lingering, 0);
    CHECK_INT(p.server->calls_bytes, 0);
    raw_done(&r);
    pair_close(&p);
}

/* By END_STREAM or RST_STREAM, whichever it has. */
static void test_the_client_ends_it(void)
{
    for (int how = 0; how < 2; how++) {
        struct pair p;
        struct raw r;
        begin(&p, &r);
        put_call(&r, 1);
        feed(&p, &r);
        CHECK_INT(look(&p).ends, 1);
        if (how == 0)
            raw_frame(&r, RAW_DATA, RAW_END_STREAM, 1, "", 0);
        else
            raw_reset(&r, 1);
        feed(&p, &r);
        CHECK_INT(p.server->n_calls, 0);
        CHECK_INT(p.server->n_lingering, 0);
        deadlines_run(&p.deadlines, clock_mono_ms() + 60000);
        struct sent s = look(&p);
        CHECK_INT(s.resets + s.other_resets, 0);
        CHECK_STR(p.server->fault, "");
        raw_done(&r);
        pair_close(&p);
    }
}

/* Half of the streams may linger: then the oldest goes for the next. */
static void test_many(void)
{
    struct pair p;
    struct raw r;
    begin(&p, &r);
    uint32_t most = p.server->limits.max_streams / 2;
    for (uint32_t i = 0; i < most + 10; i++) {
        put_call(&r, 2 * i + 1);
        feed(&p, &r);
        struct sent s = look(&p);
        CHECK_INT(s.ends, 1);
        CHECK_INT(s.resets, i >= most);
        if (i >= most)
            CHECK_INT(s.last_reset, 2 * (i - most) + 1);
    }
    CHECK_INT(p.server->n_lingering, most);
    CHECK_INT(p.server->n_calls, most);
    raw_done(&r);
    pair_close(&p);
}

/* A draining server waits a second. */
static void test_drain(void)
{
    struct pair p;
    struct raw r;
    begin(&p, &r);
    put_call(&r, 1);
    put_call(&r, 3);
    feed(&p, &r);
    CHECK_INT(look(&p).ends, 2);
    wire_conn_drain(p.server);
    CHECK_INT(look(&p).resets, 0);
    deadlines_run(&p.deadlines, clock_mono_ms() + 1100);
    CHECK_INT(look(&p).resets, 2);
    CHECK_INT(p.server->n_calls, 0);
    raw_done(&r);
    pair_close(&p);
}

/* What still comes is thrown away: the others' window is given back, the stream's is not. */
static void test_late_data(void)
{
    enum { CHUNK = 16000, WINDOW = 1 << 20 };
    static const uint8_t chunk[CHUNK];
    struct pair p;
    struct raw r;
    size_t stream_updates = 0;
    begin(&p, &r);
    put_call(&r, 1);
    feed(&p, &r);
    (void)look(&p);
    for (size_t sent = CHUNK; sent < WINDOW - CHUNK; sent += CHUNK) {
        raw_frame(&r, RAW_DATA, 0, 1, chunk, CHUNK);
        feed(&p, &r);
        stream_updates += look(&p).stream_updates;
    }
    CHECK_INT(stream_updates, 0);
    CHECK(p.server->unconsumed_bytes < WINDOW / 4);
    CHECK_INT(p.server->held_bytes, 0);
    CHECK(!wire_conn_is_finished(p.server));
    raw_done(&r);
    pair_close(&p);
}

int main(void)
{
    RUN(test_no_reset_with_the_answer);
    RUN(test_the_client_ends_it);
    RUN(test_many);
    RUN(test_drain);
    RUN(test_late_data);
    return check_end();
}
