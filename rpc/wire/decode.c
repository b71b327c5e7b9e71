/* Decoding by the descriptors that protobuf-c generates; see decode.h. */
#include "rpc/wire/decode.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "rpc/wire/arena.h"
#include "rpc/wire/pbwire.h"

enum {
    FIRST_ELEMENTS = 4,      /* of a repeated field; then it doubles */
    BORROW_MIN_BYTES = 1024, /* shorter ones are cheaper to copy than to keep account of */
};

typedef const ProtobufCFieldDescriptor field_type;

static int decode_fail(struct decoder *d, field_type *field, enum err_code code, const char *why)
{
    char name[128];
    size_t n = 0;
    name[0] = '\0';
    for (unsigned i = 0; i < d->depth && n < sizeof(name); i++)
        n += (size_t)snprintf(name + n, sizeof(name) - n, "%s.", d->path[i]->name);
    if (field && n < sizeof(name))
        snprintf(name + n, sizeof(name) - n, "%s", field->name);
    else if (n > 0 && n < sizeof(name))
        name[n - 1] = '\0';
    if (name[0] == '\0')
        return err_set(d->err, code, "request message: %s", why);
    return err_set(d->err, code, "field %s: %s", name, why);
}

static void *decode_alloc(struct decoder *d, field_type *field, size_t n_bytes)
{
    void *p = arena_alloc(d->arena, n_bytes);
    if (!p)
        decode_fail(d, field, ERR_LIMIT,
                    d->arena->exhausted ? "the message takes too much memory to decode"
                                        : "out of memory for the message");
    return p;
}

/* The fields mostly come in order: the one found last, or its successor. */
static field_type *find_field(const ProtobufCMessageDescriptor *type, uint32_t id, unsigned *hint)
{
    for (unsigned i = *hint; i < type->n_fields && i < *hint + 2; i++)
        if (type->fields[i].id == id) {
            *hint = i;
            return &type->fields[i];
        }
    unsigned low = 0, high = type->n_fields;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (type->fields[mid].id == id) {
            *hint = mid;
            return &type->fields[mid];
        }
        if (type->fields[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PB_LEN;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PB_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PB_FIXED64;
    default:
        return PB_VARINT;
    }
}

/* Of a member, in the struct or in a repeated field's array. */
static size_t member_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    default:
        return sizeof(uint32_t);
    }
}

static void *member_at(void *message, unsigned offset)
{
    return (char *)message + offset;
}

/* data holds a whole number of that type. */
static void put_number(ProtobufCType type, const uint8_t *data, const uint8_t *end, void *to)
{
    uint64_t v = 0;
    size_t n = member_bytes(type);
    if (wire_type_of(type) != PB_VARINT) {
        memcpy(to, data, n);
        return;
    }
    pb_varint(data, end, &v);
    if (type == PROTOBUF_C_TYPE_SINT64)
        v = v >> 1 ^ -(v & 1);
    else if (type == PROTOBUF_C_TYPE_SINT32)
        v = (uint32_t)v >> 1 ^ -(v & 1);
    else if (type == PROTOBUF_C_TYPE_BOOL)
        v = v != 0;
    uint32_t narrow = (uint32_t)v;
    memcpy(to, n == sizeof(v) ? (const void *)&v : (const void *)&narrow, n);
}

static int put_string(struct decoder *d, field_type *field, const struct pb_field *f, void *to)
{
    size_t good = utf8_prefix(f->data, f->len);
    if (good < f->len)
        return decode_fail(d, field, ERR_INVALID,
                           f->data[good] == 0 ? "the string has a NUL byte in it"
                                              : "the string is not valid UTF-8");
    char *s = decode_alloc(d, field, f->len + 1);
    if (!s)
        return -1;
    memcpy(s, f->data, f->len);
    s[f->len] = '\0';
    memcpy(to, &s, sizeof(s));
    return 0;
}

static int put_bytes(struct decoder *d, field_type *field, const struct pb_field *f, void *to)
{
    ProtobufCBinaryData *b = to;
    bool borrowed = d->borrow && f->len >= BORROW_MIN_BYTES &&
                    field->label != PROTOBUF_C_LABEL_REPEATED && arena_borrow(d->arena, b, f->len);
    uint8_t *at = borrowed ? (uint8_t *)(uintptr_t)f->data : NULL;
    if (!borrowed && f->len > 0) {
        at = decode_alloc(d, field, f->len);
        if (!at)
            return -1;
        memcpy(at, f->data, f->len);
    }
    *b = (ProtobufCBinaryData){f->len, at};
    return 0;
}

static int decode_fields(struct decoder *d, ProtobufCMessage *m, const uint8_t *data, size_t len);

static ProtobufCMessage *new_message(struct decoder *d, field_type *field,
                                     const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = decode_alloc(d, field, type->sizeof_message);
    if (m)
        type->message_init(m);
    return m;
}

