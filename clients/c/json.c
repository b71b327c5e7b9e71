/* protobuf's canonical JSON mapping, by protobuf-c's reflection.
 *
 * A message is walked field by field in order of numbers; one function per kind of value.
 * Timestamps are the one well-known type that the contract uses. */
#include "banger/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "json_tree.h"

void json_name(char out[JSON_NAME_BYTES], const char *name)
{
    size_t n = 0;
    bool upper = false;
    for (const char *c = name; *c && n + 1 < JSON_NAME_BYTES; c++) {
        if (*c == '_') {
            upper = true;
            continue;
        }
        out[n++] = upper && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        upper = false;
    }
    out[n] = '\0';
}

bool json_is_map(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t len = strlen(type->name), name_len = strlen(entry->name);
    return name_len > len + 6 && strncmp(entry->name, type->name, len) == 0 &&
           entry->name[len] == '.' && strcmp(entry->name + name_len - 5, "Entry") == 0 &&
           entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
           strcmp(entry->fields[1].name, "value") == 0;
}

static json_t *json_of_number_text(const char *fmt, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%s%" PRIu64, fmt, value);
    return json_string(text);
}

static json_t *json_of_real(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

static json_t *json_of_enum(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    return known ? json_string(known->name) : json_integer(value);
}

static json_t *json_of_bytes(const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (bytes->len + 2) / 3 * 4;
    char *text = malloc(size + 1);
    if (!text)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t left = bytes->len - i;
        uint32_t word = (uint32_t)bytes->data[i] << 16;
        word |= left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0;
        word |= left > 2 ? bytes->data[i + 2] : 0;
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    json_t *json = json_stringn(text, size);
    free(text);
    return json;
}

/* google.protobuf.Timestamp: field 1 int64 seconds, field 2 int32 nanos; 0, 3, 6 or 9 digits. */
static json_t *json_of_timestamp(const ProtobufCMessage *message, struct banger_error *error)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    int64_t seconds;
    int32_t nanos;
    memcpy(&seconds, (const char *)message + type->fields[0].offset, sizeof(seconds));
    memcpy(&nanos, (const char *)message + type->fields[1].offset, sizeof(nanos));
    struct tm tm;
    time_t time = (time_t)seconds;
    if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999 ||
        !gmtime_r(&time, &tm)) {
        error_set(error, BANGER_INVALID_ARGUMENT, "a timestamp is out of range");
        return NULL;
    }
    char text[64];
    int n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    size_t at = (size_t)n;
    if (nanos % 1000000 == 0 && nanos)
        n = snprintf(text + at, sizeof(text) - at, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0 && nanos)
        n = snprintf(text + at, sizeof(text) - at, ".%06d", nanos / 1000);
    else if (nanos)
        n = snprintf(text + at, sizeof(text) - at, ".%09d", nanos);
    else
        n = 0;
    memcpy(text + at + n, "Z", 2);
    return json_string(text);
}

/* One value of a field; member points at it. */
static json_t *json_of_value(const ProtobufCFieldDescriptor *field, const void *member,
                             struct banger_error *error)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)member);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)member);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: {
        int64_t v = *(const int64_t *)member;
        return json_of_number_text(v < 0 ? "-" : "", v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    }
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_of_number_text("", *(const uint64_t *)member);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_of_real((double)*(const float *)member);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_of_real(*(const double *)member);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)member);
    case PROTOBUF_C_TYPE_ENUM:
        return json_of_enum(field->descriptor, *(const int *)member);
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)member;
        return json_string(text ? text : "");
    }
    case PROTOBUF_C_TYPE_BYTES:
        return json_of_bytes(member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_tree_of_message(*(ProtobufCMessage *const *)member, error);
    }
    return NULL;
}

