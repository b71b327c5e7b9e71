/* What a message is about, found through its descriptor; see audit.h. So a new method is in the
 * audit log with its resource as soon as it is in the contract. */
#include "daemon/service/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "rpc/wire/method.h"

/* References, what is nearest to the point first. */
static const struct {
    const char *field, *kind;
} references[] = {
    {"session", "session"}, {"snapshot", "snapshot"}, {"operation", "operation"}, {"vm", "vm"},
    {"image", "image"},     {"kernel", "kernel"},     {"principal", "identity"},
};

/* A field that is set, or NULL. */
static const void *find_field(const ProtobufCMessage *m, const char *name, ProtobufCType type)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    if (!f || f->type != type || f->label == PROTOBUF_C_LABEL_REPEATED)
        return NULL;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t which;
        memcpy(&which, (const char *)m + f->quantifier_offset, sizeof(which));
        if (which != f->id)
            return NULL;
    }
    return (const char *)m + f->offset;
}

static const char *find_string(const ProtobufCMessage *m, const char *name)
{
    const void *field = find_field(m, name, PROTOBUF_C_TYPE_STRING);
    const char *text = NULL;
    if (field)
        memcpy(&text, field, sizeof(text));
    return text && *text ? text : NULL;
}

/* Made fit for a terminal and for a proto string: the name may be what a client made up. */
static bool put(char *resource, size_t bytes, const char *kind, const char *name)
{
    snprintf(resource, bytes, "%s%s%s", kind, *kind ? "/" : "", name);
    utf8_mend(resource);
    for (char *c = resource; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return true;
}

static bool find_resource(const struct rpc_method *method, const ProtobufCMessage *m,
                          char *resource, size_t bytes)
{
    const char *text;
    char number[24];
    if ((text = find_string(m, "resource")))
        return put(resource, bytes, "", text);
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++)
        if ((text = find_string(m, references[i].field)))
            return put(resource, bytes, references[i].kind, text);
    if ((text = find_string(m, "id")) || (text = find_string(m, "name")))
        return put(resource, bytes, method->resource_kind, text);
    const void *id = find_field(m, "id", PROTOBUF_C_TYPE_UINT64);
    if (!id)
        return false;
    uint64_t value;
    memcpy(&value, id, sizeof(value));
    snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
    return put(resource, bytes, method->resource_kind, number);
}

void audit_resource(const struct rpc_method *method, const ProtobufCMessage *message,
                    char *resource, size_t bytes)
{
    resource[0] = '\0';
    const void *open = find_field(message, "open", PROTOBUF_C_TYPE_MESSAGE);
    const ProtobufCMessage *first = NULL;
    if (open)
        memcpy(&first, open, sizeof(first));
    if (!find_resource(method, message, resource, bytes) && first)
        find_resource(method, first, resource, bytes);
}
