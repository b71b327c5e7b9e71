/* Filled rows; see sample.h. */
#include "tests/support/sample.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/model/model.h"

const struct table *const sample_tables[] = {
    &vm_table,     &session_table,       &guest_service_table, &operation_table,       &image_table,
    &kernel_table, &event_table,         &request_table,       &identity_table,        &token_table,
    &audit_table,  &host_settings_table, &vm_update_table,     &session_deletion_table};
const size_t n_sample_tables = sizeof(sample_tables) / sizeof(*sample_tables);

static void set_text(const struct column *c, char *field, const char *before)
{
    memset(field, 0, c->size);
    snprintf(field, c->size, "%s%s", before, c->name);
}

/* One variable of an environment, too. */
static void set_blob(const struct column *c, struct blob *blob, const char *before)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "%s%s=1", before, c->name);
    if (blob_set(blob, text, (size_t)n + 1) < 0)
        abort();
}

static void set_label(const struct column *c, struct labels *labels, const char *before)
{
    memset(labels, 0, sizeof(*labels));
    labels->n = 1;
    snprintf(labels->at[0].key, LABEL_KEY_BYTES, "key");
    snprintf(labels->at[0].value, LABEL_VALUE_BYTES, "%s%s", before, c->name);
}

static void set(const struct column *c, void *row, const char *before, bool flag, int number)
{
    void *field = (char *)row + c->offset;
    int64_t large = 1000 + number;
    struct labels labels;
    char text[128];
    switch (c->kind) {
    case COLUMN_TEXT:
        set_text(c, field, before);
        return;
    case COLUMN_STRING:
        snprintf(text, sizeof(text), "%s%s", before, c->name);
        if (text_set(field, text) < 0)
            abort();
        return;
    case COLUMN_BOOL:
        memcpy(field, &flag, sizeof(flag));
        return;
    case COLUMN_INT:
        memcpy(field, &number, sizeof(number));
        return;
    case COLUMN_LONG:
        memcpy(field, &large, sizeof(large));
        return;
    case COLUMN_BLOB:
        set_blob(c, field, before);
        return;
    case COLUMN_LABELS:
        set_label(c, field, before);
        return;
    case COLUMN_LABEL_LIST:
        set_label(c, &labels, before);
        if (label_list_set(field, &labels) < 0)
            abort();
    }
}

void sample_fill(const struct table *t, void *row)
{
    for (size_t i = 0; i < t->n_columns; i++)
        set(&t->columns[i], row, "", true, 1);
}

void sample_change(const struct column *c, void *row)
{
    set(c, row, "not-", false, 2);
}

void sample_done(const struct table *t, void *row)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        void *field = (char *)row + c->offset;
        if (c->kind == COLUMN_STRING)
            text_set(field, NULL);
        else if (c->kind == COLUMN_BLOB)
            free(((struct blob *)field)->data);
        else if (c->kind == COLUMN_LABEL_LIST)
            free(((struct label_list *)field)->at);
    }
}

static bool same_labels(const struct label *a, uint32_t n_a, const struct label *b, uint32_t n_b)
{
    bool same = n_a == n_b;
    for (uint32_t i = 0; same && i < n_a; i++)
        same = strcmp(a[i].key, b[i].key) == 0 && strcmp(a[i].value, b[i].value) == 0;
    return same;
}

bool sample_same(const struct column *c, const void *a, const void *b)
{
    const void *x = (const char *)a + c->offset, *y = (const char *)b + c->offset;
    switch (c->kind) {
    case COLUMN_TEXT:
        return strncmp(x, y, c->size) == 0;
    case COLUMN_STRING:
        return strcmp(text_get(*(char *const *)x), text_get(*(char *const *)y)) == 0;
    case COLUMN_BOOL:
    case COLUMN_INT:
    case COLUMN_LONG:
        return memcmp(x, y, c->size) == 0;
    case COLUMN_BLOB: {
        const struct blob *p = x, *q = y;
        return p->len == q->len && (p->len == 0 || memcmp(p->data, q->data, p->len) == 0);
    }
    case COLUMN_LABELS: {
        const struct labels *p = x, *q = y;
        return same_labels(p->at, p->n, q->at, q->n);
    }
    case COLUMN_LABEL_LIST: {
        const struct label_list *p = x, *q = y;
        return same_labels(p->at, p->n, q->at, q->n);
    }
    }
    return false;
}

bool sample_is_default(const struct column *c, const void *row)
{
    static const _Alignas(max_align_t) char zeros[sizeof(struct labels)];
    struct column at_start = *c;
    at_start.offset = 0;
    return sample_same(&at_start, (const char *)row + c->offset, zeros);
}

bool sample_shares(const struct column *c, const void *a, const void *b)
{
    const void *x = (const char *)a + c->offset, *y = (const char *)b + c->offset;
    if (c->kind == COLUMN_STRING)
        return *(char *const *)x == *(char *const *)y;
    if (c->kind == COLUMN_BLOB)
        return ((const struct blob *)x)->data == ((const struct blob *)y)->data;
    return c->kind == COLUMN_LABEL_LIST &&
           ((const struct label_list *)x)->at == ((const struct label_list *)y)->at;
}
