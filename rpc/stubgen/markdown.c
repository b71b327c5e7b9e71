/* See markdown.h. */
#include "rpc/stubgen/markdown.h"

#include <ctype.h>

/* Comments are plain text, but for `code`: what Markdown would take for more is escaped. */
static void put(struct text *t, char c, bool in_code)
{
    if (!in_code && c == '<')
        text_add(t, "&lt;");
    else if (!in_code && (c == '*' || c == '[' || c == ']'))
        text_add(t, "\\%c", c);
    else
        text_add(t, c == '|' ? "\\|" : "%c", c);
}

void markdown_paragraphs(struct text *t, const char *comment)
{
    bool begins = true, in_code = false;
    if (!*comment)
        return;
    for (const char *c = comment; *c; c++) {
        if (begins && *c == ' ') {
            begins = false; /* the blank behind the slashes */
            continue;
        }
        begins = *c == '\n';
        in_code ^= *c == '`';
        put(t, *c, in_code);
    }
    text_add(t, begins ? "\n" : "\n\n");
}

void markdown_cell(struct text *t, const char *comment)
{
    bool in_code = false, gap = false, any = false;
    for (const char *c = comment; *c; c++) {
        if (isspace((unsigned char)*c)) {
            gap = any;
            continue;
        }
        if (gap)
            text_add(t, " ");
        gap = false;
        any = true;
        in_code ^= *c == '`';
        put(t, *c, in_code);
    }
}

void markdown_anchor(struct text *t, const char *heading)
{
    text_add(t, "#");
    for (const char *c = heading; *c; c++)
        if (isalnum((unsigned char)*c) || *c == '_' || *c == '-')
            text_add(t, "%c", tolower((unsigned char)*c));
        else if (*c == ' ')
            text_add(t, "-");
}
