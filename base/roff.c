/* See roff.h. */
#include "base/roff.h"

#include <stdbool.h>
#include <string.h>

static void roff_char(FILE *to, char c)
{
    switch (c) {
    case '\\':
        fputs("\\e", to);
        break;
    case '-':
        fputs("\\-", to);
        break;
    case '~':
        fputs("\\(ti", to);
        break;
    case '^':
        fputs("\\(ha", to);
        break;
    case '`':
        fputs("\\(ga", to);
        break;
    default:
        fputc(c, to);
    }
}

static void roff_span(FILE *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool begins = i == 0 || text[i - 1] == '\n';
        if (begins && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", to);
        if (text[i] == '\'')
            fputs("\\(aq", to);
        else
            roff_char(to, text[i]);
    }
}

void roff_text(FILE *to, const char *text)
{
    roff_span(to, text, strlen(text));
}

void roff_line(FILE *to, const char *text)
{
    roff_text(to, text);
    fputc('\n', to);
}

void roff_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *c = text; *c; c++)
        if (*c == '"')
            fputs("\\(dq", to);
        else if (*c == '\'')
            fputs("\\(aq", to);
        else
            roff_char(to, *c);
    fputc('"', to);
}

void roff_head(FILE *to, const char *name, int section, const char *version, const char *what)
{
    fprintf(to, ".TH %s %d \"\" \"banger %s\" \"banger\"\n.SH NAME\n", name, section, version);
    roff_text(to, name);
    fputs(" \\- ", to);
    roff_line(to, what);
}

void roff_paragraphs(FILE *to, const char *text)
{
    bool kept = false;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        bool keep = line[0] == ' ';
        if (keep != kept)
            fputs(keep ? ".PP\n.nf\n" : ".fi\n", to);
        kept = keep;
        if (len == 0) {
            fputs(".PP\n", to);
            continue;
        }
        roff_span(to, line, len);
        fputc('\n', to);
    }
    if (kept)
        fputs(".fi\n", to);
}
