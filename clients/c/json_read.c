/* JSON in protobuf's mapping to a message: written down as its bytes on the wire, which the decoder
 * that also takes a peer's then reads. So nothing here knows how a struct lies in memory, and what
 * comes out is checked and freed like any message of a call. */
#include "banger/json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "internal.h"
#include "json_scalar.h"
#include "json_tree.h"
#include "rpc/wire/message.h"

enum {
    JSON_TEXT_BYTES = 16 << 20,    /* of a text */
    JSON_MESSAGE_BYTES = 64 << 20, /* of what it becomes */
    PATH_BYTES = 160,
};

/* Where in the text we are, for errors: "spec.labels[2]". */
struct place {
    const struct place *up; /* NULL: the text as a whole */
    const char *name;       /* of a field, or a map's key; NULL: an element of a list */
    size_t index;
};

static unsigned place_depth(const struct place *at)
{
    unsigned depth = 0;
    for (; at; at = at->up)
        depth += at->name != NULL;
    return depth;
}

static void place_print(const struct place *at, char path[PATH_BYTES], size_t *len)
{
    if (!at)
        return;
    place_print(at->up, path, len);
    int n = at->name
                ? snprintf(path + *len, PATH_BYTES - *len, "%s%.60s", *len ? "." : "", at->name)
                : snprintf(path + *len, PATH_BYTES - *len, "[%zu]", at->index);
    *len += n < 0 ? 0 : (size_t)n;
    if (*len >= PATH_BYTES)
        *len = PATH_BYTES - 1;
}

__attribute__((format(printf, 3, 4))) static int
refuse(struct banger_error *error, const struct place *at, const char *fmt, ...)
{
    char path[PATH_BYTES] = "", what[160];
    size_t len = 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    place_print(at, path, &len);
    return error_set(error, BANGER_INVALID_ARGUMENT, "%s%s%s", path, *path ? ": " : "", what);
}

/* ---- bytes ---- */

static int put(struct buf *out, const void *data, size_t len, struct banger_error *error)
{
    if (buf_append(out, data, len) == 0)
        return 0;
    return errno == ENOSPC ? error_set(error, BANGER_INVALID_ARGUMENT, "the message is too large")
                           : error_no_memory(error);
}

static int put_varint(struct buf *out, uint64_t value, struct banger_error *error)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return put(out, bytes, n, error);
}

static int put_tag(struct buf *out, uint32_t id, unsigned wire_type, struct banger_error *error)
{
    return put_varint(out, (uint64_t)id << 3 | wire_type, error);
}

static int put_block(struct buf *out, uint32_t id, const void *data, size_t len,
                     struct banger_error *error)
{
    if (put_tag(out, id, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, error) < 0 ||
        put_varint(out, len, error) < 0)
        return -1;
    return put(out, data, len, error);
}

/* ---- values ---- */

static const char *kind_of(const json_t *value)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean",  [JSON_NULL] = "null",
    };
    return kinds[json_typeof(value)];
}

static int read_integer(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                        const struct place *at, struct banger_error *error)
{
    uint64_t bits;
    uint32_t low;
    if (!scalar_integer(value, field->type, &bits))
        return refuse(error, at, "%s is not %s", kind_of(value), scalar_name(field->type));
    switch (field->type) {
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
        bits = bits << 1 ^ (bits >> 63 ? UINT64_MAX : 0);
        break;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        low = (uint32_t)bits;
        if (put_tag(out, field->id, PROTOBUF_C_WIRE_TYPE_32BIT, error) < 0)
            return -1;
        return put(out, &low, sizeof(low), error);
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        if (put_tag(out, field->id, PROTOBUF_C_WIRE_TYPE_64BIT, error) < 0)
            return -1;
        return put(out, &bits, sizeof(bits), error);
    default:
        break;
    }
    if (put_tag(out, field->id, PROTOBUF_C_WIRE_TYPE_VARINT, error) < 0)
        return -1;
    return put_varint(out, bits, error);
}

static int read_real(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                     const struct place *at, struct banger_error *error)
{
    double real;
    bool single = field->type == PROTOBUF_C_TYPE_FLOAT;
    if (!scalar_real(value, &real) || (single && isfinite(real) && fabs(real) > (double)FLT_MAX))
        return refuse(error, at, "%s is not %s", kind_of(value), scalar_name(field->type));
    float narrow = (float)real;
    if (put_tag(out, field->id, single ? PROTOBUF_C_WIRE_TYPE_32BIT : PROTOBUF_C_WIRE_TYPE_64BIT,
                error) < 0)
        return -1;
    return single ? put(out, &narrow, sizeof(narrow), error) : put(out, &real, sizeof(real), error);
}

