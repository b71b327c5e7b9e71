/* The context noun: daemons of other hosts, by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/remote.h>

#include "nouns.h"
#include "table.h"

struct add_values {
    const char *ca, *certificate, *key;
};

/* Contexts are no messages: a document of their own. */
static int print_contexts(struct cli *cli, const struct banger_context *all, size_t n)
{
    bool yaml = strcmp(cli->options.output, "yaml") == 0;
    fputs(yaml ? "contexts:" : "{\n  \"contexts\": [", stdout);
    for (size_t i = 0; i < n; i++) {
        fputs(yaml ? "\n  - {\"name\": " : i ? ",\n    {\"name\": " : "\n    {\"name\": ", stdout);
        cli_write_quoted(stdout, all[i].name);
        fputs(", \"target\": ", stdout);
        cli_write_quoted(stdout, all[i].target);
        printf(", \"current\": %s}", all[i].current ? "true" : "false");
    }
    fputs(yaml ? n ? "\n" : " []\n" : n ? "\n  ]\n}\n" : "]\n}\n", stdout);
    return cli_end_output(cli);
}

static int context_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    struct banger_context *all;
    struct banger_error error;
    struct table t;
    size_t n;
    if (banger_context_list(&all, &n, &error) < 0)
        return cli_fail(&error, "list contexts");
    if (!cli->options.quiet && cli->options.format) {
        free(all);
        return cli_usage("--format: contexts are no messages; see -o json");
    }
    if (!cli->options.quiet && !cli_is_table(cli)) {
        int status = print_contexts(cli, all, n);
        free(all);
        return status;
    }
    if (!cli->options.quiet)
        table_init(&t, "NAME|TARGET|CURRENT");
    for (size_t i = 0; i < n; i++) {
        if (cli->options.quiet) {
            puts(all[i].name);
            continue;
        }
        table_cell(&t, "%s", all[i].name);
        table_cell(&t, "%s", all[i].target);
        table_cell(&t, "%s", all[i].current ? "yes" : "");
    }
    free(all);
    return cli->options.quiet ? cli_end_output(cli) : cli_print_table(cli, &t);
}

static int context_add(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct add_values *v = values;
    struct banger_error error;
    if (!v->ca || !v->certificate || !v->key)
        return cli_usage("--ca, --certificate and --key are needed; \"banger auth enroll\" makes "
                         "them by itself");
    if (banger_context_add(args->refs[0], args->refs[1], v->ca, v->certificate, v->key, &error) < 0)
        return cli_fail(&error, "add context %s", args->refs[0]);
    return cli_print_done(cli, "context", args->refs[0], "added");
}

static int context_use(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    const char *name = strcmp(args->refs[0], "local") == 0 ? NULL : args->refs[0];
    if (banger_context_use(name, &error) < 0)
        return cli_fail(&error, "use context %s", args->refs[0]);
    if (!cli_is_table(cli))
        return cli_print_done(cli, "context", args->refs[0], "current");
    return cli_end_output(cli);
}

static int context_remove(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    for (int i = 0; i < args->n_refs; i++) {
        if (banger_context_remove(args->refs[i], &error) < 0)
            return cli_fail(&error, "remove context %s", args->refs[i]);
        if (cli_print_done(cli, "context", args->refs[i], "removed") != 0)
            return EXIT_BANGER;
    }
    return cli_end_output(cli);
}

#define OPTION(field, name, value, help)                                                           \
    {                                                                                              \
        name, 0, OPT_STRING, offsetof(struct add_values, field), value, help, NULL, NAMES_FILE     \
    }

static const struct opt add_opts[] = {
    OPTION(ca, "ca", "FILE", "the CA of the daemon, PEM"),
    OPTION(certificate, "certificate", "FILE", "our certificate, PEM"),
    OPTION(key, "key", "FILE", "its key, PEM"),
    {.name = NULL},
};

static const struct command rows[] = {
    {"list", "ls", "", "list contexts", NULL, NULL, 0, 0, 0, false, NAMES_NONE, context_list},
    {"add", NULL, "NAME HOST:PORT", "add a context from files that are there already",
     "The files are copied.", add_opts, sizeof(struct add_values), 2, 2, false, NAMES_NONE,
     context_add},
    {"use", NULL, "NAME", "make a context the current one",
     "\"local\" goes back to the daemon of this machine.", NULL, 0, 1, 1, false, NAMES_CONTEXT,
     context_use},
    {"remove", "rm", "NAME...", "remove contexts and their keys", NULL, NULL, 0, 1, -1, false,
     NAMES_CONTEXT, context_remove},
};
static const struct command *const commands[] = {&rows[0], &rows[1], &rows[2], &rows[3], NULL};
const struct noun context_noun = {"context", "daemons of other hosts, by name", commands};
