/* Collisions in C; see check_names.h. Each generated identifier is claimed once, for the .proto
 * name that it is made of; a second claim is a complaint that gives both. */
#include "rpc/stubgen/check_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "rpc/stubgen/names.h"

/* Field numbers of descriptor.proto, for paths. */
enum {
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_FIELD = 2,
    MESSAGE_ENUM = 4,
    MESSAGE_ONEOF = 8,
    SERVICE_METHOD = 2,
};

struct claim {
    struct list link;
    char *c_name; /* owned */
    char *owner;  /* owned; the .proto name */
};

struct claims {
    struct list all;
    struct map by_name;
    struct text *errors;          /* borrowed */
    struct name last, last_other; /* of the last complaint: two things clash once, not per name */
    bool out_of_memory;
};

/* For whom names are claimed. */
struct claimant {
    const char *owner; /* full .proto name */
    const proto_file *file;
    struct schema_path path;
};

static void claims_init(struct claims *c, struct text *errors)
{
    *c = (struct claims){.errors = errors};
    list_init(&c->all);
    map_init(&c->by_name);
}

static void claim_free(struct claim *claim)
{
    if (claim) {
        free(claim->c_name);
        free(claim->owner);
        free(claim);
    }
}

static void claims_done(struct claims *c)
{
    list_foreach(pos, &c->all) claim_free(container_of(pos, struct claim, link));
    map_done(&c->by_name);
}

static void claims_refuse(struct claims *c, const struct claimant *who, const char *c_name,
                          const struct claim *other)
{
    struct name last = name_full(NULL, who->owner), last_other = name_full(NULL, other->owner);
    if (strcmp(c->last.text, last.text) == 0 && strcmp(c->last_other.text, last_other.text) == 0)
        return;
    c->last = last;
    c->last_other = last_other;
    check_say(c->errors, who->file, who->path, "%s and %s are both %s in C: rename one", who->owner,
              other->owner, c_name);
}