static int read_enum(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                     const struct place *at, struct banger_error *error)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    const ProtobufCEnumValue *known;
    uint64_t bits;
    if (json_is_string(value)) {
        known = protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(value));
        if (!known)
            return refuse(error, at, "\"%.60s\" is no %s", json_string_value(value), type->name);
        bits = (uint64_t)(int64_t)known->value;
    } else if (!json_is_integer(value) || !scalar_integer(value, PROTOBUF_C_TYPE_INT32, &bits)) {
        return refuse(error, at, "%s is not the name of a %s", kind_of(value), type->name);
    }
    if (put_tag(out, field->id, PROTOBUF_C_WIRE_TYPE_VARINT, error) < 0)
        return -1;
    return put_varint(out, bits, error);
}

static int read_bytes(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                      const struct place *at, struct banger_error *error)
{
    if (!json_is_string(value))
        return refuse(error, at, "%s is not bytes in base64", kind_of(value));
    const char *text = json_string_value(value);
    size_t len = json_string_length(value), size = base64_decoded_bytes(len);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return error_no_memory(error);
    ssize_t n = base64_decode(bytes, size, text, len);
    int rv = n >= 0 ? put_block(out, field->id, bytes, (size_t)n, error)
                    : refuse(error, at, "the text is not base64");
    free(bytes);
    return rv;
}

static int read_message(const ProtobufCMessageDescriptor *type, const json_t *value,
                        struct buf *out, const struct place *at, struct banger_error *error);

static int read_submessage(const ProtobufCFieldDescriptor *field, const json_t *value,
                           struct buf *out, const struct place *at, struct banger_error *error)
{
    struct buf inner;
    buf_init(&inner, out->max);
    int rv = read_message(field->descriptor, value, &inner, at, error);
    if (rv == 0)
        rv = put_block(out, field->id, buf_data(&inner), buf_len(&inner), error);
    buf_done(&inner);
    return rv;
}

static int read_bool(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                     const struct place *at, struct banger_error *error)
{
    if (!json_is_boolean(value))
        return refuse(error, at, "%s is not true or false", kind_of(value));
    if (put_tag(out, field->id, PROTOBUF_C_WIRE_TYPE_VARINT, error) < 0)
        return -1;
    return put_varint(out, json_is_true(value), error);
}

static int read_value(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out,
                      const struct place *at, struct banger_error *error)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(field, value, out, at, error);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(field, value, out, at, error);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(field, value, out, at, error);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(value))
            return refuse(error, at, "%s is not a text", kind_of(value));
        return put_block(out, field->id, json_string_value(value), json_string_length(value),
                         error);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(field, value, out, at, error);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_submessage(field, value, out, at, error);
    default:
        return read_integer(field, value, out, at, error);
    }
}

/* ---- fields ---- */

static int read_list(const ProtobufCFieldDescriptor *field, const json_t *list, struct buf *out,
                     const struct place *at, struct banger_error *error)
{
    if (!json_is_array(list))
        return refuse(error, at, "%s is not a list", kind_of(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct place element = {.up = at, .index = i};
        if (read_value(field, json_array_get(list, i), out, &element, error) < 0)
            return -1;
    }
    return 0;
}

/* A key is always a text; what it stands for may be a number or a boolean. */
static int read_key(const ProtobufCFieldDescriptor *field, const char *key, struct buf *out,
                    const struct place *at, struct banger_error *error)
{
    bool is_true = strcmp(key, "true") == 0;
    bool word = field->type == PROTOBUF_C_TYPE_BOOL && (is_true || strcmp(key, "false") == 0);
    json_t *value = word ? json_boolean(is_true) : json_string(key);
    if (!value)
        return error_no_memory(error);
    int rv = read_value(field, value, out, at, error);
    json_decref(value);
    return rv;
}

static int read_map(const ProtobufCFieldDescriptor *field, const json_t *map, struct buf *out,
                    const struct place *at, struct banger_error *error)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;
    const char *key;
    json_t *value;
    int rv = 0;
    if (!json_is_object(map))
        return refuse(error, at, "%s is not an object", kind_of(map));
    json_object_foreach((json_t *)map, key, value)
    {
        const struct place entry = {.up = at, .name = key};
        struct buf inner;
        buf_init(&inner, out->max);
        rv = read_key(&type->fields[0], key, &inner, &entry, error);
        if (rv == 0)
            rv = read_value(&type->fields[1], value, &inner, &entry, error);
        if (rv == 0)
            rv = put_block(out, field->id, buf_data(&inner), buf_len(&inner), error);
        buf_done(&inner);
        if (rv < 0)
            break;
    }
    return rv;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  const char *key)
{
    char name[JSON_NAME_BYTES];
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        json_name(name, field->name);
        if (strcmp(name, key) == 0 || strcmp(field->name, key) == 0)
            return field;
    }
    return NULL;
}

