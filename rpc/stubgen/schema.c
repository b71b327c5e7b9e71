/* Index over a CodeGeneratorRequest; see schema.h. */
#include "rpc/stubgen/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Field numbers of descriptor.proto. */
enum { FILE_MESSAGE = 4, MESSAGE_NESTED = 3 };

static struct schema_message *schema_append(struct schema *s)
{
    if (s->n_messages == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        void *grown = realloc(s->messages, cap * sizeof(*s->messages));
        if (!grown)
            return NULL;
        s->messages = grown;
        s->cap = cap;
    }
    struct schema_message *m = calloc(1, sizeof(*m));
    if (m)
        s->messages[s->n_messages++] = m;
    return m;
}

static int schema_add_message(struct schema *s, const proto_file *file, const char *scope,
                              const proto_message *proto, struct schema_path path)
{
    struct schema_message *m = schema_append(s);
    if (!m || path.n + 4 > SCHEMA_PATH_MAX ||
        asprintf(&m->full_name, "%s.%s", scope, proto->name) < 0)
        return -1;
    m->file = file;
    m->proto = proto;
    m->path = path;
    if (map_put(&s->by_name, m->full_name, m) < 0)
        return -1;
    for (size_t i = 0; i < proto->n_nested_type; i++)
        if (schema_add_message(s, file, m->full_name, proto->nested_type[i],
                               schema_path_add(path, MESSAGE_NESTED, i)) < 0)
            return -1;
    return 0;
}

int schema_init(struct schema *s, const proto_request *request)
{
    *s = (struct schema){.n_messages = 0};
    map_init(&s->by_name);
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const proto_file *file = request->proto_file[i];
        char scope[512];
        bool package = file->package && *file->package;
        snprintf(scope, sizeof(scope), "%s%s", package ? "." : "", package ? file->package : "");
        for (size_t k = 0; k < file->n_message_type; k++)
            if (schema_add_message(s, file, scope, file->message_type[k],
                                   schema_path_add((struct schema_path){.n = 0}, FILE_MESSAGE, k)) <
                0)
                return -1;
    }
    return 0;
}

void schema_done(struct schema *s)
{
    for (size_t i = 0; i < s->n_messages; i++) {
        free(s->messages[i]->full_name);
        free(s->messages[i]);
    }
    free(s->messages);
    map_done(&s->by_name);
}

struct schema_message *schema_find(const struct schema *s, const char *type_name)
{
    return type_name ? map_find(&s->by_name, type_name) : NULL;
}

struct schema_path schema_path_add(struct schema_path path, int field_number, size_t index)
{
    path.steps[path.n++] = field_number;
    path.steps[path.n++] = (int)index;
    return path;
}

int schema_line(const proto_file *file, struct schema_path path)
{
    if (!file->source_code_info)
        return 0;
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (;; path.n -= path.n >= 2 ? 2 : path.n) {
        for (size_t i = 0; i < info->n_location; i++) {
            const Google__Protobuf__SourceCodeInfo__Location *l = info->location[i];
            if (l->n_path == path.n && l->n_span > 0 &&
                (path.n == 0 || memcmp(l->path, path.steps, path.n * sizeof(int)) == 0))
                return l->span[0] + 1;
        }
        if (path.n == 0)
            return 0;
    }
}

bool schema_is_generated(const proto_request *request, const proto_file *file)
{
    for (size_t i = 0; i < request->n_file_to_generate; i++)
        if (strcmp(request->file_to_generate[i], file->name) == 0)
            return true;
    return false;
}

bool schema_is_ours(const proto_file *file)
{
    return file->package &&
           (strcmp(file->package, "banger") == 0 || strncmp(file->package, "banger.", 7) == 0);
}
