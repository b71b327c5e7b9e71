/* See fields.h. Walks protobuf-c's descriptors, as clients/c/json.c does. */
#include "fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <banger/json.h>

#include "base/utf8.h"
#include "cli.h"

/* "vmName", "vm_name" and "VMNAME" are one. */
static bool fields_is_named(const char *field, const char *name, size_t len)
{
    size_t i = 0;
    for (; *field; field++) {
        if (*field == '_')
            continue;
        if (i < len && name[i] == '_')
            i++;
        if (i == len || strncasecmp(field, name + i, 1) != 0)
            return false;
        i++;
    }
    return i == len;
}

static const ProtobufCFieldDescriptor *fields_find(const ProtobufCMessageDescriptor *type,
                                                   const char *name, size_t len)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (fields_is_named(type->fields[i].name, name, len))
            return &type->fields[i];
    return NULL;
}

static bool fields_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    uint32_t chosen;
    if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return true;
    memcpy(&chosen, (const char *)message + field->quantifier_offset, sizeof(chosen));
    return chosen == field->id;
}

/* As it is meant for people, too; -o json has all of it. */
static void fields_write_text(FILE *out, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        return;
    utf8_tame(copy);
    fputs(copy, out);
    free(copy);
}

static void fields_write_time(FILE *out, const ProtobufCMessage *message)
{
    const Google__Protobuf__Timestamp *t = (const Google__Protobuf__Timestamp *)message;
    time_t seconds = (time_t)t->seconds;
    struct tm tm;
    char text[40];
    if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        fputs(text, out);
}

static void fields_write_message(FILE *out, const ProtobufCMessage *message)
{
    if (!message)
        return;
    if (message->descriptor == &google__protobuf__timestamp__descriptor) {
        fields_write_time(out, message);
        return;
    }
    char *text = banger_message_to_json(message, 0, NULL);
    cli_write_document(out, text ? text : "");
    free(text);
}

static void fields_write_value(FILE *out, const ProtobufCFieldDescriptor *field, const void *at)
{
    char word[WORD_BYTES];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        fields_write_text(out, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fputs(*(const protobuf_c_boolean *)at ? "true" : "false", out);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        fputs(enum_word(word, field->descriptor, *(const int *)at), out);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        fprintf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT32:
        fprintf(out, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        fprintf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        fields_write_message(out, *(ProtobufCMessage *const *)at);
        break;
    default:
        break; /* the contract's lists and descriptions have no others */
    }
}

/* "env=ci,team=a" of labels; their JSON of other messages. */
static void fields_write_element(FILE *out, const ProtobufCFieldDescriptor *field, const void *at)
{
    if (field->descriptor != &banger__v1__label__descriptor) {
        fields_write_value(out, field, at);
        return;
    }
    const Banger__V1__Label *label = *(Banger__V1__Label *const *)at;
    fields_write_text(out, label->key);
    fputc('=', out);
    fields_write_text(out, label->value);
}

static void fields_write_list(FILE *out, const ProtobufCMessage *message,
                              const ProtobufCFieldDescriptor *field, const char *rest, size_t len)
{
    const char *values = *(char *const *)(const void *)((const char *)message + field->offset);
    bool wide = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE ||
                field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_INT64;
    bool labels = field->descriptor == &banger__v1__label__descriptor;
    size_t n, size = wide ? 8 : 4;
    memcpy(&n, (const char *)message + field->quantifier_offset, sizeof(n));
    for (size_t i = 0; i < n; i++) {
        const Banger__V1__Label *label =
            labels ? ((Banger__V1__Label *const *)(const void *)values)[i] : NULL;
        if (labels && len > 0) {
            if (strlen(label->key) == len && strncmp(label->key, rest, len) == 0)
                fields_write_text(out, label->value);
            continue;
        }
        fputs(i ? "," : "", out);
        fields_write_element(out, field, values + i * size);
    }
}

/* Whether the type has the rest of the path: messages that are not there still have fields. */
static int fields_check(const ProtobufCMessageDescriptor *type, const char *path, size_t len)
{
    while (len > 0) {
        const char *point = memchr(path, '.', len);
        size_t n = point ? (size_t)(point - path) : len;
        const ProtobufCFieldDescriptor *field = type ? fields_find(type, path, n) : NULL;
        if (!field)
            return -1;
        if (!point || field->descriptor == &banger__v1__label__descriptor)
            return 0;
        type = field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED
                   ? field->descriptor
                   : NULL;
        path += n + 1;
        len -= n + 1;
    }
    return -1;
}

int fields_write(FILE *out, const ProtobufCMessage *message, const char *path, size_t len)
{
    if (fields_check(message->descriptor, path, len) < 0)
        return -1;
    for (;;) {
        const char *point = memchr(path, '.', len);
        size_t n = point ? (size_t)(point - path) : len;
        const ProtobufCFieldDescriptor *field = fields_find(message->descriptor, path, n);
        const void *at = (const char *)message + field->offset;
        size_t used = n + (point != NULL);
        path += used;
        len -= used;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fields_write_list(out, message, field, path, len);
            return 0;
        }
        if (!fields_is_set(message, field))
            return 0;
        if (len == 0) {
            fields_write_value(out, field, at);
            return 0;
        }
        message = *(ProtobufCMessage *const *)at;
        if (!message)
            return 0;
    }
}

/* "{name}" at text, or "{{.Name}}" as others have it: the path's place, and the length of all. 0:
 * no such thing. */
static size_t fields_braces(const char *text, const char **path, size_t *len)
{
    size_t braces = text[1] == '{' ? 2 : 1;
    const char *from = text + braces, *end = strstr(from, braces == 2 ? "}}" : "}");
    if (!end)
        return 0;
    size_t all = (size_t)(end - text) + braces;
    from += strspn(from, braces == 2 ? " ." : "");
    while (end > from && end[-1] == ' ')
        end--;
    *path = from;
    *len = (size_t)(end - from);
    return all;
}

int fields_format(FILE *out, const ProtobufCMessage *message, const char *format,
                  const char **wrong, size_t *wrong_len)
{
    for (const char *c = format; *c; c++) {
        const char *path;
        size_t len, all = *c == '{' ? fields_braces(c, &path, &len) : 0;
        if (all > 0 && fields_write(out, message, path, len) < 0) {
            *wrong = path;
            *wrong_len = len;
            return -1;
        }
        if (all > 0) {
            c += all - 1;
        } else if (c[0] == '\\' && (c[1] == 'n' || c[1] == 't')) {
            fputc(*++c == 'n' ? '\n' : '\t', out);
        } else {
            fputc(*c, out);
        }
    }
    fputc('\n', out);
    return 0;
}
