/* Manual pages from the tables: banger(1), and one for each noun. The installation has them; the
 * manual noun writes them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/roff.h"
#include "examples.h"
#include "nouns.h"

enum { NAME_BYTES = 64 };

static void manual_option(FILE *to, const struct opt *o)
{
    fputs(".TP\n.B ", to);
    if (o->letter)
        fprintf(to, "\\-%c\\fR, \\fB", o->letter);
    fputs("\\-\\-", to);
    roff_text(to, o->name);
    if (o->value)
        fprintf(to, " \\fI%s\\fP", o->value);
    fputc('\n', to);
    roff_line(to, o->help);
}

static void manual_options(FILE *to, const struct opt *opts)
{
    for (const struct opt *o = opts; o && o->name; o++)
        manual_option(to, o);
}

static void manual_examples(FILE *to, const struct noun *noun, const struct command *command)
{
    const struct example *e = NULL;
    while ((e = example_next(noun, command, e))) {
        fputs(".TP\n.B ", to);
        roff_line(to, e->line);
        roff_line(to, e->meaning);
    }
}

/* A sentence of a summary, which is none yet. */
static void manual_sentence(FILE *to, const char *text)
{
    char first[2] = {(char)(text[0] >= 'a' && text[0] <= 'z' ? text[0] - 'a' + 'A' : text[0])};
    roff_text(to, first);
    roff_text(to, text + 1);
    fputs(".\n", to);
}

static void manual_usage(FILE *to, const struct noun *noun, const struct command *command)
{
    fprintf(to, ".B banger %s%s%s\n", noun->name, *command->name ? " " : "", command->name);
    if (command->opts || *command->args) {
        fprintf(to, "%s%s", command->opts ? "[\\fIoptions\\fP]" : "",
                command->opts && *command->args ? " " : "");
        roff_line(to, command->args);
    }
}

static void manual_command(FILE *to, const struct noun *noun, const struct command *command)
{
    if (*command->name) {
        fputs(".SS ", to);
        roff_quoted(to, command->name);
        fputc('\n', to);
        manual_usage(to, noun, command);
        fputs(".PP\n", to);
    }
    manual_sentence(to, command->summary);
    if (command->alias)
        fprintf(to, "Also\n.BR \"banger %s %s\" .\n", noun->name, command->alias);
    if (command->details) {
        fputs(".PP\n", to);
        roff_paragraphs(to, command->details);
    }
    manual_options(to, command->opts);
    if (example_next(noun, command, NULL)) {
        fputs(".PP\nFor example:\n", to);
        manual_examples(to, noun, command);
    }
}

static void manual_noun(FILE *to, const struct noun *noun)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "banger-%s", noun->name);
    roff_head(to, name, 1, banger_version(), noun->summary);
    fputs(".SH SYNOPSIS\n", to);
    for (const struct command *const *c = noun->commands; *c; c++) {
        if (c != noun->commands)
            fputs(".br\n", to);
        manual_usage(to, noun, *c);
    }
    fprintf(to, ".SH %s\n", *noun->commands[0]->name ? "COMMANDS" : "DESCRIPTION");
    for (const struct command *const *c = noun->commands; *c; c++)
        manual_command(to, noun, *c);
    fputs(".SH SEE ALSO\n.BR banger (1),\nwhich has the options that every command takes, exit "
          "statuses and the environment\n",
          to);
}

static const struct manual_item {
    const char *name, *meaning;
} exit_statuses[] =
    {
        {"0",
         "Success. Of vm run, vm exec, session attach and session wait: the command was seen to "
         "exit with 0. Else these four end with the command's status."},
        {"122", "The command ended with 0, but not all of its output was seen."},
        {"125", "An error of banger itself: wrong usage, no daemon, an operation that failed."},
        {"126", "The command was found but cannot be executed."},
        {"127", "There is no such command in the guest."},
        {"128+n", "The command was ended by signal n, or banger was."},
        {NULL, NULL},
},
  variables[] =
      {
          {"BANGER_HOST", "The daemon's socket, or a context: instead of --socket and --context."},
          {"BANGER_SOCKET", "The local daemon's socket."},
          {"BANGER_STATE_DIR", "The local daemon's state folder."},
          {"BANGER_RUNTIME_DIR", "The folder of its socket."},
          {"BANGER_DAEMON",
           "The program to start where no daemon runs, instead of the one that was "
           "installed with banger."},
          {"BANGER_CONFIG_DIR", "The folder of contexts."},
          {"NO_COLOR", "No colours."},
          {NULL, NULL},
},
  files[] = {
      {"/var/lib/banger", "The state folder of root's daemon; its socket is in /run/banger."},
      {"~/.local/state/banger", "That of any other user's, or below XDG_STATE_HOME. bangerd.log in "
                                "it is the log of a daemon that a command started."},
      {"~/.config/banger/contexts", "Daemons of other hosts, with keys and certificates."},
      {NULL, NULL},
};