static size_t json_value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static json_t *json_of_repeated(const ProtobufCFieldDescriptor *field, const char *values, size_t n,
                                struct banger_error *error)
{
    json_t *array = json_array();
    size_t size = json_value_size(field->type);
    for (size_t i = 0; array && i < n; i++)
        if (json_array_append_new(array, json_of_value(field, values + i * size, error)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* A key is always a text. */
static int json_put_entry(json_t *object, const ProtobufCMessage *entry, struct banger_error *error)
{
    const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
    json_t *key = json_of_value(&fields[0], (const char *)entry + fields[0].offset, error);
    json_t *value = json_of_value(&fields[1], (const char *)entry + fields[1].offset, error);
    char *text = !key || json_is_string(key) ? NULL : json_dumps(key, JSON_ENCODE_ANY);
    const char *name = text ? text : key ? json_string_value(key) : NULL;
    int rv = name && value ? json_object_set(object, name, value) : -1;
    free(text);
    json_decref(key);
    json_decref(value);
    return rv;
}

static json_t *json_of_map(ProtobufCMessage *const *entries, size_t n, struct banger_error *error)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < n; i++)
        if (json_put_entry(object, entries[i], error) < 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

/* Whether a field without a quantifier has its default, which is not written. */
static bool json_is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
    static const char zeros[sizeof(uint64_t)];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)member;
        return !text || !*text;
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)member == NULL;
    default:
        return memcmp(member, zeros, json_value_size(field->type)) == 0;
    }
}

/* The field's value, or NULL with *absent set where nothing is to be written. */
static json_t *json_of_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                             bool *absent, struct banger_error *error)
{
    const char *member = (const char *)message + field->offset;
    const char *quantifier = (const char *)message + field->quantifier_offset;
    *absent = false;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n;
        memcpy(&n, quantifier, sizeof(n));
        if (json_is_map(message->descriptor, field))
            return json_of_map(*(ProtobufCMessage *const *const *)member, n, error);
        return json_of_repeated(field, *(char *const *)member, n, error);
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t chosen;
        memcpy(&chosen, quantifier, sizeof(chosen));
        *absent = chosen != field->id ||
                  (field->type == PROTOBUF_C_TYPE_MESSAGE && json_is_default(field, member));
    } else {
        *absent = json_is_default(field, member);
    }
    return *absent ? NULL : json_of_value(field, member, error);
}

json_t *json_tree_of_message(const ProtobufCMessage *message, struct banger_error *error)
{
    if (strcmp(message->descriptor->name, "google.protobuf.Timestamp") == 0)
        return json_of_timestamp(message, error);
    json_t *object = json_object();
    for (unsigned i = 0; object && i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        bool absent;
        json_t *value = json_of_field(message, field, &absent, error);
        if (absent)
            continue;
        char name[JSON_NAME_BYTES];
        json_name(name, field->name);
        if (json_object_set_new(object, name, value) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* Builds the tree; an error that names nothing is memory, or text that is not UTF-8. */
static json_t *json_tree(const ProtobufCMessage *message, struct banger_error *error)
{
    struct banger_error own;
    if (!error)
        error = &own;
    error->code = BANGER_OK;
    json_t *tree = json_tree_of_message(message, error);
    if (!tree && error->code == BANGER_OK)
        error_set(error, BANGER_INTERNAL, "%s cannot be written as text: no memory, or no UTF-8",
                  message->descriptor->name);
    return tree;
}

char *banger_message_to_json(const ProtobufCMessage *message, int indent,
                             struct banger_error *error)
{
    json_t *tree = json_tree(message, error);
    if (!tree)
        return NULL;
    size_t flags = indent > 0 ? JSON_INDENT((size_t)indent) : 0;
    char *text = json_dumps(tree, flags | JSON_REAL_PRECISION(17));
    json_decref(tree);
    if (!text)
        error_no_memory(error);
    return text;
}

char *banger_message_to_yaml(const ProtobufCMessage *message, struct banger_error *error)
{
    json_t *tree = json_tree(message, error);
    if (!tree)
        return NULL;
    char *text = yaml_of_tree(tree);
    json_decref(tree);
    if (!text)
        error_no_memory(error);
    return text;
}
