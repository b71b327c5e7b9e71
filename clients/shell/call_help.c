/* What a method takes and gives, from its messages' descriptors. */
#include <stdio.h>
#include <string.h>

#include "call.h"

enum { HELP_DEPTH = 8, HELP_ENUMS = 32, NAME_BYTES = 128 };

/* Enums that were met, to be listed at the end. */
struct seen {
    const ProtobufCEnumDescriptor *enums[HELP_ENUMS];
    size_t n;
};

static void see_enum(struct seen *seen, const ProtobufCEnumDescriptor *type)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->enums[i] == type)
            return;
    if (seen->n < HELP_ENUMS)
        seen->enums[seen->n++] = type;
}

/* As -o json has it. */
static void camel(char out[NAME_BYTES], const char *snake)
{
    size_t n = 0;
    for (const char *c = snake; *c && n + 1 < NAME_BYTES; c++) {
        bool upper = c > snake && c[-1] == '_' && *c >= 'a' && *c <= 'z';
        if (*c != '_')
            out[n++] = upper ? (char)(*c - 'a' + 'A') : *c;
    }
    out[n] = '\0';
}

static const char *type_name(const ProtobufCFieldDescriptor *field)
{
    static const char *const names[] = {
        [PROTOBUF_C_TYPE_INT32] = "int32",     [PROTOBUF_C_TYPE_SINT32] = "int32",
        [PROTOBUF_C_TYPE_SFIXED32] = "int32",  [PROTOBUF_C_TYPE_INT64] = "int64",
        [PROTOBUF_C_TYPE_SINT64] = "int64",    [PROTOBUF_C_TYPE_SFIXED64] = "int64",
        [PROTOBUF_C_TYPE_UINT32] = "uint32",   [PROTOBUF_C_TYPE_FIXED32] = "uint32",
        [PROTOBUF_C_TYPE_UINT64] = "uint64",   [PROTOBUF_C_TYPE_FIXED64] = "uint64",
        [PROTOBUF_C_TYPE_FLOAT] = "float",     [PROTOBUF_C_TYPE_DOUBLE] = "double",
        [PROTOBUF_C_TYPE_BOOL] = "true|false", [PROTOBUF_C_TYPE_STRING] = "text",
        [PROTOBUF_C_TYPE_BYTES] = "base64",
    };
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return ((const ProtobufCEnumDescriptor *)field->descriptor)->short_name;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return names[field->type];
    const ProtobufCMessageDescriptor *type = field->descriptor;
    bool time = strcmp(type->name, "google.protobuf.Timestamp") == 0;
    return time ? "time (2024-02-29T12:00:00Z)" : type->short_name;
}

/* A oneof of one member is how `optional` is written down. */
static const char *presence(const ProtobufCMessageDescriptor *type,
                            const ProtobufCFieldDescriptor *field)
{
    unsigned n = 0;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return ", a list";
    if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return "";
    for (unsigned i = 0; i < type->n_fields; i++)
        n += type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
             type->fields[i].quantifier_offset == field->quantifier_offset;
    return n > 1 ? ", one of these" : ", or left out";
}

static void print_fields(const ProtobufCMessageDescriptor *type, unsigned depth, struct seen *seen)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char name[NAME_BYTES];
        camel(name, field->name);
        int indent = 2 + 2 * (int)depth;
        printf("%*s%-*s  %s%s\n", indent, "", indent < 24 ? 26 - indent : 2, name, type_name(field),
               presence(type, field));
        if (field->type == PROTOBUF_C_TYPE_ENUM)
            see_enum(seen, field->descriptor);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && type_name(field)[0] != 't' &&
            depth < HELP_DEPTH)
            print_fields(field->descriptor, depth + 1, seen);
    }
}

static void print_message(const char *head, bool streams, const ProtobufCMessageDescriptor *type,
                          struct seen *seen)
{
    printf("\n%s: %s%s\n", head, streams ? "any number of " : "", type->name);
    if (type->n_fields == 0)
        puts("  (no fields)");
    print_fields(type, 0, seen);
}

void call_print_help(const struct banger_method *method)
{
    struct seen seen = {.n = 0};
    const char *summary = banger_method_summary(method);
    printf("banger call %s%s%s\n\nUsage: banger call %s [JSON|-]\nRole: %s\n", call_name(method),
           *summary ? ": " : "", summary, call_short_name(method), banger_method_role(method));
    if (banger_method_is_planned(method))
        puts("Not built: it answers UNIMPLEMENTED.");
    print_message("Takes", banger_method_client_streams(method), banger_method_request(method),
                  &seen);
    print_message("Gives", banger_method_server_streams(method), banger_method_response(method),
                  &seen);
    for (size_t i = 0; i < seen.n; i++) {
        printf("\n%s:\n", seen.enums[i]->short_name);
        for (unsigned k = 0; k < seen.enums[i]->n_values; k++)
            printf("  %s\n", seen.enums[i]->values[k].name);
    }
}