static void manual_items(FILE *to, const char *head, const struct manual_item *items)
{
    fprintf(to, ".SH %s\n", head);
    for (const struct manual_item *i = items; i->name; i++) {
        fputs(".TP\n.B ", to);
        roff_line(to, i->name);
        roff_line(to, i->meaning);
    }
}

static void manual_banger(FILE *to)
{
    roff_head(to, "banger", 1, banger_version(), "microVMs, and commands that run in them");
    fputs(".SH SYNOPSIS\n"
          ".B banger\n[\\fIoptions\\fP] \\fINOUN\\fP [\\fICOMMAND\\fP] [\\fIoptions\\fP] "
          "[\\fIargument\\fP...]\n"
          ".SH DESCRIPTION\n"
          ".B banger\n"
          "makes microVMs, runs commands in them and shows what becomes of both. It talks to\n"
          ".BR bangerd (8),\n"
          "that of this machine, which it starts where none runs, or that of another one.\n"
          ".PP\n"
          "Where it makes sense a command takes several references. A reference is a name, an id,\n"
          "or the beginning of an id that fits only one.\n"
          "ls stands for list, rm for delete, inspect for show.\n"
          ".SH COMMANDS\n",
          to);
    for (size_t i = 0; nouns[i]; i++) {
        fprintf(to, ".TP\n.BR banger\\-%s (1)\n", nouns[i]->name);
        manual_sentence(to, nouns[i]->summary);
    }
    fputs(".SH OPTIONS\nEvery command takes these.\n", to);
    manual_options(to, global_opts);
    fputs(
        ".PP\nSizes are 512M, 2G, 1.5GiB (powers of 1024) or 2GB (of 1000). Durations are 500ms,\n"
        "10s, 5m, 1h; a bare number is seconds.\n",
        to);
    manual_items(to, "EXIT STATUS", exit_statuses);
    manual_items(to, "ENVIRONMENT", variables);
    manual_items(to, "FILES", files);
    fputs(".SH EXAMPLES\n", to);
    manual_examples(to, NULL, NULL);
    fputs(".SH SEE ALSO\n.BR bangerd (8),\n.BR bangerd.conf (5)\n", to);
}

/* noun: NULL for banger(1). */
static void manual_print(FILE *to, const struct noun *noun)
{
    fputs(".\\\" Made by banger from its tables of commands.\n", to);
    if (noun)
        manual_noun(to, noun);
    else
        manual_banger(to);
}

static int manual_write(const char *folder, const struct noun *noun)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/banger%s%s.1", folder, noun ? "-" : "",
                     noun ? noun->name : "");
    if (n < 0 || (size_t)n >= sizeof(path))
        return cli_usage("manual: the path of %.100s is too long", folder);
    FILE *to = fopen(path, "we");
    if (to) {
        manual_print(to, noun);
        bool written = !ferror(to);
        if (fclose(to) == 0 && written)
            return 0;
    }
    return cli_usage("manual: cannot write %s: %s", path, strerror(errno));
}

struct manual_options {
    const char *into;
};

static int manual(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct manual_options *o = values;
    if (o->into) {
        int status = manual_write(o->into, NULL);
        for (size_t i = 0; status == 0 && nouns[i]; i++)
            status = manual_write(o->into, nouns[i]);
        return status;
    }
    const struct noun *noun = args->n_refs > 0 ? noun_find(args->refs[0]) : NULL;
    if (args->n_refs > 0 && !noun)
        return cli_usage("unknown command \"%.60s\"; see \"banger help\"", args->refs[0]);
    manual_print(stdout, noun);
    return cli_end_output(cli);
}

static const struct opt manual_opts[] = {
    {"into", 0, OPT_STRING, offsetof(struct manual_options, into), "DIR",
     "write all of them into a folder, a file each", NULL, NAMES_FILE},
    {.name = NULL},
};

static const struct command row = {
    "",
    NULL,
    "[NOUN]",
    "print a manual page: banger(1), or that of a noun",
    NULL,
    manual_opts,
    sizeof(struct manual_options),
    0,
    1,
    false,
    NAMES_NOUN,
    manual,
};
static const struct command *const manual_commands[] = {&row, NULL};
const struct noun manual_noun_row = {"manual", "print manual pages", manual_commands};
