/* The tables as help and as a default file; see config_internal.h. */
#include <string.h>

#include "daemon/config_internal.h"

enum { LEFT_WIDTH = 32, FILE_WIDTH = 88 };

/* Words behind a prefix on each line. */
static void print_wrapped(FILE *to, const char *prefix, const char *text)
{
    size_t column = 0;
    for (const char *word = text; *word;) {
        size_t len = strcspn(word, " ");
        if (column > 0 && column + 1 + len > FILE_WIDTH) {
            fputc('\n', to);
            column = 0;
        }
        fputs(column > 0 ? " " : prefix, to);
        fwrite(word, 1, len, to);
        column += (column > 0 ? 1 : strlen(prefix)) + len;
        word += len + (word[len] == ' ');
    }
    fputc('\n', to);
}

/* The help's first sentence is enough beside an option. */
static void print_option(FILE *to, const struct config_key *key)
{
    char left[CONFIG_NAME_BYTES * 2], name[CONFIG_NAME_BYTES];
    size_t sentence = strcspn(key->help, ";");
    const char *stop = strstr(key->help, ". "), *end = key->help + sentence;
    if (stop && stop < end)
        sentence = (size_t)(stop - key->help);
    else if (sentence > 0 && end[-1] == '.')
        sentence--;
    const char *shown = key->default_remark ? key->default_remark : key->default_text;
    config_option_name(key, name);
    snprintf(left, sizeof(left), "--%s%s%s", name, key->argument ? " " : "",
             key->argument ? key->argument : "");
    fprintf(to, "  %-*s %.*s", LEFT_WIDTH, left, (int)sentence, key->help);
    /* Where it is long, the manual has it. */
    if (key->type != CONFIG_FLAG && shown && strlen(shown) < 40)
        fprintf(to, " (%s)", shown);
    fputc('\n', to);
}

void config_print_help(FILE *to)
{
    static const char *const others[][2] = {
        {"--config FILE", "configuration, instead of the usual file"},
        {"--check-config [FILE]", "say what is wrong with it: 0 for nothing, else 1"},
        {"--restore-backup NAME", "put a kept copy (\"newest\") of the database in place, and end"},
        {"--print-config", "a configuration with every key at its default"},
        {"--help", "this text"},
        {"--version", "version"},
    };
    fprintf(to, "usage: bangerd [options]\n\n"
                "Runs microVMs and commands in them, and serves them as gRPC.\n");
    for (size_t i = 0; i < n_config_keys; i++) {
        const char *heading = config_heading(&config_keys[i]);
        if (heading)
            fprintf(to, "\n%s:\n", heading);
        print_option(to, &config_keys[i]);
    }
    fputc('\n', to);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        fprintf(to, "  %-*s %s\n", LEFT_WIDTH, others[i][0], others[i][1]);
    fprintf(to,
            "\nEach is also read from the environment (--state-dir from BANGER_STATE_DIR) and from"
            "\nthe file (state_dir: /etc/banger/bangerd.conf for root, else"
            "\n~/.config/banger/bangerd.conf). Options go over the environment, that over the"
            "\nfile, that over the default. See bangerd.conf(5).\n");
}

static void print_key(FILE *to, const struct config_key *key)
{
    char values[128], text[256];
    config_describe_values(key, values, sizeof(values));
    print_wrapped(to, "# ", key->help);
    snprintf(text, sizeof(text), "(%s%s%s; %s)", values, key->default_remark ? "; default: " : "",
             key->default_remark ? key->default_remark : "",
             key->reloads ? "reloads" : "needs a restart");
    print_wrapped(to, "# ", text);
    if (!key->default_text) /* what it is for root */
        fprintf(to, "#%s: %.*s\n", key->name, (int)strcspn(key->default_remark, " "),
                key->default_remark);
    else
        fprintf(to, "#%s: %s\n", key->name, *key->default_text ? key->default_text : "\"\"");
}

static void print_section(FILE *to, const struct config_section *section)
{
    print_wrapped(to, "# ", section->help);
    for (const struct config_field *f = section->fields; f->name; f++) {
        char text[256];
        snprintf(text, sizeof(text), "%s: %s", f->name, f->help);
        print_wrapped(to, "# - ", text);
    }
    fprintf(to, "#%s:\n#  %s\n", section->name, section->example);
}

void config_print_default_file(FILE *to)
{
    fprintf(
        to,
        "# bangerd.conf: what bangerd is told. See bangerd.conf(5).\n#\n"
        "# YAML, a key a line. Each key stands here at its default, behind a #. An option of\n"
        "# the command line goes over a BANGER_* variable, that over this file.\n"
        "# SIGHUP reads it again; \"bangerd --check-config FILE\" says what is wrong with it.\n");
    for (size_t i = 0; i < n_config_keys; i++) {
        const char *heading = config_heading(&config_keys[i]);
        if (heading)
            fprintf(to, "\n# --- %s ---\n", heading);
        fputc('\n', to);
        print_key(to, &config_keys[i]);
    }
    fprintf(to, "\n# --- Who may come ---\n");
    for (size_t i = 0; i < n_config_sections; i++) {
        fputc('\n', to);
        print_section(to, &config_sections[i]);
    }
}
