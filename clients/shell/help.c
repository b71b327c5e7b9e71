/* Help, written from the tables. */
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "examples.h"

static void help_opts(const char *head, const struct opt *opts)
{
    if (!opts)
        return;
    printf("\n%s\n", head);
    for (const struct opt *o = opts; o->name; o++) {
        char left[64];
        snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-28s  %s\n", left, o->help);
    }
}

static void help_examples(const char *head, const struct noun *noun, const struct command *command)
{
    const struct example *e = NULL;
    for (bool first = true; (e = example_next(noun, command, e)); first = false) {
        if (first)
            printf("\n%s", head);
        printf("  %-43s  %s\n", e->line, e->meaning);
    }
}

static void help_all(void)
{
    puts("banger: microVMs, and commands that run in them");
    help_examples("", NULL, NULL);
    puts("\nCommands:");
    for (size_t i = 0; nouns[i]; i++)
        printf("  %-12s  %s\n", nouns[i]->name, nouns[i]->summary);
    help_opts("Options that every command takes:", global_opts);
    puts("\n\"banger help COMMAND\" says more.");
}

static void help_noun(const struct noun *noun)
{
    printf("banger %s: %s\n\n", noun->name, noun->summary);
    for (const struct command *const *c = noun->commands; *c; c++) {
        char left[64];
        snprintf(left, sizeof(left), "%s %s", (*c)->name, (*c)->args);
        printf("  %-32s  %s\n", left, (*c)->summary);
    }
    printf("\n\"banger help %s COMMAND\" says more.\n", noun->name);
}

static void help_command(const struct noun *noun, const struct command *command)
{
    printf("banger %s%s%s: %s\n\nUsage: banger %s%s%s%s%s%s\n", noun->name,
           *command->name ? " " : "", command->name, command->summary, noun->name,
           *command->name ? " " : "", command->name, command->opts ? " [options]" : "",
           *command->args ? " " : "", command->args);
    if (command->alias)
        printf("Also: banger %s %s\n", noun->name, command->alias);
    if (command->details)
        printf("\n%s\n", command->details);
    help_examples("Examples:\n", noun, command);
    help_opts("Options:", command->opts);
    help_opts("Options that every command takes:", global_opts);
}

/* False, with the error printed: it names none. */
static bool help_method(const char *name)
{
    const struct banger_method *method = call_find(name);
    if (method)
        call_print_help(method);
    return method != NULL;
}

bool help_print(const struct noun *noun, const struct command *command, const char *ref)
{
    if (command && command->names == NAMES_METHOD && ref)
        return help_method(ref);
    if (!noun)
        help_all();
    else if (!command && noun->commands[0]->name[0])
        help_noun(noun);
    else
        help_command(noun, command ? command : noun->commands[0]);
    return true;
}
