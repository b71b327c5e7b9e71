/* gzip of messages, by zlib; see gzip.h. */
#include "rpc/wire/gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    LEVEL = 6,
    GZIP_FORMAT = 16, /* added to zlib's window bits */
    MIN_WINDOW_BITS = 9,
    MAX_WINDOW_BITS = 15,
    STEP_MIN_BYTES = 1 << 10,
    STEP_MAX_BYTES = 256 << 10,
};

static void *gzip_alloc(void *arg, uInt n, uInt size)
{
    (void)arg;
    return calloc(n, size);
}

static void gzip_free(void *arg, void *block)
{
    (void)arg;
    free(block);
}

/* No larger than the message: zlib sets its tables to zero, which costs more than a small message
 * does. */
static int gzip_window_bits(size_t len)
{
    int bits = MIN_WINDOW_BITS;
    while (bits < MAX_WINDOW_BITS && (size_t)1 << bits < len)
        bits++;
    return bits;
}

size_t gzip_compress(uint8_t *to, size_t room, const uint8_t *data, size_t len)
{
    z_stream z = {.zalloc = gzip_alloc, .zfree = gzip_free};
    int bits = gzip_window_bits(len);
    if (len > UINT32_MAX || room > UINT32_MAX ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_FORMAT + bits, bits - 7, Z_DEFAULT_STRATEGY) !=
            Z_OK)
        return 0;
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to;
    z.avail_out = (uInt)room;
    int rv = deflate(&z, Z_FINISH);
    size_t n = room - z.avail_out;
    deflateEnd(&z);
    return rv == Z_STREAM_END ? n : 0;
}

static int gzip_malformed(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "a compressed message is not gzip");
}

/* Inflates the next step. 1: it was the last. */
static int gzip_step(z_stream *z, struct buf *to, size_t step, struct err *err)
{
    uint8_t *at = buf_reserve(to, step);
    if (!at)
        return err_set(err, ERR_LIMIT, "out of memory for a compressed message");
    z->next_out = at;
    z->avail_out = (uInt)step;
    int rv = inflate(z, Z_NO_FLUSH);
    buf_commit(to, step - z->avail_out);
    if (rv == Z_STREAM_END && z->avail_in == 0)
        return 1;
    if (rv == Z_STREAM_END) /* another member (RFC 1952 2.2), or something else */
        return inflateReset(z) == Z_OK ? 0 : gzip_malformed(err);
    if (rv == Z_MEM_ERROR)
        return err_set(err, ERR_LIMIT, "out of memory for a compressed message");
    /* Room left means that the input is at its end, without being whole. */
    return rv == Z_OK && z->avail_out == 0 ? 0 : gzip_malformed(err);
}

int gzip_decompress(struct buf *to, size_t max_bytes, const uint8_t *data, size_t len,
                    struct err *err)
{
    z_stream z = {.zalloc = gzip_alloc, .zfree = gzip_free};
    size_t before = buf_len(to), step = len < STEP_MIN_BYTES / 4 ? STEP_MIN_BYTES : 4 * len;
    int rv = 0;
    if (len > UINT32_MAX || inflateInit2(&z, GZIP_FORMAT + MAX_WINDOW_BITS) != Z_OK)
        return err_set(err, ERR_LIMIT, "out of memory for a compressed message");
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    while (rv == 0) {
        /* One byte more than allowed tells that there is more. */
        size_t left = max_bytes + 1 - (buf_len(to) - before);
        if (step > STEP_MAX_BYTES)
            step = STEP_MAX_BYTES;
        rv = gzip_step(&z, to, step < left ? step : left, err);
        if (rv >= 0 && buf_len(to) - before > max_bytes)
            rv = err_set(err, ERR_LIMIT, "a message is over the limit of %zu bytes once unpacked",
                         max_bytes);
        step *= 2;
    }
    inflateEnd(&z);
    return rv < 0 ? -1 : 0;
}
