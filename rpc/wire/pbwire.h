/* Protocol buffers' wire format, read field by field without any schema. */
#ifndef BANGER_RPC_WIRE_PBWIRE_H
#define BANGER_RPC_WIRE_PBWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_LEN = 2, PB_GROUP = 3, PB_FIXED32 = 5 };
enum { PB_TAG_BYTES = 5 }; /* at most, as other implementations have it */

struct pb_reader {
    const uint8_t *at, *end; /* at == NULL after malformed input */
};

struct pb_field {
    uint32_t id;
    uint8_t wire_type;
    const uint8_t *data; /* the value's bytes; for PB_LEN without the length */
    size_t len;
};

/* Bytes of the varint at `at`, or 0 when it is cut short or longer than ten bytes. */
static inline size_t pb_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    if (at < end && *at < 0x80) {
        *value = *at;
        return 1;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < 10 && at + i < end; i++) {
        v |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (at[i] < 0x80) {
            *value = v;
            return i + 1;
        }
    }
    return 0;
}

/* Bytes of the fields of group id that begin at `at`, with its end; 0: malformed, or groups within
 * groups too deeply. */
size_t pb_group(const uint8_t *at, const uint8_t *end, uint32_t id);

/* False at the end, with at == end, or for malformed input, with at == NULL. */
static inline bool pb_next(struct pb_reader *r, struct pb_field *f)
{
    uint64_t tag, len;
    if (r->at == r->end || !r->at)
        return false;
    size_t n = pb_varint(r->at, r->end, &tag);
    if (n == 0 || n > PB_TAG_BYTES || tag >> 3 == 0 || tag > UINT32_MAX)
        goto malformed;
    const uint8_t *at = r->at + n;
    size_t left = (size_t)(r->end - at);
    f->id = (uint32_t)(tag >> 3);
    f->wire_type = (uint8_t)(tag & 7);
    switch (f->wire_type) {
    case PB_VARINT:
        f->len = pb_varint(at, r->end, &len);
        if (f->len == 0)
            goto malformed;
        break;
    case PB_FIXED64:
        f->len = 8;
        break;
    case PB_FIXED32:
        f->len = 4;
        break;
    case PB_LEN:
        n = pb_varint(at, r->end, &len);
        if (n == 0 || len > left - n)
            goto malformed;
        at += n;
        left -= n;
        f->len = (size_t)len;
        break;
    case PB_GROUP: /* of old schemas: for skipping */
        f->len = pb_group(at, r->end, f->id);
        if (f->len == 0)
            goto malformed;
        break;
    default:
        goto malformed;
    }
    if (f->len > left)
        goto malformed;
    f->data = at;
    r->at = at + f->len;
    return true;
malformed:
    r->at = NULL;
    return false;
}

#endif
