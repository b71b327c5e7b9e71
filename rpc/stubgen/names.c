/* Naming rules; see names.h. */
#include "rpc/stubgen/names.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Words behind which protoc-c puts an underscore: C's and C++98's (its kKeywordList). */
static const char *const mangled[] = {
    "NULL",      "and",     "and_eq",    "asm",          "auto",     "bitand",
    "bitor",     "bool",    "break",     "case",         "catch",    "char",
    "class",     "compl",   "const",     "const_cast",   "continue", "default",
    "delete",    "do",      "double",    "dynamic_cast", "else",     "enum",
    "explicit",  "extern",  "false",     "float",        "for",      "friend",
    "goto",      "if",      "inline",    "int",          "long",     "mutable",
    "namespace", "new",     "not",       "not_eq",       "operator", "or",
    "or_eq",     "private", "protected", "public",       "register", "reinterpret_cast",
    "return",    "short",   "signed",    "sizeof",       "static",   "static_cast",
    "struct",    "switch",  "template",  "this",         "throw",    "true",
    "try",       "typedef", "typeid",    "typename",     "union",    "unsigned",
    "using",     "virtual", "void",      "volatile",     "wchar_t",  "while",
    "xor",       "xor_eq",
};

/* Words that it leaves alone and that do not work as members: its own first member, keywords of
 * gnu17, macros of the compiler and of headers that everybody includes. */
static const char *const clashing[] = {
    "base", "errno", "i386", "linux", "restrict", "static_assert", "typeof", "unix",
};

static bool name_is_one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(s, words) name_is_one_of(s, words, sizeof(words) / sizeof((words)[0]))

static void name_put(struct name *name, size_t *len, char c)
{
    if (*len < NAME_BYTES - 1)
        name->text[(*len)++] = c;
}

static void name_put_all(struct name *name, size_t *len, const char *s)
{
    for (; *s; s++)
        name_put(name, len, *s);
}

static bool is_upper(char c)
{
    return isupper((unsigned char)c);
}

static char to_lower(char c)
{
    return (char)tolower((unsigned char)c);
}

static char to_upper(char c)
{
    return (char)toupper((unsigned char)c);
}

/* Calls word rules over the parts between dots, joined by "__". */
static struct name name_join(const char *full_name, struct name (*rule)(const char *))
{
    struct name all = {""};
    size_t len = 0;
    for (const char *at = full_name + (*full_name == '.'); *at;) {
        size_t n = strcspn(at, ".");
        struct name part = {""};
        snprintf(part.text, sizeof(part.text), "%.*s", (int)n, at);
        part = rule(part.text);
        name_put_all(&all, &len, part.text);
        at += n;
        if (*at == '.') {
            name_put_all(&all, &len, "__");
            at++;
        }
    }
    return all;
}

struct name name_full(const char *scope, const char *child)
{
    struct name name = {""};
    size_t len = 0;
    if (scope && *scope) {
        name_put_all(&name, &len, scope);
        name_put(&name, &len, '.');
    }
    name_put_all(&name, &len, child);
    return name;
}

struct name name_c_camel(const char *snake)
{
    struct name name = {""};
    size_t len = 0;
    bool raise = true;
    for (; *snake; snake++) {
        if (*snake == '_') {
            raise = true;
            continue;
        }
        name_put(&name, &len, raise ? to_upper(*snake) : *snake);
        raise = false;
    }
    return name;
}

struct name name_c_lower(const char *camel)
{
    struct name name = {""};
    size_t len = 0;
    bool was_upper = true;
    for (; *camel; camel++) {
        bool upper = is_upper(*camel);
        if (upper && !was_upper)
            name_put(&name, &len, '_');
        name_put(&name, &len, to_lower(*camel));
        was_upper = upper;
    }
    return name;
}

struct name name_c_type(const char *full_name)
{
    return name_join(full_name, name_c_camel);
}

struct name name_c_symbol(const char *full_name)
{
    return name_join(full_name, name_c_lower);
}

struct name name_c_constant(const char *full_name)
{
    return name_upper(name_c_symbol(full_name).text);
}

struct name name_c_field(const char *field)
{
    struct name name = {""};
    size_t len = 0;
    for (const char *c = field; *c; c++)
        name_put(&name, &len, to_lower(*c));
    if (IS_ONE_OF(field, mangled))
        name_put(&name, &len, '_');
    return name;
}

struct name name_c_oneof_case(const char *oneof)
{
    struct name name = name_c_lower(oneof);
    size_t len = strlen(name.text);
    name_put_all(&name, &len, "_case");
    return name;
}

bool name_c_field_clashes(const char *field)
{
    struct name name = name_c_field(field);
    return IS_ONE_OF(name.text, clashing);
}

/* An underscore goes before a capital that follows a small letter or digit (Get|VM), and before the
 * last capital of a run that a small letter follows (VM|Handles) unless that letter is a plural s
 * at the end of the word (VMs). */
static bool name_word_begins(const char *s, size_t i)
{
    if (i == 0 || !is_upper(s[i]))
        return false;
    if (!is_upper(s[i - 1]))
        return s[i - 1] != '_';
    if (!s[i + 1] || is_upper(s[i + 1]) || s[i + 1] == '_')
        return false;
    bool plural = s[i + 1] == 's' && (!s[i + 2] || is_upper(s[i + 2]) || s[i + 2] == '_');
    return !plural && !isdigit((unsigned char)s[i + 1]);
}

struct name name_snake(const char *camel)
{
    struct name name = {""};
    size_t len = 0;
    for (size_t i = 0; camel[i]; i++) {
        if (name_word_begins(camel, i))
            name_put(&name, &len, '_');
        name_put(&name, &len, to_lower(camel[i]));
    }
    return name;
}

struct name name_upper(const char *s)
{
    struct name name = {""};
    size_t len = 0;
    for (; *s; s++)
        name_put(&name, &len, to_upper(*s));
    return name;
}

struct name name_service(const char *package, const char *service)
{
    struct name name = {""};
    size_t len = 0;
    for (; *package; package++)
        name_put(&name, &len, *package == '.' ? '_' : to_lower(*package));
    if (len > 0)
        name_put(&name, &len, '_');
    name_put_all(&name, &len, name_snake(service).text);
    return name;
}

struct name name_service_kind(const char *service)
{
    struct name snake = name_snake(service), kind = {""};
    static const char suffix[] = "_service";
    size_t len = strlen(snake.text), n = 0, tail = sizeof(suffix) - 1;
    if (len > tail && strcmp(snake.text + len - tail, suffix) == 0)
        snake.text[len - tail] = '\0';
    const char *last = strrchr(snake.text, '_');
    name_put_all(&kind, &n, last ? last + 1 : snake.text);
    return kind;
}

struct name name_guard(const char *path)
{
    struct name name = {""};
    size_t len = 0;
    for (; *path; path++)
        name_put(&name, &len, isalnum((unsigned char)*path) ? to_upper(*path) : '_');
    return name;
}

struct name name_handler(const char *method)
{
    struct name name = name_snake(method);
    size_t len = strlen(name.text);
    if (IS_ONE_OF(name.text, mangled) || IS_ONE_OF(name.text, clashing))
        name_put(&name, &len, '_');
    return name;
}
