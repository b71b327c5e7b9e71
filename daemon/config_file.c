/* The configuration file: YAML by libyaml, each value with its line; see config_internal.h.
 *
 * Reading goes on behind an error, so that one look shows all of them; what is no YAML ends it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/config_internal.h"

enum { FILE_BYTES_MAX = 1 << 20 };

struct reader {
    struct daemon_config *config;
    const char *path;
    yaml_document_t *document;
    struct config_errors *errors;
};

#define WRONG_AT(reader, node, name, ...)                                                          \
    wrong_at((reader), (unsigned)(node)->start_mark.line + 1, (name), __VA_ARGS__)

/* FILE:LINE: KEY: what */
__attribute__((format(printf, 4, 5))) static void wrong_at(const struct reader *r, unsigned line,
                                                           const char *name, const char *fmt, ...)
{
    char text[CONFIG_ERROR_BYTES / 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    config_wrong(r->errors, "%s:%u: %.80s%s%s", r->path, line, name, *name ? ": " : "", text);
}

/* A text without NULs, or NULL. */
static const char *scalar(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static void read_key(struct reader *r, const char *name, const yaml_node_t *at,
                     const yaml_node_t *value)
{
    const struct config_key *key = config_find_key(name, strlen(name));
    const char *text = scalar(value);
    struct err err = ERR_INIT;
    if (!key) {
        WRONG_AT(r, at, name, "there is no such key");
        return;
    }
    size_t i = (size_t)(key - config_keys);
    unsigned line = (unsigned)at->start_mark.line + 1;
    if (r->config->line[i] > 0) {
        wrong_at(r, line, name, "stands in line %u already", r->config->line[i]);
        return;
    }
    r->config->line[i] = line;
    if (!text)
        WRONG_AT(r, value, name, "needs one value, not several");
    else if (config_set(r->config, key, text, &err) < 0)
        WRONG_AT(r, value, name, "%s", err.message);
    else
        r->config->source[i] = CONFIG_FILE;
}

/* Puts the fields of one USER, GROUP or NAME in order. False: something was wrong, and is told. */
static bool read_fields(struct reader *r, const struct config_section *section, const char *name,
                        const yaml_node_t *fields, const char *values[CONFIG_FIELDS_MAX])
{
    size_t errors_before = r->errors->n;
    const yaml_node_pair_t *end = fields->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = fields->data.mapping.pairs.start; p < end; p++) {
        const yaml_node_t *at = yaml_document_get_node(r->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(r->document, p->value);
        const char *field = scalar(at), *text = scalar(value);
        size_t i = 0;
        while (field && section->fields[i].name && strcmp(section->fields[i].name, field) != 0)
            i++;
        if (!field || !section->fields[i].name)
            WRONG_AT(r, at, name, "there is no such key: %.80s", field ? field : "(no text)");
        else if (values[i])
            WRONG_AT(r, at, name, "%s is said twice", field);
        else if (!text || !*text)
            WRONG_AT(r, value, name, "%s needs one value", field);
        else
            values[i] = text;
    }
    return r->errors->n == errors_before;
}

static void read_entry(struct reader *r, const struct config_section *section,
                       const yaml_node_t *at, const yaml_node_t *fields)
{
    const char *values[CONFIG_FIELDS_MAX] = {NULL}, *title = scalar(at);
    char name[160];
    struct err err = ERR_INIT;
    snprintf(name, sizeof(name), "%s: %.100s", section->name, title ? title : "(no text)");
    if (!title || fields->type != YAML_MAPPING_NODE) {
        WRONG_AT(r, at, name, "write %s: {%s: …}", title ? title : section->title,
                 section->fields[0].name);
        return;
    }
    if (!read_fields(r, section, name, fields, values))
        return;
    for (size_t i = 0; section->fields[i].name; i++)
        if (section->fields[i].required && !values[i]) {
            WRONG_AT(r, at, name, "%s is missing", section->fields[i].name);
            return;
        }
    if (section->add(r->config->rules, title, values, &err) < 0)
        WRONG_AT(r, at, name, "%s", err.message);
}

static bool read_section(struct reader *r, const char *name, const yaml_node_t *at,
                         const yaml_node_t *entries, bool seen[])
{
    size_t s = 0;
    while (s < n_config_sections && strcmp(config_sections[s].name, name) != 0)
        s++;
    if (s == n_config_sections)
        return false;
    const char *text = scalar(entries);
    if (seen[s])
        WRONG_AT(r, at, name, "stands in the file twice");
    else if (entries->type != YAML_MAPPING_NODE && !(text && !*text))
        WRONG_AT(r, entries, name, "below it stand lines like %s", config_sections[s].example);
    seen[s] = true;
    if (entries->type != YAML_MAPPING_NODE)
        return true;
    const yaml_node_pair_t *end = entries->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = entries->data.mapping.pairs.start; p < end; p++)
        read_entry(r, &config_sections[s], yaml_document_get_node(r->document, p->key),
                   yaml_document_get_node(r->document, p->value));
    return true;
}

static void read_root(struct reader *r, const yaml_node_t *root)
{
    bool seen[8] = {false};
    const char *text = scalar(root);
    if (text && !*text)
        return;
    if (root->type != YAML_MAPPING_NODE) {
        WRONG_AT(r, root, "", "the file has lines like max_vms: 100");
        return;
    }
    const yaml_node_pair_t *end = root->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = root->data.mapping.pairs.start; p < end; p++) {
        const yaml_node_t *at = yaml_document_get_node(r->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(r->document, p->value);
        const char *name = scalar(at);
        if (!name)
            WRONG_AT(r, at, "", "that is no name of a key");
        else if (!read_section(r, name, at, value, seen))
            read_key(r, name, at, value);
    }
}

static unsigned line_of(const char *text, size_t at)
{
    unsigned line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* libyaml says what is wrong and, for some, what it was at when it noticed. */
static void tell_syntax(const struct reader *r, const yaml_parser_t *parser, const char *text,
                        size_t len)
{
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    unsigned began = (unsigned)parser->context_mark.line + 1;
    char context[CONFIG_ERROR_BYTES / 4] = "";
    if (parser->error == YAML_MEMORY_ERROR) {
        config_wrong(r->errors, "%s: out of memory", r->path);
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        size_t at = parser->problem_offset < len ? parser->problem_offset : len;
        wrong_at(r, line_of(text, at), "", "%s", parser->problem);
        return;
    }
    if (parser->context && began != line)
        snprintf(context, sizeof(context), " %s that began in line %u", parser->context, began);
    else if (parser->context)
        snprintf(context, sizeof(context), " %s", parser->context);
    wrong_at(r, line, "", "%s%s", parser->problem, context);
}

void config_read_text(struct daemon_config *config, const char *path, const char *text, size_t len,
                      struct config_errors *errors)
{
    yaml_parser_t parser;
    yaml_document_t document, behind;
    struct reader r = {config, path, &document, errors};
    if (!yaml_parser_initialize(&parser)) {
        config_wrong(errors, "%s: out of memory", path);
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &document)) {
        tell_syntax(&r, &parser, text, len);
        yaml_parser_delete(&parser);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root) {
        read_root(&r, root);
        if (!yaml_parser_load(&parser, &behind)) {
            tell_syntax(&r, &parser, text, len);
        } else {
            const yaml_node_t *more = yaml_document_get_root_node(&behind);
            if (more)
                WRONG_AT(&r, more, "", "a second document begins");
            yaml_document_delete(&behind);
        }
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
}

/* The file says who is admin: nobody else may have written it. */
static bool is_trusted(const char *path, struct config_errors *errors)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return true; /* reading it tells */
    if (st.st_uid != 0 && st.st_uid != geteuid())
        config_wrong(errors, "%s: belongs to user %u, not to root or the daemon's user", path,
                     (unsigned)st.st_uid);
    else if (st.st_mode & S_IWOTH)
        config_wrong(errors, "%s: everyone may write to it: chmod o-w it", path);
    else
        return true;
    return false;
}

void config_read_file(struct daemon_config *config, const char *path, bool must_exist,
                      struct config_errors *errors)
{
    auto_free char *text = NULL;
    size_t len = 0;
    struct err err = ERR_INIT;
    if (fs_read(path, FILE_BYTES_MAX, &text, &len, &err) < 0) {
        if (must_exist || (err.sys != ENOENT && err.sys != ENOTDIR))
            config_wrong(errors, "%s", err.message);
        return;
    }
    if (is_trusted(path, errors))
        config_read_text(config, path, text, len, errors);
}
