/* Hostile HTTP/2; see attacks.h. Each is some megabytes at most: enough that a server which did not
 * mind would be seen to take it all. */
#include "tests/support/attacks.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/wire/gzip.h"
#include "tests/support/attacks_silent.h"

#define SERVICE "/banger.test.v1.EchoService/"
#define UNARY   SERVICE "Unary"
#define STREAM  SERVICE "ClientStream"

enum {
    FLOOD = 200000,  /* frames */
    STREAMS = 20000, /* opened and given up */
    BOMB_BYTES = 64 << 20,
    BOMB_ROOM = 128 << 10,
    LEAVES = 900000,    /* messages of two bytes in one message */
    TABLE_BYTES = 4000, /* a value that just fits HPACK's dynamic table */
};

static void make_settings(struct raw *r)
{
    raw_begin(r);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_SETTINGS, 0, 0, "", 0);
}

static void make_pings(struct raw *r)
{
    raw_begin(r);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_PING, 0, 0, "01234567", 8);
}

static void make_priorities(struct raw *r)
{
    raw_begin(r);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
}

static void make_window_updates(struct raw *r)
{
    raw_begin(r);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
}

static void make_stream_window_updates(struct raw *r)
{
    raw_begin(r);
    raw_headers(r, 1, STREAM);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4);
}

static void make_empty_data(struct raw *r)
{
    raw_begin(r);
    raw_headers(r, 1, STREAM);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_DATA, 0, 1, "", 0);
}

static void make_rapid_reset(struct raw *r)
{
    raw_begin(r);
    for (uint32_t i = 0; i < STREAMS; i++) {
        raw_headers(r, 2 * i + 1, STREAM);
        raw_reset(r, 2 * i + 1);
    }
}

/* CVE-2025-8671: a window beyond its limit is the stream's error, so the server has to reset. */
static void make_you_reset(struct raw *r)
{
    raw_begin(r);
    for (uint32_t i = 0; i < STREAMS; i++) {
        raw_headers(r, 2 * i + 1, STREAM);
        raw_frame(r, RAW_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff", 4);
    }
}

static void make_continuations(struct raw *r)
{
    raw_begin(r);
    raw_frame(r, RAW_HEADERS, 0, 1, "\x83", 1);
    for (int i = 0; i < FLOOD; i++)
        raw_frame(r, RAW_CONTINUATION, 0, 1, "", 0);
}

static void make_endless_headers(struct raw *r)
{
    raw_begin(r);
    raw_endless_headers(r, 1, 4 << 20);
}

/* One large header in HPACK's table, then a byte for each time it comes again. */
static void make_header_bomb(struct raw *r)
{
    static uint8_t first[TABLE_BYTES + 16], more[16000];
    size_t n = 0;
    first[n++] = 0x83;
    first[n++] = 0x40; /* with indexing, new name */
    first[n++] = 1;
    first[n++] = 'x';
    first[n++] = 0x7f; /* length: 127 and … */
    first[n++] = 0x80 | ((TABLE_BYTES - 127) & 0x7f);
    first[n++] = (TABLE_BYTES - 127) >> 7;
    memset(first + n, 'y', TABLE_BYTES);
    raw_begin(r);
    raw_frame(r, RAW_HEADERS, 0, 1, first, n + TABLE_BYTES);
    memset(more, 0xbe, sizeof(more)); /* the newest entry, 62 */
    for (uint32_t i = 0; i < 4; i++)
        raw_frame(r, RAW_CONTINUATION, i == 3 ? RAW_END_HEADERS : 0, 1, more, sizeof(more));
    for (uint32_t i = 1; i < 200; i++) {
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 2 * i + 1, more, sizeof(more));
        raw_reset(r, 2 * i + 1);
    }
}

static void make_bad_hpack(struct raw *r)
{
    raw_begin(r);
    raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff\xff", 7);
}

static void make_oversized_frame(struct raw *r)
{
    raw_begin(r);
    raw_add(r, "\xff\xff\xff\0\0\0\0\0\1 and so on", 19);
}

