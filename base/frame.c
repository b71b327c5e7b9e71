/* Frames on the channel between daemon and agent; see frame.h. */
#include "base/frame.h"

#include <string.h>

static const uint32_t magic = 0x31524742;        /* "BGR1" */
static const uint32_t trailer_key = 0x9e3779b9u; /* any odd constant without zero bytes */

static void put_u32(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)(v >> 16);
    out[3] = (uint8_t)(v >> 24);
}

static uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* Never zero, so that zeros of a preamble never end a frame: the low bit is set. */
static uint32_t trailer_of(uint32_t sequence)
{
    return (sequence * 2 + 1) * trailer_key | 1u;
}

void frame_put_header(uint8_t out[FRAME_HEADER_BYTES], uint32_t len, uint32_t sequence)
{
    put_u32(out, magic);
    put_u32(out + 4, len);
    put_u32(out + 8, sequence);
}

void frame_put_trailer(uint8_t out[FRAME_TRAILER_BYTES], uint32_t sequence)
{
    put_u32(out, trailer_of(sequence));
}

/* Bytes before the first place where a magic is, or may begin at the end of the data. */
static size_t skip_to_magic(const uint8_t *data, size_t len)
{
    uint8_t want[4];
    put_u32(want, magic);
    size_t at = 0;
    while (at < len) {
        const uint8_t *hit = memchr(data + at, want[0], len - at);
        if (!hit)
            return len;
        at = (size_t)(hit - data);
        size_t have = len - at < sizeof(want) ? len - at : sizeof(want);
        if (memcmp(hit, want, have) == 0)
            return at;
        at++;
    }
    return len;
}

enum frame_found frame_find(const uint8_t *data, size_t len, struct frame *frame, size_t *used)
{
    size_t at = skip_to_magic(data, len);
    *used = at;
    if (len - at < FRAME_HEADER_BYTES)
        return FRAME_MORE;
    uint32_t n = get_u32(data + at + 4);
    if (n > FRAME_MAX_PAYLOAD_BYTES) {
        *used = at + 1;
        return FRAME_GARBAGE;
    }
    size_t whole = FRAME_HEADER_BYTES + (size_t)n + FRAME_TRAILER_BYTES;
    if (len - at < whole)
        return FRAME_MORE;
    uint32_t sequence = get_u32(data + at + 8);
    if (get_u32(data + at + FRAME_HEADER_BYTES + n) != trailer_of(sequence)) {
        *used = at + 1;
        return FRAME_GARBAGE;
    }
    *frame = (struct frame){data + at + FRAME_HEADER_BYTES, n, sequence};
    *used = at + whole;
    return FRAME_WHOLE;
}
