/* See message.h. */
#include "tests/support/message.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void fill_value(const ProtobufCFieldDescriptor *f, void *value)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING: {
        char *text = allocate(2);
        text[0] = 'x';
        memcpy(value, &text, sizeof(text));
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *inner = message_new_filled(f->descriptor);
        memcpy(value, &inner, sizeof(inner));
        return;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = value;
        bytes->len = 1;
        bytes->data = allocate(1);
        return;
    }
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(value, &(float){1}, sizeof(float));
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(value, &(double){1}, sizeof(double));
        return;
    default: /* little-endian, as all hosts of VMs that there are */
        memset(value, 0, size_of(f));
        *(char *)value = 1;
    }
}

static void fill_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    char *at = (char *)m + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        void *list = allocate(sizeof(ProtobufCBinaryData));
        fill_value(f, list);
        memcpy(at, &list, sizeof(list));
        *(size_t *)(void *)((char *)m + f->quantifier_offset) = 1;
        return;
    }
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *set = (void *)((char *)m + f->quantifier_offset);
        if (*set)
            return;
        *set = f->id;
    }
    fill_value(f, at);
}

ProtobufCMessage *message_new_filled(const ProtobufCMessageDescriptor *of)
{
    ProtobufCMessage *m = allocate(of->sizeof_message);
    protobuf_c_message_init(of, m);
    for (unsigned i = 0; i < of->n_fields; i++)
        fill_field(m, &of->fields[i]);
    return m;
}

static bool is_missing(const ProtobufCFieldDescriptor *f, const void *value)
{
    static const char zeros[sizeof(ProtobufCBinaryData)];
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)value;
        return !text || !*text;
    }
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)value)->len == 0;
    return memcmp(value, zeros, size_of(f)) == 0;
}

void message_each_missing(const ProtobufCMessage *m, void (*fn)(void *arg, const char *name),
                          void *arg)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const char *value = (const char *)m + f->offset;
        const void *quantifier = (const char *)m + f->quantifier_offset;
        bool missing;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            missing = *(const size_t *)quantifier == 0;
            value = missing ? NULL : *(char *const *)(const void *)value;
        } else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            missing = *(const uint32_t *)quantifier == 0;
            if (!missing && *(const uint32_t *)quantifier != f->id)
                continue;
        } else {
            missing = is_missing(f, value);
        }
        if (missing) {
            char name[160];
            snprintf(name, sizeof(name), "%s.%s", m->descriptor->short_name, f->name);
            fn(arg, name);
        } else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
            message_each_missing(*(ProtobufCMessage *const *)(const void *)value, fn, arg);
        }
    }
}
