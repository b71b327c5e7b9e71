/* The commands of the command line: docs/cli.md names each of them and no other, texts for help and
 * manual have their form, and every example is a command line that there is. */
#include <wordexp.h>

#include "cli.h"
#include "examples.h"

#include "base/fs.h"
#include "tests/support/check.h"

typedef void command_fn(const struct noun *noun, const struct command *command);

static void each_command(command_fn *fn)
{
    for (size_t i = 0; nouns[i]; i++)
        for (const struct command *const *c = nouns[i]->commands; *c; c++)
            fn(nouns[i], *c);
}

static void complain(const struct noun *noun, const char *command, const char *what)
{
    fprintf(stderr, "%s%s%s: %s\n", noun->name, *command ? " " : "", command, what);
    check_failures++;
}

/* The rest of the noun's row in the manual's table; NULL: none. */
static const char *manual_row(const char *text, const struct noun *noun, char row[512])
{
    char head[64];
    snprintf(head, sizeof(head), "\n| `%s` | ", noun->name);
    const char *found = strstr(text, head);
    if (!found)
        return NULL;
    found += strlen(head);
    snprintf(row, 512, "%.*s", (int)strcspn(found, "|(\n"), found);
    return row;
}

static char *manual;

static void check_row(const struct noun *noun)
{
    char row[512], *rest = NULL;
    if (!manual_row(manual, noun, row)) {
        complain(noun, "", "not in the table of docs/cli.md");
        return;
    }
    if (!*noun->commands[0]->name)
        return;
    bool seen[64] = {false};
    for (char *word = strtok_r(row, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        size_t i = 0;
        while (noun->commands[i] && strcmp(noun->commands[i]->name, word) != 0)
            i++;
        if (!noun->commands[i])
            complain(noun, word, "in docs/cli.md, and not in the noun's table of commands");
        else
            seen[i] = true;
    }
    for (size_t i = 0; noun->commands[i]; i++)
        if (!seen[i])
            complain(noun, noun->commands[i]->name, "not in the noun's row of docs/cli.md");
}

static void test_docs_have_every_command_and_no_other(void)
{
    size_t len;
    CHECK_INT(fs_read(BANGER_TEST_MANUAL, 1 << 20, &manual, &len, NULL), 0);
    for (size_t i = 0; manual && nouns[i]; i++)
        check_row(nouns[i]);
    free(manual);
}

/* A part of a sentence, so that help and manual can go on from it. */
static void check_text(const struct noun *noun, const char *command, const char *what,
                       const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > 80 || text[len - 1] == '.')
        complain(noun, command, what);
    for (const char *c = text; c && *c; c++)
        if ((unsigned char)*c > 126)
            complain(noun, command, "a text that is not ASCII");
}

static void check_texts(const struct noun *noun, const struct command *command)
{
    check_text(noun, command->name, "summary: a line without an end", command->summary);
    for (const struct opt *o = command->opts; o && o->name; o++)
        if (!o->help || !*o->help || (o->kind != OPT_FLAG) != (o->value != NULL))
            complain(noun, command->name, o->name);
    for (const struct command *const *c = noun->commands; *c; c++)
        if (*c != command && (strcmp((*c)->name, command->name) == 0 ||
                              ((*c)->alias && strcmp((*c)->alias, command->name) == 0)))
            complain(noun, command->name, "two commands of one name");
}

static void test_texts_have_their_form(void)
{
    for (size_t i = 0; nouns[i]; i++)
        check_text(nouns[i], "", "summary: a line without an end", nouns[i]->summary);
    each_command(check_texts);
}

/* The words behind "banger". */
static void check_words(const struct example *e, const struct noun *noun,
                        const struct command *command, int argc, char **argv)
{
    int skip = *command->name ? 2 : 1;
    struct cli_options options = {0};
    void *values = calloc(1, command->values_size + 1);
    struct opt_set sets[] = {{command->opts, values}, {global_opts, &options}};
    struct opt_rules rules = {.max_refs = command->max_refs, .rest = command->rest};
    struct opt_args args;
    char error[OPT_ERROR_BYTES];
    CHECK(argc >= skip && strcmp(argv[0], noun->name) == 0);
    CHECK(skip == 1 || command_find(noun, argv[1]) == command);
    if (opt_parse(sets, 2, &rules, argc - skip, argv + skip, &args, error) < 0)
        complain(noun, e->line, error);
    else if (!options.help && (args.n_refs < command->min_refs ||
                               (command->max_refs >= 0 && args.n_refs > command->max_refs)))
        complain(noun, e->line, "too few arguments, or too many");
    opt_done(sets, 2, &args);
    free(values);
}

static void check_example(const struct example *e)
{
    char line[512];
    const char *begin = strstr(e->line, "banger ");
    const struct noun *noun = noun_find(e->noun ? e->noun : "vm");
    CHECK(begin && noun);
    if (!begin || !noun)
        return;
    begin += strlen("banger ");
    /* Up to what the shell does with it. */
    const char *end = strstr(begin, " | ") ? strstr(begin, " | ") : strstr(begin, " && ");
    snprintf(line, sizeof(line), "%.*s", end ? (int)(end - begin) : (int)strlen(begin), begin);
    if (strncmp(e->line, "source <(", 9) == 0)
        line[strlen(line) - 1] = '\0';
    wordexp_t words;
    if (!CHECK_INT(wordexp(line, &words, WRDE_NOCMD | WRDE_UNDEF), 0))
        return;
    const char *name = e->noun ? e->command : words.we_wordc > 1 ? words.we_wordv[1] : "";
    const struct command *command = command_find(noun, name);
    if (!command)
        complain(noun, name, "an example of no command");
    else
        check_words(e, noun, command, (int)words.we_wordc, words.we_wordv);
    wordfree(&words);
}

static void test_examples_are_command_lines_that_there_are(void)
{
    for (const struct example *e = example_table; e->line; e++)
        check_example(e);
}

static void check_has_example(const struct noun *noun, const struct command *command)
{
    bool takes = *command->args || command->opts;
    if (takes && strcmp(noun->name, "help") != 0 && !example_next(noun, command, NULL))
        complain(noun, command->name, "takes something, and has no example in examples.c");
}

static void test_what_takes_something_has_an_example(void)
{
    each_command(check_has_example);
}

int main(void)
{
    RUN(test_docs_have_every_command_and_no_other);
    RUN(test_texts_have_their_form);
    RUN(test_examples_are_command_lines_that_there_are);
    RUN(test_what_takes_something_has_an_example);
    return check_end();
}
