/* Options that every command takes, and the way from words to rows. */
#include <string.h>

#include "cli.h"

const struct opt global_opts[] = {
    {"output", 'o', OPT_STRING, offsetof(struct cli_options, output), "FORMAT",
     "table (default), json or yaml", "table|json|yaml", NAMES_NONE},
    {"format", 0, OPT_STRING, offsetof(struct cli_options, format), "TEXT",
     "print TEXT with fields in it: \"{name} {runtime.state}\", named as in -o json", NULL,
     NAMES_NONE},
    {"no-headers", 0, OPT_FLAG, offsetof(struct cli_options, no_headers), NULL,
     "tables without heads", NULL, NAMES_NONE},
    {"errors", 0, OPT_STRING, offsetof(struct cli_options, errors), "FORM",
     "text (default), or json: a document a line on stderr", "text|json", NAMES_NONE},
    {"quiet", 'q', OPT_FLAG, offsetof(struct cli_options, quiet), NULL, "print ids only", NULL,
     NAMES_NONE},
    {"verbose", 0, OPT_FLAG, offsetof(struct cli_options, verbose), NULL,
     "say what is done, step by step", NULL, NAMES_NONE},
    {"progress", 0, OPT_STRING, offsetof(struct cli_options, progress), "HOW",
     "auto (default), plain or none", "auto|plain|none", NAMES_NONE},
    {"timeout", 0, OPT_DURATION, offsetof(struct cli_options, timeout), "TIME",
     "give up waiting for operations after so long", NULL, NAMES_NONE},
    {"socket", 0, OPT_STRING, offsetof(struct cli_options, socket), "PATH",
     "the daemon's socket, instead of the local daemon's", NULL, NAMES_FILE},
    {"context", 0, OPT_STRING, offsetof(struct cli_options, context), "NAME",
     "the daemon of that context (banger context list); \"local\" is this machine's", NULL,
     NAMES_CONTEXT},
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
