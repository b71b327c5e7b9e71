/* Aligned columns, two spaces apart; nothing behind the last one. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

static void table_take(struct table *t, char *text)
{
    if (t->n_cells == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **cells = reallocarray(t->cells, cap, sizeof(*cells));
        if (!cells) {
            free(text);
            t->failed = 1;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    t->cells[t->n_cells++] = text;
}

void table_cell(struct table *t, const char *fmt, ...)
{
    char *text;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0) {
        t->failed = 1;
        return;
    }
    utf8_tame(text);
    table_take(t, text);
}

void table_init(struct table *t, const char *heads)
{
    *t = (struct table){0};
    for (const char *h = heads; *h; h += strcspn(h, "|"), h += *h == '|') {
        table_cell(t, "%.*s", (int)strcspn(h, "|"), h);
        t->n_columns++;
    }
}

void table_head(struct table *t, const char *head)
{
    table_cell(t, "%s", head);
    t->n_columns++;
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
}

/* Characters of UTF-8 text: all bytes but continuation bytes. */
static size_t table_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* The first cell that is printed. */
static size_t table_first(const struct table *t)
{
    return t->no_head ? t->n_columns : 0;
}

static size_t table_column_width(const struct table *t, size_t column)
{
    size_t widest = 1;
    for (size_t i = table_first(t) + column; i < t->n_cells; i += t->n_columns) {
        size_t width = table_width(t->cells[i]);
        widest = width > widest ? width : widest;
    }
    return widest;
}

int table_print(const struct table *t, FILE *out)
{
    if (t->failed)
        return -1;
    size_t *widths = calloc(t->n_columns, sizeof(*widths));
    if (!widths)
        return -1;
    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = table_column_width(t, c);
    for (size_t i = table_first(t); i < t->n_cells; i++) {
        size_t column = i % t->n_columns;
        const char *text = *t->cells[i] ? t->cells[i] : "-";
        fputs(text, out);
        if (column + 1 == t->n_columns)
            fputc('\n', out);
        else
            fprintf(out, "%*s", (int)(widths[column] - table_width(text) + 2), "");
    }
    free(widths);
    return 0;
}

const char *format_size(char out[FORMAT_BYTES], unsigned long long bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    int unit = 0;
    double value = (double)bytes;
    while (value >= 1024 && unit < 6) {
        value /= 1024;
        unit++;
    }
    if (bytes == 0)
        snprintf(out, FORMAT_BYTES, "0");
    else if (value >= 100 || value == (double)(int)value)
        snprintf(out, FORMAT_BYTES, "%.0f %s", value, units[unit]);
    else
        snprintf(out, FORMAT_BYTES, "%.1f %s", value, units[unit]);
    return out;
}

const char *format_age(char out[FORMAT_BYTES], long long unix_seconds)
{
    long long age = (long long)time(NULL) - unix_seconds;
    out[0] = '\0';
    if (unix_seconds == 0)
        return out;
    if (age < 0)
        age = 0;
    if (age < 120)
        snprintf(out, FORMAT_BYTES, "%llds", age);
    else if (age < 120 * 60)
        snprintf(out, FORMAT_BYTES, "%lldm", age / 60);
    else if (age < 48 * 3600)
        snprintf(out, FORMAT_BYTES, "%lldh", age / 3600);
    else
        snprintf(out, FORMAT_BYTES, "%lldd", age / 86400);
    return out;
}
