/* Checked decoding; see message.h. The walk keeps a path of field names for its errors. */
#include "rpc/wire/message.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/arena.h"
#include "rpc/wire/call.h"
#include "rpc/wire/pbwire.h"
#include "base/utf8.h"

enum {
    ALLOC_ALIGN = 8,
    SPARE_BYTES = 2048,        /* size of an arena that is kept; a usual request fits */
    STACK_MEMBERS = 16,        /* protobuf-c keeps so many fields of a message on its stack */
    SCANNED_MEMBER_BYTES = 48, /* above its size, in blocks that double: twice that per field */
    SLACK_BYTES = 256,
};

struct walk {
    const struct message_limits *limits;
    size_t need_bytes;
    const ProtobufCFieldDescriptor *path[MESSAGE_MAX_DEPTH];
    unsigned depth;
    struct err *err;
};

static int walk_fail(struct walk *w, const ProtobufCFieldDescriptor *field, enum err_code code,
                     const char *why)
{
    char name[128];
    size_t n = 0;
    name[0] = '\0';
    for (unsigned i = 0; i < w->depth && n < sizeof(name); i++)
        n += (size_t)snprintf(name + n, sizeof(name) - n, "%s.", w->path[i]->name);
    if (field && n < sizeof(name))
        snprintf(name + n, sizeof(name) - n, "%s", field->name);
    else if (n > 0 && n < sizeof(name))
        name[n - 1] = '\0';
    if (name[0] == '\0')
        return err_set(w->err, code, "request message: %s", why);
    return err_set(w->err, code, "field %s: %s", name, why);
}

static int walk_need(struct walk *w, const ProtobufCFieldDescriptor *field, size_t n_bytes)
{
    n_bytes = (n_bytes + ALLOC_ALIGN - 1) & ~(size_t)(ALLOC_ALIGN - 1);
    w->need_bytes += n_bytes;
    if (w->need_bytes > w->limits->max_memory_bytes)
        return walk_fail(w, field, ERR_LIMIT, "the message takes too much memory to decode");
    return 0;
}

/* The fields mostly come in order: the one found last, or its successor. */
static const ProtobufCFieldDescriptor *walk_find(const ProtobufCMessageDescriptor *type,
                                                 uint32_t id, unsigned *hint)
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

static size_t element_bytes(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(uint64_t);
}

/* A repeated scalar in its packed form; also checks what protobuf-c would misread. */
static int walk_packed(struct walk *w, const ProtobufCFieldDescriptor *field,
                       const struct pb_field *f)
{
    int wire_type = wire_type_of(field->type);
    size_t width = wire_type == PB_FIXED32 ? 4 : 8, n = f->len / width;
    if (wire_type == PB_VARINT) {
        uint64_t value;
        size_t at = 0, step;
        for (n = 0; at < f->len; n++, at += step)
            if ((step = pb_varint(f->data + at, f->data + f->len, &value)) == 0)
                return walk_fail(w, field, ERR_INVALID, "malformed packed numbers");
    } else if (f->len % width != 0) {
        return walk_fail(w, field, ERR_INVALID, "malformed packed numbers");
    }
    return walk_need(w, field, n * sizeof(uint64_t));
}

static int walk_message(struct walk *w, const ProtobufCMessageDescriptor *type, const uint8_t *data,
                        size_t len);

static int walk_nested(struct walk *w, const ProtobufCFieldDescriptor *field,
                       const struct pb_field *f)
{
    if (w->depth + 1 >= w->limits->max_depth || w->depth + 1 >= MESSAGE_MAX_DEPTH)
        return walk_fail(w, field, ERR_INVALID, "messages nest too deeply");
    w->path[w->depth++] = field;
    if (walk_message(w, field->descriptor, f->data, f->len) < 0)
        return -1;
    w->depth--;
    return 0;
}