/* The field, or another of its oneof, was there before. */
static bool is_taken(const ProtobufCMessageDescriptor *type, const bool *seen,
                     const ProtobufCFieldDescriptor *field)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &type->fields[i];
        bool same_oneof = field->flags & other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
                          field->quantifier_offset == other->quantifier_offset;
        if (seen[i] && (other == field || same_oneof))
            return true;
    }
    return false;
}

static int read_field(const ProtobufCMessageDescriptor *type, bool *seen, const char *key,
                      const json_t *value, struct buf *out, const struct place *at,
                      struct banger_error *error)
{
    const ProtobufCFieldDescriptor *field = find_field(type, key);
    if (!field)
        return refuse(error, at, "%s has no such field", type->name);
    if (json_is_null(value))
        return 0;
    if (is_taken(type, seen, field))
        return refuse(error, at, "given twice, or beside another of its oneof");
    seen[field - type->fields] = true;
    if (json_is_map(type, field))
        return read_map(field, value, out, at, error);
    return field->label == PROTOBUF_C_LABEL_REPEATED ? read_list(field, value, out, at, error)
                                                     : read_value(field, value, out, at, error);
}

static int read_timestamp(const json_t *value, struct buf *out, const struct place *at,
                          struct banger_error *error)
{
    int64_t seconds;
    int32_t nanos;
    if (!json_is_string(value) || !scalar_time(json_string_value(value), &seconds, &nanos))
        return refuse(error, at, "not a time such as \"2024-02-29T12:00:00Z\"");
    if (put_tag(out, 1, PROTOBUF_C_WIRE_TYPE_VARINT, error) < 0 ||
        put_varint(out, (uint64_t)seconds, error) < 0 ||
        put_tag(out, 2, PROTOBUF_C_WIRE_TYPE_VARINT, error) < 0)
        return -1;
    return put_varint(out, (uint64_t)nanos, error);
}

static int read_message(const ProtobufCMessageDescriptor *type, const json_t *value,
                        struct buf *out, const struct place *at, struct banger_error *error)
{
    const char *key;
    json_t *member;
    int rv = 0;
    if (strcmp(type->name, "google.protobuf.Timestamp") == 0)
        return read_timestamp(value, out, at, error);
    if (!json_is_object(value))
        return refuse(error, at, "%s is not an object", kind_of(value));
    if (place_depth(at) >= MESSAGE_MAX_DEPTH)
        return refuse(error, at, "more than %d levels deep", MESSAGE_MAX_DEPTH);
    bool *seen = calloc(type->n_fields + 1, sizeof(*seen));
    if (!seen)
        return error_no_memory(error);
    json_object_foreach((json_t *)value, key, member)
    {
        const struct place field = {.up = at, .name = key};
        rv = read_field(type, seen, key, member, out, &field, error);
        if (rv < 0)
            break;
    }
    free(seen);
    return rv;
}

/* ---- texts ---- */

static json_t *parse(const char *text, size_t len, struct banger_error *error)
{
    json_error_t why;
    if (len > JSON_TEXT_BYTES) {
        error_set(error, BANGER_INVALID_ARGUMENT, "a JSON text of more than %d MiB",
                  JSON_TEXT_BYTES >> 20);
        return NULL;
    }
    json_t *tree = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!tree && json_error_code(&why) == json_error_out_of_memory)
        error_no_memory(error);
    else if (!tree)
        error_set(error, BANGER_INVALID_ARGUMENT, "no JSON: line %d, column %d: %s", why.line,
                  why.column, why.text);
    return tree;
}

ProtobufCMessage *banger_message_from_json(const ProtobufCMessageDescriptor *type, const char *text,
                                           size_t len, struct banger_error *error)
{
    static const struct message_limits limits = {.max_memory_bytes = JSON_MESSAGE_BYTES,
                                                 .max_depth = MESSAGE_MAX_DEPTH};
    struct message_cache no_cache = {.n_spare = 0};
    struct err err = ERR_INIT;
    ProtobufCMessage *message = NULL;
    struct buf wire;
    json_t *tree = parse(text, len, error);
    if (!tree)
        return NULL;
    buf_init(&wire, JSON_TEXT_BYTES);
    if (read_message(type, tree, &wire, NULL, error) == 0) {
        message = message_decode(type, buf_data(&wire), buf_len(&wire), &limits, &no_cache, &err);
        if (!message)
            error_of_err(error, &err);
    }
    buf_done(&wire);
    json_decref(tree);
    return message;
}
