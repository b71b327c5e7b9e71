/* banger: finds the command that the words name, parses its options by its table, runs it. */
#include "cli.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/std_fds.h"
#include "suggest.h"

const struct opt global_opts[] = {
    {"output", 'o', OPT_STRING, offsetof(struct cli_options, output), "FORMAT",
     "table (default), json or yaml", "table|json|yaml", NAMES_NONE},
    {"quiet", 'q', OPT_FLAG, offsetof(struct cli_options, quiet), NULL, "print ids only", NULL,
     NAMES_NONE},
    {"verbose", 'v', OPT_FLAG, offsetof(struct cli_options, verbose), NULL,
     "say what is done, step by step", NULL, NAMES_NONE},
    {"progress", 0, OPT_STRING, offsetof(struct cli_options, progress), "HOW",
     "auto (default), plain or none", "auto|plain|none", NAMES_NONE},
    {"timeout", 0, OPT_DURATION, offsetof(struct cli_options, timeout), "TIME",
     "give up waiting for operations after so long", NULL, NAMES_NONE},
    {"socket", 0, OPT_STRING, offsetof(struct cli_options, socket), "PATH",
     "the daemon's socket, instead of the local daemon's", NULL, NAMES_FILE},
    {"context", 0, OPT_STRING, offsetof(struct cli_options, context), "NAME",
     "the daemon of that context (banger context list); \"local\" is this machine's", NULL,
     NAMES_NONE},
    {"help", 'h', OPT_FLAG, offsetof(struct cli_options, help), NULL, "show help", NULL,
     NAMES_NONE},
    {.name = NULL},
};

const struct noun *noun_find(const char *name)
{
    for (size_t i = 0; nouns[i]; i++)
        if (strcmp(nouns[i]->name, name) == 0)
            return nouns[i];
    return NULL;
}

const struct command *command_find(const struct noun *noun, const char *name)
{
    for (const struct command *const *c = noun->commands; *c; c++)
        if (strcmp((*c)->name, name) == 0 || ((*c)->alias && strcmp((*c)->alias, name) == 0))
            return *c;
    return NULL;
}

static int unknown_noun(const char *name)
{
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
        help_print(noun, command);
        status = cli_end_output(cli);
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
        help_print(NULL, NULL);
        return cli->options.help ? cli_end_output(cli) : EXIT_BANGER;
    }
    const struct noun *noun = noun_find(words[0]);
    if (!noun)
        return unknown_noun(words[0]);
    if (noun->commands[0]->name[0] == '\0')
        return run_command(cli, noun, noun->commands[0], n_words - 1, words + 1);
    bool wants_help =
        n_words > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    if (n_words < 2 || wants_help || cli->options.help) {
        help_print(noun, NULL);
        return wants_help || cli->options.help ? cli_end_output(cli) : EXIT_BANGER;
    }
    const struct command *command = command_find(noun, words[1]);
    if (!command)
        return unknown_command(noun, words[1]);
    return run_command(cli, noun, command, n_words - 2, words + 2);
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