static int walk_field(struct walk *w, const ProtobufCFieldDescriptor *field,
                      const struct pb_field *f)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    int wire_type = wire_type_of(field->type);
    if (f->wire_type != wire_type) {
        if (repeated && f->wire_type == PB_LEN)
            return walk_packed(w, field, f);
        return walk_fail(w, field, ERR_INVALID, "the wire type does not fit the field's type");
    }
    if (repeated && walk_need(w, field, element_bytes(field->type)) < 0)
        return -1;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        size_t good = utf8_prefix(f->data, f->len);
        if (good < f->len)
            return walk_fail(w, field, ERR_INVALID,
                             f->data[good] == 0 ? "the string has a NUL byte in it"
                                                : "the string is not valid UTF-8");
        return walk_need(w, field, f->len + 1);
    }
    case PROTOBUF_C_TYPE_BYTES:
        return walk_need(w, field, f->len);
    case PROTOBUF_C_TYPE_MESSAGE:
        return walk_nested(w, field, f);
    default:
        return 0;
    }
}

static int walk_message(struct walk *w, const ProtobufCMessageDescriptor *type, const uint8_t *data,
                        size_t len)
{
    if (walk_need(w, NULL, type->sizeof_message) < 0)
        return -1;
    struct pb_reader r = {data, data + len};
    unsigned hint = 0, n_members = 0;
    for (struct pb_field f; pb_next(&r, &f);) {
        const ProtobufCFieldDescriptor *field = walk_find(type, f.id, &hint);
        if (++n_members > STACK_MEMBERS && walk_need(w, field, 2 * SCANNED_MEMBER_BYTES) < 0)
            return -1;
        if (!field) {
            if (walk_need(w, NULL, sizeof(ProtobufCMessageUnknownField)) < 0 ||
                walk_need(w, NULL, f.len + 10) < 0)
                return -1;
        } else if (walk_field(w, field, &f) < 0) {
            return -1;
        }
    }
    if (len > 0 && !r.at)
        return walk_fail(w, NULL, ERR_INVALID, "malformed protocol buffer");
    return 0;
}

int message_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len,
                  const struct message_limits *limits, size_t *need_bytes, struct err *err)
{
    struct walk w;
    w.limits = limits;
    w.need_bytes = 0;
    w.depth = 0;
    w.err = err;
    if (walk_message(&w, type, data, len) < 0)
        return -1;
    *need_bytes = w.need_bytes;
    return 0;
}

void message_cache_done(struct message_cache *cache)
{
    while (cache->n_spare > 0)
        arena_free(cache->spare[--cache->n_spare]);
}

static struct arena *message_arena(struct message_cache *cache, size_t need, size_t budget)
{
    need += SLACK_BYTES;
    if (budget < need)
        budget = need;
    if (cache->n_spare > 0 && need <= SPARE_BYTES) {
        struct arena *a = cache->spare[--cache->n_spare];
        arena_reset(a, budget);
        return a;
    }
    return arena_new(need > SPARE_BYTES ? need : SPARE_BYTES, budget);
}

ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err)
{
    static const uint8_t nothing[1];
    size_t need;
    if (message_check(type, data, len, limits, &need, err) < 0)
        return NULL;
    struct arena *a = message_arena(cache, need, limits->max_memory_bytes);
    if (!a) {
        err_set(err, ERR_LIMIT, "out of memory for a message of %zu bytes", len);
        return NULL;
    }
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &a->allocator, len, len ? data : nothing);
    if (m)
        return m;
    if (a->exhausted)
        err_set(err, ERR_LIMIT, "the message takes too much memory to decode");
    else
        err_set(err, ERR_INVALID, "malformed %s", type->name);
    arena_free(a);
    return NULL;
}

void message_recycle(struct message_cache *cache, ProtobufCMessage *message)
{
    if (!message)
        return;
    struct arena *a = arena_of(message);
    if (cache->n_spare == MESSAGE_SPARES || a->first_bytes != SPARE_BYTES)
        arena_free(a);
    else
        cache->spare[cache->n_spare++] = a;
}

void rpc_message_free(ProtobufCMessage *message)
{
    if (message)
        arena_free(arena_of(message));
}
