/* Hostile servers at a client's connection, with buffers only: the client gives up after a bounded
 * number of bytes, with calls that end once. */
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/support/raw_http2.h"
#include "tests/unit/rpc/pair.h"

enum { CHUNK_BYTES = 64 << 10, BLOCK_BYTES = 15000, FLOOD = 200000, NEWEST = 0xbe };

static void put_answer(struct raw *r, uint8_t value_len)
{
    uint8_t block[200] = {0x88, 0x5f, 16}; /* 200; content-type */
    size_t n = 3;
    memcpy(block + n, "application/grpc", 16);
    n += 16;
    memcpy(block + n, "\x40\1x", 3); /* with indexing, new name */
    n += 3;
    block[n++] = value_len;
    memset(block + n, 'y', value_len);
    raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 1, block, n + value_len);
}

static void make_trailer_bomb(struct raw *r)
{
    static uint8_t block[BLOCK_BYTES];
    memset(block, NEWEST, sizeof(block));
    put_answer(r, 120);
    raw_frame(r, RAW_HEADERS, RAW_END_STREAM, 1, block, sizeof(block));
    for (int i = 0; i < 4; i++)
        raw_frame(r, RAW_CONTINUATION, i == 3 ? RAW_END_HEADERS : 0, 1, block, sizeof(block));
}

/* The first resets the call, as it makes no sense; the others are of a closed stream then. */
static void make_late_headers(struct raw *r)
{
    static uint8_t block[BLOCK_BYTES] = {0x08, 3, '1', '0', '3'};
    put_answer(r, 120);
    memset(block + 5, NEWEST, sizeof(block) - 5);
    for (int i = 0; i < 100; i++)
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 1, block, sizeof(block));
}

static void make_interim_answers(struct raw *r)
{
    static const uint8_t block[] = {0x08, 3, '1', '0', '3', 0, 1, 'x', 1, 'y'};
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 1, block, sizeof(block));
}

static void make_unknown_frames(struct raw *r)
{
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_UNKNOWN, 0, 0, "", 0);
}

static void make_empty_data(struct raw *r)
{
    put_answer(r, 1);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_DATA, 0, 1, "", 0);
}

static void make_window_updates(struct raw *r)
{
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
}

static const struct {
    const char *name;
    void (*make)(struct raw *r);
} servers[] = {
    {"trailer bomb", make_trailer_bomb},       {"late headers", make_late_headers},
    {"interim answers", make_interim_answers}, {"unknown frames", make_unknown_frames},
    {"empty data", make_empty_data},           {"window updates", make_window_updates},
};

static size_t drain(struct pair *p)
{
    const uint8_t *data;
    size_t total = 0;
    for (ssize_t n; (n = rpc_client_output(p->client, &data, &p->client_err)) > 0;)
        total += (size_t)n;
    return total;
}

static void check_server(int i)
{
    struct pair p;
    struct raw r = {0};
    struct seen s = {0};
    bool broken = false;
    size_t at = 0;
    pair_open(&p);
    raw_frame(&r, RAW_SETTINGS, 0, 0, "", 0);
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    CHECK(call != NULL && drain(&p) > 0);
    servers[i].make(&r);
    while (at < r.len && !broken && !rpc_client_is_finished(p.client)) {
        size_t n = r.len - at < CHUNK_BYTES ? r.len - at : CHUNK_BYTES;
        broken = rpc_client_receive(p.client, r.data + at, n, &p.client_err) < 0;
        at += n;
        if (!broken)
            (void)drain(&p);
    }
    printf("     %-20s %8zu of %8zu bytes: %s\n", servers[i].name, at, r.len,
           broken ? p.client_err.message : "finished");
    CHECK(broken || rpc_client_is_finished(p.client));
    CHECK(at <= 6 * CHUNK_BYTES);
    rpc_client_lost(p.client, &p.client_err);
    CHECK_INT(s.n_closed, 1);
    rpc_call_unref(call);
    raw_done(&r);
    pair_close(&p);
}

static void test_hostile_servers(void)
{
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
        check_server((int)i);
}

/* A server with much to say: windows, pings and data between. */
static void test_true_server(void)
{
    struct pair p;
    struct raw r = {0};
    struct seen s = {0};
    static const uint8_t empty_message[5] = {0};
    pair_open(&p);
    raw_frame(&r, RAW_SETTINGS, 0, 0, "", 0);
    raw_accept(&r);
    put_answer(&r, 1);
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    (void)drain(&p);
    for (int i = 0; i < 20000; i++) {
        raw_frame(&r, RAW_DATA, 0, 1, empty_message, sizeof(empty_message));
        raw_frame(&r, RAW_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
        raw_frame(&r, RAW_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
        CHECK_INT(rpc_client_receive(p.client, r.data, r.len, &p.client_err), 0);
        r.len = 0;
        (void)drain(&p);
    }
    CHECK_INT(s.n_messages, 20000);
    CHECK(!rpc_client_is_finished(p.client));
    rpc_call_unref(call);
    raw_done(&r);
    pair_close(&p);
}

int main(void)
{
    RUN(test_hostile_servers);
    RUN(test_true_server);
    return check_end();
}