static int put_message(struct decoder *d, field_type *field, const struct pb_field *f, void *to)
{
    ProtobufCMessage *m;
    if (d->depth + 1 >= d->max_depth || d->depth + 1 >= MESSAGE_MAX_DEPTH)
        return decode_fail(d, field, ERR_INVALID, "messages nest too deeply");
    memcpy(&m, to, sizeof(m));
    if (!m && !(m = new_message(d, field, field->descriptor)))
        return -1;
    memcpy(to, &m, sizeof(m));
    d->path[d->depth++] = field;
    if (decode_fields(d, m, f->data, f->len) < 0)
        return -1;
    d->depth--;
    return 0;
}

static int put_value(struct decoder *d, field_type *field, const struct pb_field *f, void *to)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return put_string(d, field, f, to);
    case PROTOBUF_C_TYPE_BYTES:
        return put_bytes(d, field, f, to);
    case PROTOBUF_C_TYPE_MESSAGE:
        return put_message(d, field, f, to);
    default:
        put_number(field->type, f->data, f->data + f->len, to);
        return 0;
    }
}

static size_t elements_room(size_t n)
{
    size_t room = FIRST_ELEMENTS;
    while (room < n)
        room *= 2;
    return n == 0 ? 0 : room;
}

/* Room for n more elements behind those there are, zeroed; they count once they are in. */
static void *more_elements(struct decoder *d, ProtobufCMessage *m, field_type *field, size_t n)
{
    size_t have = *(size_t *)member_at(m, field->quantifier_offset);
    size_t size = member_bytes(field->type), room = elements_room(have + n);
    char *array;
    memcpy(&array, member_at(m, field->offset), sizeof(array));
    if (room > elements_room(have)) {
        char *bigger = decode_alloc(d, field, room * size);
        if (!bigger)
            return NULL;
        if (have > 0)
            memcpy(bigger, array, have * size);
        memcpy(member_at(m, field->offset), &bigger, sizeof(bigger));
        array = bigger;
    }
    return memset(array + have * size, 0, n * size);
}

static int decode_packed(struct decoder *d, ProtobufCMessage *m, field_type *field,
                         const struct pb_field *f)
{
    int wire_type = wire_type_of(field->type);
    size_t size = member_bytes(field->type), n = f->len / size, step = size;
    const uint8_t *end = f->data + f->len;
    uint64_t value;
    if (wire_type == PB_VARINT)
        for (n = 0, step = 0; step < f->len; step++)
            n += f->data[step] < 0x80;
    else if (f->len % size != 0)
        return decode_fail(d, field, ERR_INVALID, "malformed packed numbers");
    if (f->len == 0)
        return 0;
    char *to = n > 0 ? more_elements(d, m, field, n) : NULL;
    if (n > 0 && !to)
        return -1;
    for (const uint8_t *at = f->data; at < end; at += step, to += size) {
        if (wire_type == PB_VARINT && (step = pb_varint(at, end, &value)) == 0)
            return decode_fail(d, field, ERR_INVALID, "malformed packed numbers");
        put_number(field->type, at, end, to);
    }
    *(size_t *)member_at(m, field->quantifier_offset) += n;
    return 0;
}

static int decode_repeated(struct decoder *d, ProtobufCMessage *m, field_type *field,
                           const struct pb_field *f)
{
    void *to = more_elements(d, m, field, 1);
    if (!to || put_value(d, field, f, to) < 0)
        return -1;
    ++*(size_t *)member_at(m, field->quantifier_offset);
    return 0;
}

static int decode_field(struct decoder *d, ProtobufCMessage *m, field_type *field,
                        const struct pb_field *f)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (f->wire_type != wire_type_of(field->type)) {
        if (repeated && f->wire_type == PB_LEN)
            return decode_packed(d, m, field, f);
        return 0; /* as a field that the type does not know */
    }
    if (repeated)
        return decode_repeated(d, m, field, f);
    void *to = member_at(m, field->offset);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = member_at(m, field->quantifier_offset);
        if (*which != field->id) {
            arena_unborrow(d->arena, to);
            memset(to, 0, member_bytes(field->type));
        }
        *which = field->id;
    } else if (field->quantifier_offset > 0) {
        *(protobuf_c_boolean *)member_at(m, field->quantifier_offset) = 1;
    }
    return put_value(d, field, f, to);
}

static int decode_fields(struct decoder *d, ProtobufCMessage *m, const uint8_t *data, size_t len)
{
    struct pb_reader r = {data, len > 0 ? data + len : data}; /* NULL: nothing */
    unsigned hint = 0;
    for (struct pb_field f; pb_next(&r, &f);) {
        field_type *field = find_field(m->descriptor, f.id, &hint);
        if (field && decode_field(d, m, field, &f) < 0)
            return -1;
    }
    if (len > 0 && !r.at)
        return decode_fail(d, NULL, ERR_INVALID, "malformed protocol buffer");
    return 0;
}

ProtobufCMessage *decode_message(struct decoder *d, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *data, size_t len)
{
    ProtobufCMessage *m = new_message(d, NULL, type);
    return m && decode_fields(d, m, data, len) == 0 ? m : NULL;
}
