/* Frames by hand; see raw_http2.h. */
#include "tests/support/raw_http2.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_BYTES = 16000 };

void raw_add(struct raw *r, const void *data, size_t len)
{
    if (r->len + len > r->cap) {
        r->cap = 2 * (r->len + len);
        r->data = realloc(r->data, r->cap);
        if (!r->data)
            abort();
    }
    memcpy(r->data + r->len, data, len);
    r->len += len;
}

void raw_frame(struct raw *r, enum raw_type type, uint8_t flags, uint32_t stream,
               const void *payload, size_t len)
{
    uint8_t head[9] = {(uint8_t)(len >> 16),
                       (uint8_t)(len >> 8),
                       (uint8_t)len,
                       (uint8_t)type,
                       flags,
                       (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16),
                       (uint8_t)(stream >> 8),
                       (uint8_t)stream};
    raw_add(r, head, sizeof(head));
    raw_add(r, payload, len);
}

void raw_begin(struct raw *r)
{
    *r = (struct raw){0};
    raw_add(r, RAW_PREFACE, sizeof(RAW_PREFACE) - 1);
    raw_frame(r, RAW_SETTINGS, 0, 0, "", 0);
}

void raw_accept(struct raw *r)
{
    raw_frame(r, RAW_SETTINGS, RAW_ACK, 0, "", 0);
}

void raw_done(struct raw *r)
{
    free(r->data);
}

/* Literal header fields without indexing, strings of less than 127 bytes (RFC 7541 6.2.2). */
static size_t put_text(uint8_t *at, const char *text)
{
    size_t n = strlen(text);
    at[0] = (uint8_t)n;
    memcpy(at + 1, text, n);
    return n + 1;
}

void raw_headers_block(struct raw *r, uint32_t stream, const char *path, const void *more,
                       size_t len)
{
    uint8_t block[FRAME_BYTES] = {0x83, 0x86, 0x04}; /* POST, http, then :path */
    size_t n = 3;
    n += put_text(block + n, path);
    block[n++] = 0x01; /* :authority */
    n += put_text(block + n, "localhost");
    block[n++] = 0x00;
    n += put_text(block + n, "content-type");
    n += put_text(block + n, "application/grpc");
    block[n++] = 0x00;
    n += put_text(block + n, "te");
    n += put_text(block + n, "trailers");
    if (n + len > sizeof(block))
        abort();
    memcpy(block + n, more, len);
    raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, stream, block, n + len);
}

void raw_headers_and(struct raw *r, uint32_t stream, const char *path, const char *name,
                     const char *value)
{
    uint8_t more[512] = {0x00};
    size_t n = 1;
    n += put_text(more + n, name);
    n += put_text(more + n, value);
    raw_headers_block(r, stream, path, more, n);
}

void raw_headers(struct raw *r, uint32_t stream, const char *path)
{
    raw_headers_block(r, stream, path, "", 0);
}

void raw_reset(struct raw *r, uint32_t stream)
{
    raw_frame(r, RAW_RST_STREAM, 0, stream, "\0\0\0\x08", 4);
}

void raw_message(struct raw *r, uint32_t stream, uint32_t claimed, uint32_t len)
{
    static uint8_t block[FRAME_BYTES + 5];
    block[1] = (uint8_t)(claimed >> 24);
    block[2] = (uint8_t)(claimed >> 16);
    block[3] = (uint8_t)(claimed >> 8);
    block[4] = (uint8_t)claimed;
    raw_frame(r, RAW_DATA, 0, stream, block, 5 + (len < FRAME_BYTES ? len : FRAME_BYTES));
}

void raw_endless_headers(struct raw *r, uint32_t stream, size_t bytes)
{
    uint8_t block[FRAME_BYTES];
    size_t n = 0;
    while (n + 128 < sizeof(block)) {
        block[n++] = 0x00;
        n += put_text(block + n, "x-more");
        n += put_text(block + n, "and more, and more, and more, and more, and more, and more");
    }
    raw_frame(r, RAW_HEADERS, 0, stream, block, n);
    for (size_t sent = n; sent < bytes; sent += n)
        raw_frame(r, RAW_CONTINUATION, 0, stream, block, n);
}