static void make_http1(struct raw *r)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: banger\r\nAccept: */*\r\n\r\n";
    raw_add(r, text, sizeof(text) - 1);
}

static void make_oversized_messages(struct raw *r)
{
    raw_begin(r);
    for (uint32_t i = 0; i < 100; i++) {
        raw_headers(r, 2 * i + 1, UNARY);
        raw_message(r, 2 * i + 1, UINT32_MAX - i, 16000);
    }
}

/* DATA frames with one message. */
static void add_message(struct raw *r, uint32_t stream, uint8_t flag, const uint8_t *data,
                        size_t len)
{
    const uint8_t head[5] = {flag, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                             (uint8_t)len};
    raw_frame(r, RAW_DATA, 0, stream, head, sizeof(head));
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < 16384 ? len - at : 16384;
        raw_frame(r, RAW_DATA, at + n == len ? RAW_END_STREAM : 0, stream, data + at, n);
    }
}

static void make_gzip_bombs(struct raw *r)
{
    uint8_t *zeros = calloc(1, BOMB_BYTES), *packed = malloc(BOMB_ROOM);
    size_t n = zeros && packed ? gzip_compress(packed, BOMB_ROOM, zeros, BOMB_BYTES) : 0;
    if (n == 0)
        abort();
    raw_begin(r);
    raw_accept(r);
    for (uint32_t i = 0; i < 30; i++) {
        raw_headers_and(r, 2 * i + 1, UNARY, "grpc-encoding", "gzip");
        add_message(r, 2 * i + 1, 1, packed, n);
    }
    free(zeros);
    free(packed);
}

/* Two bytes each; decoded, every one is a struct of its own. */
static void make_amplifying_messages(struct raw *r)
{
    static const uint8_t leaf[] = {0x12, 0x00};
    size_t inner = LEAVES * sizeof(leaf), n = 0;
    uint8_t *message = malloc(inner + 16);
    if (!message)
        abort();
    message[n++] = 0x42; /* nested */
    size_t left = inner;
    for (; left > 0x7f; left >>= 7)
        message[n++] = (uint8_t)(left & 0x7f) | 0x80;
    message[n++] = (uint8_t)left;
    for (size_t i = 0; i < LEAVES; i++, n += sizeof(leaf))
        memcpy(message + n, leaf, sizeof(leaf));
    raw_begin(r);
    raw_accept(r);
    for (uint32_t i = 0; i < 4; i++) {
        raw_headers(r, 2 * i + 1, UNARY);
        add_message(r, 2 * i + 1, 0, message, n);
    }
    free(message);
}

const struct attack attacks[] = {
    {"settings flood", make_settings, "Flooding was detected", true},
    {"ping flood", make_pings, "", true},
    {"priority flood", make_priorities, "too many frames that do nothing", true},
    {"window update flood", make_window_updates, "too many frames that do nothing", true},
    {"window update flood, stream", make_stream_window_updates, "too many frames that do nothing",
     true},
    {"empty data flood", make_empty_data, "too many frames that do nothing", true},
    {"rapid reset", make_rapid_reset, "too many streams reset", true},
    {"made you reset", make_you_reset, "too many", true},
    {"continuation flood", make_continuations, "Too many CONTINUATION frames", true},
    {"endless headers", make_endless_headers, "headers over the limit", true},
    {"header bomb", make_header_bomb, "headers over the limit", true},
    {"malformed header block", make_bad_hpack, "COMPRESSION_ERROR", true},
    {"oversized frame", make_oversized_frame, "FRAME_SIZE_ERROR", true},
    {"HTTP/1", make_http1, "does not speak HTTP/2", true},
    {"oversized messages", make_oversized_messages, "is over the limit of", false},
    {"gzip bombs", make_gzip_bombs, "once unpacked", false},
    {"amplifying messages", make_amplifying_messages, "too much memory to decode", false},
    {"unknown frames", make_unknown_frames, "too many frames that do nothing", true},
    {"padding", make_padding, "too many frames that do nothing", true},
    {"data after the answer", make_late_data, "too many frames that do nothing", true},
    {"trailer bombs", make_trailer_bombs, "headers over the limit", true},
    {"many header fields", make_many_fields, "too many header fields", true},
    {"headers of closed streams", make_late_headers, "STREAM_CLOSED", true},
    {"headers of refused streams", make_refused_headers, "too many frames that do nothing", true},
    {"settings that move windows", make_window_settings, "", true},
    {NULL, NULL, NULL, false},
};
