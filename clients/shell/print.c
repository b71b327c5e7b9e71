/* What commands print on stdout: messages, tables, fields, and documents that are no messages. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/json.h>

#include "base/utf8.h"
#include "fields.h"
#include "table.h"

int cli_end_output(struct cli *cli)
{
    (void)cli;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return cli_usage("write to standard output: %s", strerror(errno));
}

bool cli_is_table(const struct cli *cli)
{
    return !cli->options.format &&
           (!cli->options.output || strcmp(cli->options.output, "table") == 0);
}

int cli_print_formatted(struct cli *cli, const ProtobufCMessage *message)
{
    const char *wrong;
    size_t len;
    if (fields_format(stdout, message, cli->options.format, &wrong, &len) == 0)
        return 0;
    return cli_usage("--format: there is no \"%.*s\" in a %s; see -o json",
                     len < 60 ? (int)len : 60, wrong, message->descriptor->short_name);
}

int cli_print_message(struct cli *cli, const ProtobufCMessage *message)
{
    if (cli->options.format)
        return cli_print_formatted(cli, message) ? EXIT_BANGER : cli_end_output(cli);
    bool yaml = strcmp(cli->options.output, "yaml") == 0;
    struct banger_error error;
    char *text =
        yaml ? banger_message_to_yaml(message, &error) : banger_message_to_json(message, 2, &error);
    if (!text)
        return cli_fail(&error, "print %s", message->descriptor->short_name);
    if (yaml && cli->n_documents++)
        fputs("---\n", stdout);
    fputs(text, stdout);
    if (!yaml)
        fputc('\n', stdout);
    free(text);
    return cli_end_output(cli);
}

int cli_print_line(struct cli *cli, const ProtobufCMessage *message)
{
    struct banger_error error;
    if (cli->options.format || strcmp(cli->options.output, "json") != 0)
        return cli_print_message(cli, message);
    char *text = banger_message_to_json(message, 0, &error);
    if (!text)
        return cli_fail(&error, "print %s", message->descriptor->short_name);
    puts(text);
    free(text);
    return cli_end_output(cli);
}

void cli_write_quoted(FILE *out, const char *text)
{
    char *copy = strdup(text);
    if (copy)
        utf8_mend(copy);
    fputc('"', out);
    for (const char *c = copy ? copy : ""; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            fprintf(out, "\\u%04x", (unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
    free(copy);
}

int cli_print_pairs(struct cli *cli, const struct cli_pair *pairs)
{
    if (cli->options.format)
        return cli_usage("--format: this prints no message; see -o json");
    bool yaml = strcmp(cli->options.output, "yaml") == 0;
    if (yaml && cli->n_documents++)
        fputs("---\n", stdout);
    fputs(yaml ? "" : "{", stdout);
    for (const struct cli_pair *p = pairs; p->name; p++) {
        printf(yaml ? "%s%s: " : "%s\n  \"%s\": ", !yaml && p > pairs ? "," : "", p->name);
        cli_write_quoted(stdout, p->value);
        fputs(yaml ? "\n" : "", stdout);
    }
    fputs(yaml ? "" : "\n}\n", stdout);
    return cli_end_output(cli);
}

int cli_print_done(struct cli *cli, const char *kind, const char *ref, const char *done)
{
    const struct cli_pair pairs[] = {{kind, ref}, {"result", done}, {NULL, NULL}};
    if (!cli_is_table(cli))
        return cli_print_pairs(cli, pairs);
    puts(ref);
    return cli_end_output(cli);
}

int cli_print_table(struct cli *cli, struct table *t)
{
    t->no_head = cli->options.no_headers;
    int result = table_print(t, stdout);
    table_done(t);
    return result < 0 ? cli_usage("out of memory") : cli_end_output(cli);
}

void cli_print_field(const char *name, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (*text)
        printf("%-14s %s\n", name, text);
}
