/* Refusals; see check.h. Messages in this file, names in C in check_names.c. */
#include "rpc/stubgen/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rpc/stubgen/check_names.h"
#include "rpc/stubgen/comments.h"
#include "rpc/stubgen/names.h"
#include "rpc/stubgen/policy.h"

/* Field numbers of descriptor.proto, for paths. */
enum { FILE_SERVICE = 6, FILE_SYNTAX = 12, MESSAGE_FIELD = 2, SERVICE_METHOD = 2 };

void check_say(struct text *errors, const proto_file *file, struct schema_path path,
               const char *fmt, ...)
{
    char what[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    int line = schema_line(file, path);
    const char *separator = buf_len(&errors->bytes) ? "\n" : "";
    if (line)
        text_add(errors, "%s%s:%d: %s", separator, file->name, line, what);
    else
        text_add(errors, "%s%s: %s", separator, file->name, what);
}

static void check_type_name(const struct schema_message *m, size_t i, struct text *errors)
{
    static const struct {
        const char *type, *instead;
    } refused[] = {
        {".google.protobuf.Struct", "Struct nests without limit; write a message"},
        {".google.protobuf.Value", "Value nests without limit; write a oneof"},
        {".google.protobuf.ListValue", "ListValue nests without limit; write a repeated field"},
        {".google.protobuf.Any",
         "Any hides its type; write a oneof (only google.rpc.Status has Any)"},
    };
    const char *type = m->proto->field[i]->type_name;
    for (size_t k = 0; type && k < sizeof(refused) / sizeof(refused[0]); k++) {
        if (strcmp(type, refused[k].type) != 0)
            continue;
        if (strcmp(type, ".google.protobuf.Any") == 0 &&
            strcmp(m->full_name, ".google.rpc.Status") == 0)
            continue;
        check_say(errors, m->file, schema_path_add(m->path, MESSAGE_FIELD, i), "field %s.%s: %s",
                  m->full_name + 1, m->proto->field[i]->name, refused[k].instead);
    }
}

static void check_field(const struct schema_message *m, size_t i, struct text *errors)
{
    const proto_field *f = m->proto->field[i];
    struct schema_path path = schema_path_add(m->path, MESSAGE_FIELD, i);
    if (f->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
        check_say(errors, m->file, path,
                  "field %s.%s is a group: write a message and a field of it", m->full_name + 1,
                  f->name);
    if (name_c_field_clashes(f->name))
        check_say(
            errors, m->file, path,
            "field %s.%s: protoc-c makes a member named %s, which does not compile; rename it",
            m->full_name + 1, f->name, name_c_field(f->name).text);
    check_type_name(m, i, errors);
}

/* Depth-first from m. The field that closes a circle is where it is reported: decoding would follow
 * it as deep as a peer likes, on our stack. */
static void check_recursion(struct schema *schema, struct schema_message *m, struct text *errors)
{
    m->visit = VISIT_OPEN;
    for (size_t i = 0; i < m->proto->n_field; i++) {
        struct schema_message *next = schema_find(schema, m->proto->field[i]->type_name);
        if (!next || strncmp(next->full_name, ".google.protobuf.", 17) == 0)
            continue; /* Google's own recursive ones are refused by name */
        if (next->visit == VISIT_OPEN)
            check_say(errors, m->file, schema_path_add(m->path, MESSAGE_FIELD, i),
                      "field %s.%s makes message %s contain itself: protobuf-c decodes without a "
                      "depth limit; refer to it by name or id instead",
                      m->full_name + 1, m->proto->field[i]->name, next->full_name + 1);
        else if (next->visit == VISIT_NEW)
            check_recursion(schema, next, errors);
    }
    m->visit = VISIT_DONE;
}

static void check_method(const proto_file *file, const proto_service *service, size_t s, size_t i,
                         struct text *errors)
{
    const proto_method *method = service->method[i];
    struct schema_path path = schema_path_add((struct schema_path){.n = 0}, FILE_SERVICE, s);
    path = schema_path_add(path, SERVICE_METHOD, i);
    struct policy policy;
    if (schema_is_ours(file) && !*comment_above(file, path))
        check_say(errors, file, path,
                  "method %s.%s has no comment: say above it what it does, and its errors; "
                  "docs/api.md is made of that",
                  service->name, method->name);
    if (policy_read(&policy, method) < 0)
        check_say(errors, file, path,
                  "method %s.%s: option (banger.v1.policy) is not what rpc/stubgen/policy.c knows: "
                  "teach it new fields; a resource_kind is small letters",
                  service->name, method->name);
    else if (policy.role == 0 && schema_is_ours(file))
        check_say(errors, file, path,
                  "method %s.%s has no role: add option (banger.v1.policy) = {role: ROLE_…}",
                  service->name, method->name);
    else if (policy.role != 0 && !policy_role_name(policy.role))
        check_say(errors, file, path, "method %s.%s: role %u is unknown to rpc/wire/method.h",
                  service->name, method->name, policy.role);
    else if (!policy_effect_name(policy.effect))
        check_say(errors, file, path, "method %s.%s: effect %u is unknown to rpc/wire/method.h",
                  service->name, method->name, policy.effect);
    else if (policy_is_read(&policy) && !policy.idempotent)
        check_say(errors, file, path,
                  "method %s.%s only reads, so it may be sent again: add idempotent: true",
                  service->name, method->name);
}

static void check_file(const proto_file *file, struct text *errors)
{
    struct schema_path syntax = {.steps = {FILE_SYNTAX}, .n = 1};
    if (schema_is_ours(file) && (!file->syntax || strcmp(file->syntax, "proto3") != 0))
        check_say(errors, file, syntax, "package %s is proto3: write syntax = \"proto3\"",
                  file->package);
    for (size_t s = 0; s < file->n_service; s++)
        for (size_t i = 0; i < file->service[s]->n_method; i++)
            check_method(file, file->service[s], s, i, errors);
}

int check_request(const proto_request *request, struct schema *schema, struct text *errors)
{
    for (size_t i = 0; i < request->n_proto_file; i++)
        if (schema_is_generated(request, request->proto_file[i]))
            check_file(request->proto_file[i], errors);
    for (size_t k = 0; k < schema->n_messages; k++) {
        struct schema_message *m = schema->messages[k];
        if (!schema_is_generated(request, m->file))
            continue;
        for (size_t i = 0; i < m->proto->n_field; i++)
            check_field(m, i, errors);
        if (m->visit == VISIT_NEW)
            check_recursion(schema, m, errors);
    }
    return check_names(request, schema, errors);
}
