/* The option parser: see opt.h. GNU style: --name value, --name=value, -x value, -xvalue, -xyz. */
#include "opt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "letters.h"
#include "suggest.h"

bool opt_parse_count(const char *text, uint64_t *count)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Digits with at most one point, times the unit's factor; exact in integers. */
static bool opt_scale(const char *text, size_t len, uint64_t factor, uint64_t *out)
{
    uint64_t whole = 0, part = 0, divisor = 1;
    bool point = false, digit = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)text[i]))
            return false;
        digit = true;
        uint64_t d = (uint64_t)(text[i] - '0');
        if (!point &&
            (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, d, &whole)))
            return false;
        if (point && divisor < 1000000) {
            part = part * 10 + d;
            divisor *= 10;
        }
    }
    uint64_t fraction;
    if (!digit || __builtin_mul_overflow(whole, factor, &whole) ||
        __builtin_mul_overflow(part, factor, &fraction))
        return false;
    return !__builtin_add_overflow(whole, fraction / divisor, out);
}

struct opt_unit {
    const char *name;
    uint64_t factor;
};

static bool opt_parse_unit(const char *text, const struct opt_unit *units, uint64_t *out)
{
    size_t len = strspn(text, "0123456789.");
    for (const struct opt_unit *u = units; u->name; u++)
        if (len > 0 && strcasecmp(text + len, u->name) == 0)
            return opt_scale(text, len, u->factor, out);
    return false;
}

bool opt_parse_size(const char *text, uint64_t *bytes)
{
    static const struct opt_unit units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1ull << 10},
        {"kib", 1ull << 10},
        {"kb", 1000},
        {"m", 1ull << 20},
        {"mib", 1ull << 20},
        {"mb", 1000000},
        {"g", 1ull << 30},
        {"gib", 1ull << 30},
        {"gb", 1000000000},
        {"t", 1ull << 40},
        {"tib", 1ull << 40},
        {"tb", 1000000000000},
        {NULL, 0},
    };
    return opt_parse_unit(text, units, bytes);
}

bool opt_parse_duration(const char *text, uint64_t *ms)
{
    static const struct opt_unit units[] = {
        {"", 1000},     {"ms", 1},      {"s", 1000},     {"m", 60000},
        {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
    };
    return opt_parse_unit(text, units, ms);
}

const struct opt *opt_find(const struct opt *table, const char *word)
{
    for (const struct opt *o = table; o && o->name; o++) {
        if (word[0] != '-')
            return NULL;
        if (word[1] != '-') {
            if (o->letter && word[1] == o->letter)
                return o;
            continue;
        }
        size_t len = strcspn(word + 2, "=");
        if (strlen(o->name) == len && strncmp(o->name, word + 2, len) == 0)
            return o;
    }
    return NULL;
}

static bool opt_is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == len && strncmp(c, text, len) == 0)
            return true;
    return false;
}

static int opt_bad_value(const struct opt *o, const char *text, const char *hint,
                         char error[OPT_ERROR_BYTES])
{
    snprintf(error, OPT_ERROR_BYTES, "--%s: \"%.60s\" is not %s", o->name, text, hint);
    return -1;
}

static int opt_store(const struct opt *o, void *values, const char *text,
                     char error[OPT_ERROR_BYTES])
{
    void *at = (char *)values + o->offset;
    struct opt_number *number = at;
    char hint[128];
    if (o->choices && !opt_is_choice(o->choices, text)) {
        snprintf(hint, sizeof(hint), "one of %s", o->choices);
        return opt_bad_value(o, text, hint, error);
    }
    switch (o->kind) {
    case OPT_FLAG:
        *(bool *)at = true;
        return 0;
    case OPT_STRING:
        *(const char **)at = text;
        return 0;
    case OPT_LIST: {
        struct opt_list *list = at;
        const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));
        if (!items) {
            snprintf(error, OPT_ERROR_BYTES, "out of memory");
            return -1;
        }
        list->items = items;
        list->items[list->n++] = text;
        return 0;
    }
    case OPT_COUNT:
        if (!opt_parse_count(text, &number->value))
            return opt_bad_value(o, text, "a whole number", error);
        break;
    case OPT_SIZE:
        if (!opt_parse_size(text, &number->value))
            return opt_bad_value(o, text, "a size such as 512M or 2G", error);
        break;
    case OPT_DURATION:
        if (!opt_parse_duration(text, &number->value))
            return opt_bad_value(o, text, "a duration such as 500ms, 10s or 5m", error);
        break;
    }
    number->given = true;
    return 0;
}

static const struct opt *opt_lookup(const struct opt_set *sets, size_t n_sets, const char *word,
                                    void **values)
{
    for (size_t i = 0; i < n_sets; i++) {
        const struct opt *o = opt_find(sets[i].table, word);
        if (o) {
            *values = sets[i].values;
            return o;
        }
    }
    return NULL;
}

