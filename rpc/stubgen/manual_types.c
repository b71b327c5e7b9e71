/* Messages and enums in the manual; see emit_manual.c. */
#include "rpc/stubgen/emit_manual.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "rpc/stubgen/comments.h"
#include "rpc/stubgen/markdown.h"
#include "rpc/stubgen/names.h"

/* Field numbers of descriptor.proto. */
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    ENUM_VALUE = 2,
};

/* Packages are written small, types begin with a capital. */
const char *manual_type_heading(const char *type)
{
    for (const char *c = type; *c; c++)
        if (isupper((unsigned char)*c) && (c == type || c[-1] == '.'))
            return c;
    return type;
}

const char *manual_file_heading(const proto_file *file)
{
    const char *slash = strrchr(file->name, '/');
    return slash ? slash + 1 : file->name;
}

static void emit_comments(struct text *t, const proto_file *file, struct schema_path path)
{
    const char *above = comment_above(file, path), *behind = comment_behind(file, path);
    markdown_cell(t, above);
    if (*above && *behind)
        text_add(t, " ");
    markdown_cell(t, behind);
}

static const proto_message *find_map_entry(const proto_message *m, const char *type)
{
    const char *name = strrchr(type, '.');
    for (size_t i = 0; name && i < m->n_nested_type; i++)
        if (strcmp(m->nested_type[i]->name, name + 1) == 0 && m->nested_type[i]->options &&
            m->nested_type[i]->options->map_entry)
            return m->nested_type[i];
    return NULL;
}

static void emit_type(struct text *t, const proto_field *field)
{
    static const char *const names[] = {"",         "double",   "float",   "int64",  "uint64",
                                        "int32",    "fixed64",  "fixed32", "bool",   "string",
                                        "group",    "",         "bytes",   "uint32", "",
                                        "sfixed32", "sfixed64", "sint32",  "sint64"};
    if (!field->type_name || !*field->type_name) {
        text_add(t, "%s", names[field->type]);
        return;
    }
    const char *name = manual_type_heading(field->type_name);
    if (strncmp(field->type_name, ".google.protobuf.", 17) == 0) {
        text_add(t, "%s", name);
        return;
    }
    text_add(t, "[%s](", name);
    markdown_anchor(t, name);
    text_add(t, ")");
}

static void emit_field(struct text *t, const proto_file *file, const proto_message *m, size_t i,
                       struct schema_path path)
{
    const proto_field *f = m->field[i];
    const proto_message *entry = f->type_name ? find_map_entry(m, f->type_name) : NULL;
    text_add(t, "| %d | `%s` | ", f->number, f->name);
    if (entry) {
        text_add(t, "map of ");
        emit_type(t, entry->field[0]);
        text_add(t, " to ");
        emit_type(t, entry->field[1]);
    } else {
        if (f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
            text_add(t, "list of ");
        emit_type(t, f);
        if (f->proto3_optional)
            text_add(t, ", optional");
        else if (f->has_oneof_index)
            text_add(t, ", one of `%s`", m->oneof_decl[f->oneof_index]->name);
    }
    text_add(t, " | ");
    emit_comments(t, file, schema_path_add(path, MESSAGE_FIELD, i));
    text_add(t, " |\n");
}

static void emit_enum(struct text *t, const proto_file *file, const char *scope,
                      const proto_enum *e, struct schema_path path)
{
    text_add(t, "### %s\n\n", name_full(scope, e->name).text);
    markdown_paragraphs(t, comment_above(file, path));
    text_add(t, "| # | value | |\n|---|---|---|\n");
    for (size_t i = 0; i < e->n_value; i++) {
        text_add(t, "| %d | `%s` | ", e->value[i]->number, e->value[i]->name);
        emit_comments(t, file, schema_path_add(path, ENUM_VALUE, i));
        text_add(t, " |\n");
    }
    text_add(t, "\n");
}

static void emit_message(struct text *t, const proto_file *file, const char *scope,
                         const proto_message *m, struct schema_path path)
{
    struct name name = name_full(scope, m->name);
    text_add(t, "### %s\n\n", name.text);
    markdown_paragraphs(t, comment_above(file, path));
    text_add(t, m->n_field ? "| # | field | type | |\n|---|---|---|---|\n" : "No fields.\n");
    for (size_t i = 0; i < m->n_field; i++)
        emit_field(t, file, m, i, path);
    text_add(t, "\n");
    for (size_t i = 0; i < m->n_nested_type; i++)
        if (!m->nested_type[i]->options || !m->nested_type[i]->options->map_entry)
            emit_message(t, file, name.text, m->nested_type[i],
                         schema_path_add(path, MESSAGE_NESTED, i));
    for (size_t i = 0; i < m->n_enum_type; i++)
        emit_enum(t, file, name.text, m->enum_type[i], schema_path_add(path, MESSAGE_ENUM, i));
}

void manual_types(struct text *t, const proto_file *file)
{
    const struct schema_path top = {.n = 0};
    for (size_t i = 0; i < file->n_message_type; i++)
        emit_message(t, file, "", file->message_type[i], schema_path_add(top, FILE_MESSAGE, i));
    for (size_t i = 0; i < file->n_enum_type; i++)
        emit_enum(t, file, "", file->enum_type[i], schema_path_add(top, FILE_ENUM, i));
}
