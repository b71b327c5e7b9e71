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
#include "terminal.h"

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
    cli_write_document(stdout, text);
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
    cli_write_document(stdout, text);
    fputc('\n', stdout);
    free(text);
    return cli_end_output(cli);
}

int cli_say(FILE *out, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        return -1;
    utf8_tame(text);
    /* In the middle of a guest's screen it begins a line of its own. */
    len = terminal_is_raw() ? fprintf(out, "\r\n%s\r\n", text) : fprintf(out, "%s\n", text);
    free(text);
    return len < 0 ? -1 : 0;
}

/* DEL and C1, which JSON lets pass and terminals obey. Returns the bytes taken; 0: it is none. */
static size_t print_escaped(FILE *out, const char *c)
{
    unsigned char first = (unsigned char)c[0], next = first ? (unsigned char)c[1] : 0;
    if (first == 0x7f)
        fputs("\\u007f", out);
    else if (first == 0xc2 && next < 0xa0)
        fprintf(out, "\\u%04x", next);
    else
        return 0;
    return first == 0x7f ? 1 : 2;
}

void cli_write_document(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\x7f\xc2"), taken;
        fwrite(text, 1, n, out);
        text += n;
        taken = print_escaped(out, text);
        if (taken == 0 && *text)
            fputc(*text++, out);
        text += taken;
    }
}

void cli_write_quoted(FILE *out, const char *text)
{
    char *copy = strdup(text);
    if (copy)
        utf8_mend(copy);
    fputc('"', out);
    for (const char *c = copy ? copy : ""; *c;) {
        size_t taken = print_escaped(out, c);
        if (taken == 0 && (*c == '"' || *c == '\\'))
            fprintf(out, "\\%c", *c);
        else if (taken == 0 && (unsigned char)*c < ' ')
            fprintf(out, "\\u%04x", (unsigned char)*c);
        else if (taken == 0)
            fputc(*c, out);
        c += taken ? taken : 1;
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
    cli_say(stdout, "%s", ref);
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
    utf8_tame(text);
    if (*text)
        printf("%-14s %s\n", name, text);
}