/* The one of the command's own options, which are first, that begins with the letter; NULL: none,
 * or several. */
static const struct opt *opt_beginning(const struct opt_set *sets, size_t n_sets, char letter)
{
    const struct opt *found = NULL;
    for (size_t i = 0; i < n_sets && !found; i++)
        for (const struct opt *o = sets[i].table; o && o->name; o++) {
            if (o->name[0] != letter)
                continue;
            if (found)
                return NULL;
            found = o;
        }
    return found;
}

static int opt_unknown_letter(const struct opt_set *sets, size_t n_sets, char letter,
                              char error[OPT_ERROR_BYTES])
{
    const struct letter *known = letter_find(letter);
    const struct opt *near = opt_beginning(sets, n_sets, letter);
    char hint[64] = "";
    if (near)
        snprintf(hint, sizeof(hint), "; did you mean --%s?", near->name);
    if (known && known->name)
        snprintf(error, OPT_ERROR_BYTES, "-%c is --%s, which does not belong here%s", letter,
                 known->name, hint);
    else if (known)
        snprintf(error, OPT_ERROR_BYTES, "there is no -%c: %s", letter, known->meaning);
    else
        snprintf(error, OPT_ERROR_BYTES, "unknown option -%c%s", letter, hint);
    return -1;
}

static int opt_unknown(const struct opt_set *sets, size_t n_sets, const char *word,
                       char error[OPT_ERROR_BYTES])
{
    struct suggestion best = suggest_begin(word + strspn(word, "-"));
    if (word[1] != '-')
        return opt_unknown_letter(sets, n_sets, word[1], error);
    for (size_t i = 0; i < n_sets; i++)
        for (const struct opt *o = sets[i].table; o && o->name; o++)
            suggest_offer(&best, o->name);
    if (best.word)
        snprintf(error, OPT_ERROR_BYTES, "unknown option %.60s; did you mean --%s?", word,
                 best.word);
    else
        snprintf(error, OPT_ERROR_BYTES, "unknown option %.60s", word);
    return -1;
}

/* Takes the option argv[*at] and its value. */
static int opt_take(const struct opt_set *sets, size_t n_sets, int argc, char **argv, int *at,
                    char error[OPT_ERROR_BYTES])
{
    char *word = argv[*at];
    bool is_long = word[1] == '-';
    const char *letters = word + 1;
    char one[3] = "-";
    for (;;) {
        one[1] = *letters;
        void *values;
        const struct opt *o = opt_lookup(sets, n_sets, is_long ? word : one, &values);
        if (!o)
            return opt_unknown(sets, n_sets, is_long ? word : one, error);
        const char *value = is_long ? strchr(word, '=') : NULL;
        value = value ? value + 1 : NULL;
        if (o->kind == OPT_FLAG) {
            if (value) {
                snprintf(error, OPT_ERROR_BYTES, "--%s takes no value", o->name);
                return -1;
            }
            if (opt_store(o, values, "", error) < 0)
                return -1;
            if (is_long || !*++letters)
                return 0;
            continue;
        }
        if (!is_long && letters[1])
            value = letters + 1 + (letters[1] == '=');
        if (!value && *at + 1 < argc)
            value = argv[++*at];
        if (!value) {
            snprintf(error, OPT_ERROR_BYTES, "--%s needs a value (%s)", o->name, o->value);
            return -1;
        }
        return opt_store(o, values, value, error);
    }
}

int opt_parse(const struct opt_set *sets, size_t n_sets, const struct opt_rules *rules, int argc,
              char **argv, struct opt_args *args, char error[OPT_ERROR_BYTES])
{
    *args = (struct opt_args){.refs = calloc((size_t)argc + 1, sizeof(char *))};
    if (!args->refs) {
        snprintf(error, OPT_ERROR_BYTES, "out of memory");
        return -1;
    }
    for (int i = 0; i < argc; i++) {
        bool dashes = strcmp(argv[i], "--") == 0;
        bool is_option = argv[i][0] == '-' && argv[i][1] && !dashes;
        if (rules->rest && (dashes || (!is_option && args->n_refs >= rules->max_refs))) {
            args->rest_marked = dashes;
            args->rest = argv + i + dashes;
            args->n_rest = argc - i - dashes;
            return 0;
        }
        if (is_option) {
            if (opt_take(sets, n_sets, argc, argv, &i, error) < 0)
                return -1;
        } else if (dashes) {
            while (++i < argc)
                args->refs[args->n_refs++] = argv[i];
        } else {
            args->refs[args->n_refs++] = argv[i];
        }
    }
    return 0;
}

void opt_done(const struct opt_set *sets, size_t n_sets, struct opt_args *args)
{
    for (size_t i = 0; i < n_sets; i++)
        for (const struct opt *o = sets[i].table; o && o->name; o++)
            if (o->kind == OPT_LIST)
                free(((struct opt_list *)(void *)((char *)sets[i].values + o->offset))->items);
    free(args->refs);
}
