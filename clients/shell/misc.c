/* The version and help nouns. */
#include <stdio.h>

#include "nouns.h"

static int version(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    const struct cli_pair pairs[] = {{"version", banger_version()}, {NULL, NULL}};
    if (!cli_is_table(cli))
        return cli_print_pairs(cli, pairs);
    printf("banger %s\n", banger_version());
    return cli_end_output(cli);
}

static int help(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    const struct noun *noun = args->n_refs > 0 ? noun_find(args->refs[0]) : NULL;
    if (args->n_refs > 0 && !noun)
        return cli_usage("unknown command \"%.60s\"; see \"banger help\"", args->refs[0]);
    const struct command *first = noun ? noun->commands[0] : NULL;
    if (first && first->names == NAMES_METHOD && args->n_refs > 1)
        return help_print(noun, first, args->refs[1]) ? cli_end_output(cli) : EXIT_BANGER;
    const struct command *command = args->n_refs > 1 ? command_find(noun, args->refs[1]) : NULL;
    if (args->n_refs > 1 && !command)
        return cli_usage("unknown command \"%s %.60s\"; see \"banger help %s\"", noun->name,
                         args->refs[1], noun->name);
    help_print(noun, command, NULL);
    return cli_end_output(cli);
}

static const struct command rows[] = {
    {"", NULL, "", "print the version", NULL, NULL, 0, 0, 0, false, NAMES_NONE, version},
    {"", NULL, "[NOUN [COMMAND]]", "say how commands are used", NULL, NULL, 0, 0, 2, false,
     NAMES_NOUN, help},
};
static const struct command *const version_commands[] = {&rows[0], NULL};
const struct noun version_noun = {"version", "print the version", version_commands};
static const struct command *const help_commands[] = {&rows[1], NULL};
const struct noun help_noun_row = {"help", "say how commands are used", help_commands};
