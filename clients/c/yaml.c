/* A tree of JSON values as a YAML 1.2 document in block style. Strings that could be read as
 * anything else are quoted the JSON way, which YAML takes. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_tree.h"

static void yaml_put(FILE *out, const json_t *value, int depth);

static bool yaml_is_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n",   "~"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char rest[] = "0123456789-./@+ ";
    if (!*text || !strchr(first, *text) || text[strlen(text) - 1] == ' ')
        return false;
    for (const char *c = text; *c; c++)
        if (!strchr(first, *c) && !strchr(rest, *c))
            return false;
    return true;
}

static void yaml_put_scalar(FILE *out, const json_t *value)
{
    if (json_is_string(value) && yaml_is_plain(json_string_value(value))) {
        fputs(json_string_value(value), out);
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    fputs(text ? text : "null", out);
    free(text);
}

static bool yaml_is_nested(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void yaml_put_object(FILE *out, const json_t *object, int depth, bool in_item)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        fprintf(out, "%*s%s:", in_item ? 0 : depth * 2, "", key);
        in_item = false;
        fputc(yaml_is_nested(value) ? '\n' : ' ', out);
        yaml_put(out, value, depth + 1);
    }
}

static void yaml_put_array(FILE *out, const json_t *array, int depth)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        fprintf(out, "%*s- ", depth * 2, "");
        if (json_object_size(value) > 0) {
            yaml_put_object(out, value, depth + 1, true);
        } else {
            if (json_array_size(value) > 0)
                fputc('\n', out);
            yaml_put(out, value, depth + 1);
        }
    }
}

static void yaml_put(FILE *out, const json_t *value, int depth)
{
    if (json_object_size(value) > 0) {
        yaml_put_object(out, value, depth, false);
    } else if (json_array_size(value) > 0) {
        yaml_put_array(out, value, depth);
    } else {
        yaml_put_scalar(out, value);
        fputc('\n', out);
    }
}

char *yaml_of_tree(const json_t *tree)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    yaml_put(out, tree, 0);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