static void claims_add(struct claims *c, const struct claimant *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void claims_add(struct claims *c, const struct claimant *who, const char *fmt, ...)
{
    struct claim *claim = calloc(1, sizeof(*claim));
    va_list ap;
    va_start(ap, fmt);
    bool made = claim && vasprintf(&claim->c_name, fmt, ap) >= 0;
    va_end(ap);
    if (!made || !(claim->owner = strdup(who->owner))) {
        c->out_of_memory = true;
        claim_free(claim);
        return;
    }
    const struct claim *other = map_find(&c->by_name, claim->c_name);
    if (other) {
        claims_refuse(c, who, claim->c_name, other);
        claim_free(claim);
        return;
    }
    list_add_tail(&c->all, &claim->link);
    if (map_put(&c->by_name, claim->c_name, claim) < 0)
        c->out_of_memory = true;
}

/* False, with a complaint, for names that would be cut (names.h). */
static bool names_fit(struct claims *c, const struct claimant *who)
{
    if (strlen(who->owner) <= NAME_MAX_PROTO_CHARS)
        return true;
    check_say(c->errors, who->file, who->path, "%.40s… is longer than %d characters: shorten it",
              who->owner, NAME_MAX_PROTO_CHARS);
    return false;
}

static void names_enum(struct claims *c, const proto_file *file, const char *scope,
                       const proto_enum *e, struct schema_path path)
{
    struct name full = name_full(scope, e->name);
    struct claimant who = {full.text, file, path};
    if (!names_fit(c, &who))
        return;
    claims_add(c, &who, "%s", name_c_type(full.text).text);
    claims_add(c, &who, "%s__descriptor", name_c_symbol(full.text).text);
    for (size_t i = 0; i < e->n_value; i++)
        claims_add(c, &who, "%s__%s", name_c_constant(full.text).text, e->value[i]->name);
}

/* The cases of a message's oneofs; a proto3 optional field is one too. */
static void names_oneofs(struct claims *c, const struct schema_message *m)
{
    const char *full = m->full_name + 1;
    struct name type = name_c_type(full), constant = name_c_constant(full);
    for (size_t i = 0; i < m->proto->n_oneof_decl; i++) {
        const char *oneof = m->proto->oneof_decl[i]->name;
        struct name owner = name_full(full, oneof);
        struct claimant who = {owner.text, m->file, schema_path_add(m->path, MESSAGE_ONEOF, i)};
        struct name upper = name_upper(name_c_lower(oneof).text);
        claims_add(c, &who, "%s__%sCase", type.text, name_c_camel(oneof).text);
        claims_add(c, &who, "%s__%s__NOT_SET", constant.text, upper.text);
        for (size_t k = 0; k < m->proto->n_field; k++) {
            const proto_field *f = m->proto->field[k];
            if (f->has_oneof_index && f->oneof_index == (int32_t)i)
                claims_add(c, &who, "%s__%s_%s", constant.text, upper.text,
                           name_upper(name_c_lower(f->name).text).text);
        }
    }
}

/* Members of a message's struct: a name space of its own. */
static void names_members(struct claims *global, const struct schema_message *m)
{
    struct claims c;
    claims_init(&c, global->errors);
    for (size_t i = 0; i < m->proto->n_field; i++) {
        const proto_field *f = m->proto->field[i];
        struct name owner = name_full(m->full_name + 1, f->name);
        struct claimant who = {owner.text, m->file, schema_path_add(m->path, MESSAGE_FIELD, i)};
        if (!names_fit(&c, &who))
            continue;
        claims_add(&c, &who, "%s", name_c_field(f->name).text);
        if (f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
            claims_add(&c, &who, "n_%s", name_c_field(f->name).text);
    }
    for (size_t i = 0; i < m->proto->n_oneof_decl; i++) {
        struct name owner = name_full(m->full_name + 1, m->proto->oneof_decl[i]->name);
        struct claimant who = {owner.text, m->file, schema_path_add(m->path, MESSAGE_ONEOF, i)};
        if (names_fit(&c, &who))
            claims_add(&c, &who, "%s", name_c_oneof_case(m->proto->oneof_decl[i]->name).text);
    }
    global->out_of_memory |= c.out_of_memory;
    claims_done(&c);
}

static void names_message(struct claims *c, const struct schema_message *m)
{
    const char *full = m->full_name + 1;
    struct claimant who = {full, m->file, m->path};
    if (!names_fit(c, &who))
        return;
    claims_add(c, &who, "%s", name_c_type(full).text);
    claims_add(c, &who, "%s__descriptor", name_c_symbol(full).text);
    claims_add(c, &who, "%s__INIT", name_c_constant(full).text);
    for (size_t i = 0; i < m->proto->n_enum_type; i++)
        names_enum(c, m->file, full, m->proto->enum_type[i],
                   schema_path_add(m->path, MESSAGE_ENUM, i));
    names_members(c, m);
    names_oneofs(c, m);
}

static void names_method(struct claims *c, const struct claimant *who, const char *prefix,
                         const char *method)
{
    static const char *const functions[] = {"start",   "send_request", "reply",   "send",
                                            "request", "response",     "dispatch"};
    struct name snake = name_snake(method);
    claims_add(c, who, "%s_%s", name_upper(prefix).text, name_upper(snake.text).text);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        claims_add(c, who, "%s_%s_%s", prefix, snake.text, functions[i]);
}

static void names_service(struct claims *c, const proto_file *file, size_t index)
{
    const proto_service *service = file->service[index];
    const char *package = file->package ? file->package : "";
    struct name full = name_full(package, service->name);
    struct schema_path path = schema_path_add((struct schema_path){.n = 0}, FILE_SERVICE, index);
    struct claimant who = {full.text, file, path};
    if (!names_fit(c, &who))
        return;
    struct name prefix = name_service(package, service->name);
    claims_add(c, &who, "%s", prefix.text);
    claims_add(c, &who, "%s_register", prefix.text);
    claims_add(c, &who, "%s_methods", prefix.text);
    claims_add(c, &who, "%s_METHODS", name_upper(prefix.text).text);
    claims_add(c, &who, "%s__descriptor", name_c_symbol(full.text).text);
    for (size_t i = 0; i < service->n_method; i++) {
        struct name owner = name_full(full.text, service->method[i]->name);
        struct claimant method = {owner.text, file, schema_path_add(path, SERVICE_METHOD, i)};
        if (!names_fit(c, &method))
            continue;
        names_method(c, &method, prefix.text, service->method[i]->name);
        /* libbanger's, of all services together. */
        if (schema_is_ours(file) && !service->method[i]->client_streaming &&
            !service->method[i]->server_streaming)
            claims_add(c, &method, "banger_%s", name_snake(service->method[i]->name).text);
    }
}

int check_names(const proto_request *request, const struct schema *schema, struct text *errors)
{
    struct claims c;
    claims_init(&c, errors);
    for (size_t i = 0; i < schema->n_messages; i++)
        if (schema_is_generated(request, schema->messages[i]->file))
            names_message(&c, schema->messages[i]);
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const proto_file *file = request->proto_file[i];
        if (!schema_is_generated(request, file))
            continue;
        for (size_t k = 0; k < file->n_enum_type; k++)
            names_enum(&c, file, file->package ? file->package : "", file->enum_type[k],
                       schema_path_add((struct schema_path){.n = 0}, FILE_ENUM, k));
        for (size_t k = 0; k < file->n_service; k++)
            names_service(&c, file, k);
    }
    bool failed = c.out_of_memory;
    claims_done(&c);
    return failed ? -1 : 0;
}
