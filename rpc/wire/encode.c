/* See encode.h. Fields are walked from the last to the first, elements too; each is written before
 * its length, and that before its tag. */
#include "rpc/wire/encode.h"

#include <string.h>

#include "rpc/wire/pbwire.h"

/* Room for n bytes before what there is, or NULL. (Nothing is put together elsewhere first: a local
 * array costs each call a stack protector.) */
static uint8_t *put_room(struct encoder *e, size_t n)
{
    if (n <= (size_t)(e->at - e->begin))
        return e->at -= n;
    e->full = true;
    return NULL;
}

static void put_bytes(struct encoder *e, const void *data, size_t n)
{
    uint8_t *at = put_room(e, n);
    if (at && n > 0)
        memcpy(at, data, n);
}

static void put_varint(struct encoder *e, uint64_t value)
{
    size_t n = 1;
    for (uint64_t rest = value >> 7; rest > 0; rest >>= 7)
        n++;
    uint8_t *at = put_room(e, n);
    for (; at && n > 1; n--, value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    if (at)
        *at = (uint8_t)value;
}

static void put_little_endian(struct encoder *e, uint64_t value, size_t n)
{
    uint8_t *at = put_room(e, n);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint8_t wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PB_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PB_LEN;
    default:
        return PB_VARINT;
    }
}

static size_t member_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    default:
        return sizeof(uint32_t);
    }
}

static uint32_t load_32(const void *member)
{
    uint32_t value;
    memcpy(&value, member, sizeof(value));
    return value;
}

static uint64_t load_64(const void *member)
{
    uint64_t value;
    memcpy(&value, member, sizeof(value));
    return value;
}

static const void *load_pointer(const void *member)
{
    const void *value;
    memcpy(&value, member, sizeof(value));
    return value;
}

static void put_tag(struct encoder *e, uint32_t id, uint8_t type)
{
    put_varint(e, (uint64_t)id << 3 | type);
}

/* The value, and the length of what has one; no tag. */
static void put_value(struct encoder *e, ProtobufCType type, const void *member)
{
    const uint8_t *end = e->at;
    switch (type) {
    case PROTOBUF_C_TYPE_SINT32: /* zigzag, as is the next */
        put_varint(e, load_32(member) << 1 ^ (load_32(member) >> 31 ? UINT32_MAX : 0));
        return;
    case PROTOBUF_C_TYPE_SINT64:
        put_varint(e, load_64(member) << 1 ^ (load_64(member) >> 63 ? UINT64_MAX : 0));
        return;
    case PROTOBUF_C_TYPE_INT32: /* negative ones take ten bytes */
    case PROTOBUF_C_TYPE_ENUM:
        put_varint(e, (uint64_t)(int64_t)(int32_t)load_32(member));
        return;
    case PROTOBUF_C_TYPE_UINT32:
        put_varint(e, load_32(member));
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        put_varint(e, load_64(member));
        return;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        put_little_endian(e, load_32(member), sizeof(uint32_t));
        return;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        put_little_endian(e, load_64(member), sizeof(uint64_t));
        return;
    case PROTOBUF_C_TYPE_BOOL:
        put_varint(e, *(const protobuf_c_boolean *)member != 0);
        return;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = load_pointer(member);
        put_bytes(e, text, text ? strlen(text) : 0);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData bytes;
        memcpy(&bytes, member, sizeof(bytes));
        put_bytes(e, bytes.data, bytes.len);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *message = load_pointer(member);
        if (message)
            encode_message(e, message);
        break;
    }
    }
    put_varint(e, (uint64_t)(end - e->at));
}

static void put_repeated(struct encoder *e, const ProtobufCFieldDescriptor *f, const void *members,
                         size_t n)
{
    bool packed = f->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
    size_t size = member_bytes(f->type);
    const uint8_t *end = e->at;
    if (n == 0)
        return;
    while (n-- > 0 && !e->full) {
        put_value(e, f->type, (const char *)members + n * size);
        if (!packed)
            put_tag(e, f->id, wire_type(f->type));
    }
    if (!packed)
        return;
    put_varint(e, (uint64_t)(end - e->at));
    put_tag(e, f->id, PB_LEN);
}

/* Fields without a quantifier are left out where they are zero; for protobuf-c -0.0 is. */
static bool is_zero(ProtobufCType type, const void *member)
{
    const char *text;
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
        text = load_pointer(member);
        return !text || !*text;
    case PROTOBUF_C_TYPE_FLOAT:
        return (load_32(member) & INT32_MAX) == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return (load_64(member) & INT64_MAX) == 0;
    default: /* the length of bytes comes first in them */
        return member_bytes(type) == sizeof(uint32_t) ? load_32(member) == 0 : load_64(member) == 0;
    }
}

static bool is_there(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *member = (const char *)m + f->offset;
    const char *quantifier = (const char *)m + f->quantifier_offset;
    bool pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
    bool oneof = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    if (f->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (oneof && load_32(quantifier) != f->id)
        return false;
    if (!oneof && f->label == PROTOBUF_C_LABEL_NONE)
        return !is_zero(f->type, member);
    if (pointer)
        return load_pointer(member) && load_pointer(member) != f->default_value;
    return oneof || *(const protobuf_c_boolean *)(const void *)quantifier;
}

void encode_message(struct encoder *e, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;
    for (unsigned i = m->n_unknown_fields; i-- > 0;) {
        const ProtobufCMessageUnknownField *f = &m->unknown_fields[i];
        put_bytes(e, f->data, f->len);
        put_tag(e, f->tag, (uint8_t)f->wire_type);
    }
    for (unsigned i = type->n_fields; i-- > 0 && !e->full;) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        const char *member = (const char *)m + f->offset;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n;
            memcpy(&n, (const char *)m + f->quantifier_offset, sizeof(n));
            put_repeated(e, f, load_pointer(member), n);
        } else if (is_there(m, f)) {
            put_value(e, f->type, member);
            put_tag(e, f->id, wire_type(f->type));
        }
    }
}

void encode_element(struct encoder *e, uint32_t field, const ProtobufCMessage *message)
{
    put_value(e, PROTOBUF_C_TYPE_MESSAGE, &message);
    put_tag(e, field, PB_LEN);
}
