/* Aligned columns. */
#ifndef BANGER_SHELL_TABLE_H
#define BANGER_SHELL_TABLE_H

#include <stdio.h>

struct table {
    size_t n_columns;
    char **cells; /* owned, row after row; the first row is the head */
    size_t n_cells, cap;
    int failed;  /* out of memory */
    int no_head; /* it is not printed */
};

/* heads: one word a column, separated by '|'. */
void table_init(struct table *t, const char *heads);
void table_done(struct table *t);
/* One more head, before any cell. */
void table_head(struct table *t, const char *head);
/* Next cell, left to right. An empty one prints as "-". Control characters become '?'. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -1 when there was no memory. */
int table_print(const struct table *t, FILE *out);

enum { FORMAT_BYTES = 32 };

/* "256 MiB", "1.5 GiB", "0". */
const char *format_size(char out[FORMAT_BYTES], unsigned long long bytes);
/* "45s", "3m", "2h", "5d" since then; "" for 0. */
const char *format_age(char out[FORMAT_BYTES], long long unix_seconds);

#endif
