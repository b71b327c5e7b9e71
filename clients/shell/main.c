/* banger: finds the command that the words name, parses its options by its table, runs it. */
#include "cli.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/std_fds.h"
#include "habits.h"
#include "suggest.h"

static int unknown_noun(const char *name)
{
    const struct habit *habit = habit_find(NULL, name);
    if (habit)
        return cli_usage("there is no \"banger %s\": %s", name, habit->hint);
    struct suggestion best = suggest_begin(name);
    for (size_t i = 0; nouns[i]; i++)
        suggest_offer(&best, nouns[i]->name);
    if (best.word)
        return cli_usage("unknown command \"%.60s\"; did you mean \"%s\"?", name, best.word);
    /* "banger run" and the like: a command without its noun. */
    for (size_t i = 0; nouns[i]; i++)
        if (command_find(nouns[i], name))
            return cli_usage("unknown command \"%.60s\"; did you mean \"%s %s\"?", name,
                             nouns[i]->name, name);
    return cli_usage("unknown command \"%.60s\"; see \"banger help\"", name);
}

static int unknown_command(const struct noun *noun, const char *name)
{
    const struct habit *habit = habit_find(noun->name, name);
    if (habit)
        return cli_usage("there is no \"%s %s\": %s", noun->name, name, habit->hint);
    struct suggestion best = suggest_begin(name);
    for (const struct command *const *c = noun->commands; *c; c++)
        suggest_offer(&best, (*c)->name);
    if (best.word)
        return cli_usage("unknown command \"%s %.60s\"; did you mean \"%s %s\"?", noun->name, name,
                         noun->name, best.word);
    return cli_usage("unknown command \"%s %.60s\"; see \"banger help %s\"", noun->name, name,
                     noun->name);
}

static int check_refs(const struct noun *noun, const struct command *command,
                      const struct opt_args *args)
{
    const char *space = *command->name ? " " : "";
    if (args->n_refs < command->min_refs)
        return cli_usage("%s%s%s needs %s; see \"banger help %s%s%s\"", noun->name, space,
                         command->name, command->args, noun->name, space, command->name);
    if (command->max_refs >= 0 && args->n_refs > command->max_refs)
        return cli_usage("%s%s%s: \"%.60s\" is one argument too many; see \"banger help %s%s%s\"",
                         noun->name, space, command->name, args->refs[command->max_refs],
                         noun->name, space, command->name);
    return 0;
}

static int run_command(struct cli *cli, const struct noun *noun, const struct command *command,
                       int argc, char **argv)
{
    void *values = calloc(1, command->values_size ? command->values_size : 1);
    if (!values)
        return cli_usage("out of memory");
    struct opt_set sets[] = {{command->opts, values}, {global_opts, &cli->options}};
    struct opt_rules rules = {.max_refs = command->max_refs, .rest = command->rest};
    struct opt_args args;
    char error[OPT_ERROR_BYTES];
    int status;
    if (opt_parse(sets, 2, &rules, argc, argv, &args, error) < 0) {
        status =
            cli_usage("%s%s%s: %s", noun->name, *command->name ? " " : "", command->name, error);
    } else if (cli->options.help) {
        bool known = help_print(noun, command, args.n_refs > 0 ? args.refs[0] : NULL);
        status = known ? cli_end_output(cli) : EXIT_BANGER;
    } else {
        status = check_refs(noun, command, &args);
        if (status == 0)
            status = command->run(cli, values, &args);
    }
    opt_done(sets, 2, &args);
    free(values);
    return status;
}

/* words: what follows "banger" and its leading options. */
static int run_words(struct cli *cli, int n_words, char **words)
{
    if (n_words == 0) {
        help_print(NULL, NULL, NULL);
        return cli->options.help ? cli_end_output(cli) : EXIT_BANGER;
    }
    const struct noun *noun = noun_find(words[0]);
    const struct habit *habit = noun ? NULL : habit_find(NULL, words[0]);
    if (habit && habit->for_noun) {
        noun = noun_find(habit->for_noun);
        return run_command(cli, noun, command_find(noun, habit->for_command), n_words - 1,
                           words + 1);
    }
    if (!noun)
        return unknown_noun(words[0]);
    if (noun->commands[0]->name[0] == '\0')
        return run_command(cli, noun, noun->commands[0], n_words - 1, words + 1);
    bool wants_help =
        n_words > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    if (n_words < 2 || wants_help || cli->options.help) {
        help_print(noun, NULL, NULL);
        return wants_help || cli->options.help ? cli_end_output(cli) : EXIT_BANGER;
    }
    const struct command *command = command_find(noun, words[1]);
    if (!command)
        return unknown_command(noun, words[1]);
    return run_command(cli, noun, command, n_words - 2, words + 2);
}

/* Before the command line is parsed, so that its own errors have their form. */
static bool wants_json_errors(int argc, char **argv)
{
    bool wanted = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool apart = strcmp(argv[i], "--errors") == 0 && i + 1 < argc;
        if (apart || strncmp(argv[i], "--errors=", 9) == 0)
            wanted = strcmp(apart ? argv[i + 1] : argv[i] + 9, "json") == 0;
    }
    return wanted;
}

int main(int argc, char **argv)
{
    std_fds_open();
    setlocale(LC_CTYPE, "");
    struct cli cli = {0};
    /* For completion, words are not yet right: no parsing before it. */
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return complete_words(&cli, argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        argv[1] = (char *)"version";
    cli_errors_as_json(wants_json_errors(argc, argv));
    struct opt_set set = {global_opts, &cli.options};
    struct opt_rules rules = {.rest = true};
    struct opt_args args;
    char error[OPT_ERROR_BYTES];
    int status = opt_parse(&set, 1, &rules, argc - 1, argv + 1, &args, error) < 0
                     ? cli_usage("%s", error)
                     : run_words(&cli, args.n_rest, args.rest);
    opt_done(&set, 1, &args);
    banger_close(cli.client);
    return status;
}
