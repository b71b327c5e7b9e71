/* Wire layout lines from a descriptor set, and their comparison; see layout.h. */
#include "tests/compat/layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "google/protobuf/descriptor.pb-c.h"

void layout_init(struct layout *l)
{
    *l = (struct layout){.n_lines = 0};
}

void layout_done(struct layout *l)
{
    for (size_t i = 0; i < l->n_lines; i++)
        free(l->lines[i]);
    free(l->lines);
    layout_init(l);
}

int layout_add(struct layout *l, const char *line, struct err *err)
{
    if (l->n_lines == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        char **grown = realloc(l->lines, cap * sizeof(*grown));
        if (!grown)
            return err_sys(err, ENOMEM, "wire layout");
        l->lines = grown;
        l->cap = cap;
    }
    char *copy = strdup(line);
    if (!copy)
        return err_sys(err, ENOMEM, "wire layout");
    l->lines[l->n_lines++] = copy;
    return 0;
}

static int layout_add_format(struct layout *l, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int layout_add_format(struct layout *l, struct err *err, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line))
        return err_set(err, ERR_LIMIT, "wire layout: a line over %zu bytes", sizeof(line));
    return layout_add(l, line, err);
}

static int layout_order(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

void layout_sort(struct layout *l)
{
    if (l->n_lines > 0)
        qsort(l->lines, l->n_lines, sizeof(*l->lines), layout_order);
}

/* From descriptors */

static const char *layout_type(const Google__Protobuf__FieldDescriptorProto *f)
{
    static const char *const names[] = {
        [1] = "double",    [2] = "float",     [3] = "int64",   [4] = "uint64",
        [5] = "int32",     [6] = "fixed64",   [7] = "fixed32", [8] = "bool",
        [9] = "string",    [10] = "group",    [12] = "bytes",  [13] = "uint32",
        [15] = "sfixed32", [16] = "sfixed64", [17] = "sint32", [18] = "sint64",
    };
    if (f->type_name)
        return f->type_name + (*f->type_name == '.');
    size_t type = (size_t)f->type;
    return type < sizeof(names) / sizeof(names[0]) && names[type] ? names[type] : "unknown";
}

static int layout_add_field(struct layout *l, const char *message,
                            const Google__Protobuf__DescriptorProto *m,
                            const Google__Protobuf__FieldDescriptorProto *f, struct err *err)
{
    char label[256] = "singular";
    if (f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
        snprintf(label, sizeof(label), "repeated");
    else if (f->proto3_optional)
        snprintf(label, sizeof(label), "optional");
    else if (f->has_oneof_index && (size_t)f->oneof_index < m->n_oneof_decl)
        snprintf(label, sizeof(label), "oneof(%.200s)", m->oneof_decl[f->oneof_index]->name);
    return layout_add_format(l, err, "field %s %d %s %s %s", message, f->number, f->name,
                             layout_type(f), label);
}

static int layout_add_enum(struct layout *l, const char *scope,
                           const Google__Protobuf__EnumDescriptorProto *e, struct err *err)
{
    for (size_t i = 0; i < e->n_value; i++)
        if (layout_add_format(l, err, "enum %s.%s %d %s", scope, e->name, e->value[i]->number,
                              e->value[i]->name) < 0)
            return -1;
    return 0;
}

static int layout_add_message(struct layout *l, const char *scope,
                              const Google__Protobuf__DescriptorProto *m, struct err *err)
{
    auto_free char *name = NULL;
    if (asprintf(&name, "%s.%s", scope, m->name) < 0) {
        name = NULL;
        return err_sys(err, ENOMEM, "wire layout");
    }
    for (size_t i = 0; i < m->n_field; i++)
        if (layout_add_field(l, name, m, m->field[i], err) < 0)
            return -1;
    for (size_t i = 0; i < m->n_enum_type; i++)
        if (layout_add_enum(l, name, m->enum_type[i], err) < 0)
            return -1;
    for (size_t i = 0; i < m->n_nested_type; i++)
        if (layout_add_message(l, name, m->nested_type[i], err) < 0)
            return -1;
    return 0;
}

static int layout_add_service(struct layout *l, const char *package,
                              const Google__Protobuf__ServiceDescriptorProto *s, struct err *err)
{
    for (size_t i = 0; i < s->n_method; i++) {
        const Google__Protobuf__MethodDescriptorProto *m = s->method[i];
        if (layout_add_format(l, err, "rpc %s.%s.%s %s%s returns %s%s", package, s->name, m->name,
                              m->client_streaming ? "stream " : "", m->input_type + 1,
                              m->server_streaming ? "stream " : "", m->output_type + 1) < 0)
            return -1;
    }
    return 0;
}

static int layout_add_file(struct layout *l, const Google__Protobuf__FileDescriptorProto *f,
                           struct err *err)
{
    const char *package = f->package ? f->package : "";
    if (strcmp(package, "banger") != 0 && strncmp(package, "banger.", 7) != 0)
        return 0;
    for (size_t i = 0; i < f->n_message_type; i++)
        if (layout_add_message(l, package, f->message_type[i], err) < 0)
            return -1;
    for (size_t i = 0; i < f->n_enum_type; i++)
        if (layout_add_enum(l, package, f->enum_type[i], err) < 0)
            return -1;
    for (size_t i = 0; i < f->n_service; i++)
        if (layout_add_service(l, package, f->service[i], err) < 0)
            return -1;
    return 0;
}

int layout_read_set(struct layout *l, const uint8_t *data, size_t len, struct err *err)
{
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, len, data);
    if (!set)
        return err_set(err, ERR_INVALID, "not a FileDescriptorSet");
    int rc = 0;
    for (size_t i = 0; i < set->n_file && rc == 0; i++)
        rc = layout_add_file(l, set->file[i], err);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    layout_sort(l);
    return rc;
}

/* From text, and comparison */

int layout_read_text(struct layout *l, const char *text, struct err *err)
{
    auto_free char *copy = strdup(text);
    if (!copy)
        return err_sys(err, ENOMEM, "wire layout");
    char *at = copy;
    for (char *line; (line = strsep(&at, "\n"));)
        if (*line && *line != '#' && layout_add(l, line, err) < 0)
            return -1;
    layout_sort(l);
    return 0;
}

/* What identifies the thing on a line: its first three words (kind, scope, number) or, for an rpc,
 * two. The rest is what must not change. */
static size_t layout_key_len(const char *line)
{
    size_t words = strncmp(line, "rpc ", 4) == 0 ? 2 : 3;
    const char *at = line;
    while (words > 0 && *at) {
        at += strcspn(at, " ");
        if (--words > 0 && *at)
            at++;
    }
    return (size_t)(at - line);
}

static const char *layout_find_key(const struct layout *l, const char *line)
{
    size_t n = layout_key_len(line);
    for (size_t i = 0; i < l->n_lines; i++)
        if (layout_key_len(l->lines[i]) == n && strncmp(l->lines[i], line, n) == 0)
            return l->lines[i];
    return NULL;
}

struct layout_change layout_compare(const struct layout *before, const struct layout *now,
                                    FILE *report)
{
    struct layout_change change = {0, 0};
    size_t b = 0, n = 0;
    while (b < before->n_lines || n < now->n_lines) {
        int order = b == before->n_lines ? 1
                    : n == now->n_lines  ? -1
                                         : strverscmp(before->lines[b], now->lines[n]);
        if (order < 0) {
            const char *instead = layout_find_key(now, before->lines[b]);
            fprintf(report, "gone: %s%s%s\n", before->lines[b], instead ? "; now " : "",
                    instead ? instead : "");
            change.gone++;
        } else if (order > 0) {
            fprintf(report, "new: %s\n", now->lines[n]);
            change.added++;
        }
        b += order <= 0;
        n += order >= 0;
    }
    return change;
}
