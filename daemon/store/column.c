/* Structs as rows; see column.h. */
#include "daemon/store/column.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/model/model.h"

enum { SQL_BYTES = 4096, STRING_MAX_BYTES = 4096 };

struct sql {
    char text[SQL_BYTES];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void sql_add(struct sql *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        s->len += (size_t)n < sizeof(s->text) - s->len ? (size_t)n : sizeof(s->text) - s->len - 1;
}

static void sql_add_names(struct sql *s, const struct table *t)
{
    for (size_t i = 0; i < t->n_columns; i++)
        sql_add(s, "%s%s", i ? ", " : "", t->columns[i].name);
}

static int sqlite_error(int rc, struct err *err, const char *what, const char *why)
{
    enum err_code code = ERR_INTERNAL;
    if (rc == SQLITE_FULL || rc == SQLITE_TOOBIG || rc == SQLITE_NOMEM)
        code = ERR_LIMIT;
    else if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
        code = ERR_DATA_LOSS;
    else if (rc == SQLITE_CONSTRAINT)
        code = ERR_EXISTS;
    else if (store_code_is_transient(rc))
        code = ERR_UNAVAILABLE;
    return err_set(err, code, "%s: %s", what, why);
}

int store_sqlite_error(sqlite3 *db, struct err *err, const char *what)
{
    return sqlite_error(sqlite3_errcode(db), err, what, sqlite3_errmsg(db));
}

int store_code_error(int rc, struct err *err, const char *what)
{
    return sqlite_error(rc, err, what, sqlite3_errstr(rc));
}

bool store_code_is_transient(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
        return true;
    default:
        return false;
    }
}

/* The statement may be longer than an error is, so that the table tells which it is. */
static sqlite3_stmt *prepare(sqlite3 *db, const struct table *t, const char *sql, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        store_sqlite_error(db, err, t->name);
        return NULL;
    }
    return stmt;
}

sqlite3_stmt *table_prepare_upsert(sqlite3 *db, const struct table *t, struct err *err)
{
    struct sql s = {.len = 0};
    sql_add(&s, "INSERT INTO %s (", t->name);
    sql_add_names(&s, t);
    sql_add(&s, ") VALUES (");
    for (size_t i = 0; i < t->n_columns; i++)
        sql_add(&s, "%s?", i ? ", " : "");
    sql_add(&s, ") ON CONFLICT (%s) DO UPDATE SET ", t->key ? t->key : t->columns[0].name);
    for (size_t i = 1; i < t->n_columns; i++)
        sql_add(&s, "%s%s = excluded.%s", i > 1 ? ", " : "", t->columns[i].name,
                t->columns[i].name);
    return prepare(db, t, s.text, err);
}

sqlite3_stmt *table_prepare_delete(sqlite3 *db, const struct table *t, struct err *err)
{
    struct sql s = {.len = 0};
    sql_add(&s, "DELETE FROM %s WHERE %s = ?", t->name, t->columns[0].name);
    return prepare(db, t, s.text, err);
}

sqlite3_stmt *table_prepare_select(sqlite3 *db, const struct table *t, const char *tail,
                                   struct err *err)
{
    struct sql s = {.len = 0};
    sql_add(&s, "SELECT ");
    sql_add_names(&s, t);
    sql_add(&s, " FROM %s %s ORDER BY %s", t->name, tail ? tail : "", t->order);
    return prepare(db, t, s.text, err);
}

static int bind_labels(sqlite3_stmt *stmt, int at, const struct label *labels, uint32_t n)
{
    json_t *object = json_object();
    bool whole = object != NULL; /* a label that is lost could be one that binds a role */
    for (uint32_t i = 0; whole && i < n; i++)
        whole = json_object_set_new(object, labels[i].key, json_string(labels[i].value)) == 0;
    auto_free char *text = whole ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text ? sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT) : SQLITE_NOMEM;
}

static int bind_column(sqlite3_stmt *stmt, int at, const struct column *c, const void *row)
{
    const char *field = (const char *)row + c->offset;
    int32_t small;
    int64_t large;
    bool flag;
    struct blob blob;
    const char *text;
    const struct labels *labels;
    struct label_list list;
    switch (c->kind) {
    case COLUMN_TEXT:
        return sqlite3_bind_text(stmt, at, field, (int)strnlen(field, c->size), SQLITE_STATIC);
    case COLUMN_STRING:
        memcpy(&text, field, sizeof(text));
        return sqlite3_bind_text(stmt, at, text_get(text), -1, SQLITE_STATIC);
    case COLUMN_BOOL:
        memcpy(&flag, field, sizeof(flag));
        return sqlite3_bind_int(stmt, at, flag);
    case COLUMN_INT:
        memcpy(&small, field, sizeof(small));
        return sqlite3_bind_int64(stmt, at, small);
    case COLUMN_LONG:
        memcpy(&large, field, sizeof(large));
        return sqlite3_bind_int64(stmt, at, large);
    case COLUMN_BLOB:
        memcpy(&blob, field, sizeof(blob));
        return blob.len ? sqlite3_bind_blob64(stmt, at, blob.data, blob.len, SQLITE_STATIC)
                        : sqlite3_bind_zeroblob(stmt, at, 0);
    case COLUMN_LABELS:
        labels = (const struct labels *)(const void *)field;
        return bind_labels(stmt, at, labels->at, labels->n);
    case COLUMN_LABEL_LIST:
        memcpy(&list, field, sizeof(list));
        return bind_labels(stmt, at, list.at, list.n);
    }
    return SQLITE_MISUSE;
}

int table_upsert(sqlite3_stmt *stmt, const struct table *t, const void *row, struct err *err)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < t->n_columns; i++)
        rc = bind_column(stmt, (int)i + 1, &t->columns[i], row);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        store_sqlite_error(sqlite3_db_handle(stmt), err, t->name);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

int table_delete(sqlite3_stmt *stmt, const char *key, struct err *err)
{
    int rc = sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        store_sqlite_error(sqlite3_db_handle(stmt), err, "delete");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int read_labels(sqlite3_stmt *stmt, int at, struct labels *labels)
{
    json_t *object = json_loads((const char *)sqlite3_column_text(stmt, at), 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return -1;
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (labels->n == LABELS_MAX || !json_is_string(value)) {
            json_decref(object);
            return -1;
        }
        struct label *l = &labels->at[labels->n++];
        snprintf(l->key, sizeof(l->key), "%s", key);
        snprintf(l->value, sizeof(l->value), "%s", json_string_value(value));
    }
    json_decref(object);
    return 0;
}

static int read_label_list(sqlite3_stmt *stmt, int at, struct label_list *list)
{
    struct labels labels;
    labels.n = 0; /* not all of its room, for thousands of rows */
    return read_labels(stmt, at, &labels) < 0 ? -1 : label_list_set(list, &labels);
}

static int read_column(sqlite3_stmt *stmt, int at, const struct column *c, void *row)
{
    char *field = (char *)row + c->offset;
    int64_t large =
        sqlite3_column_type(stmt, at) == SQLITE_INTEGER ? sqlite3_column_int64(stmt, at) : 0;
    int32_t small = (int32_t)large;
    bool flag = large != 0;
    size_t n = (size_t)sqlite3_column_bytes(stmt, at);
    switch (c->kind) {
    case COLUMN_TEXT:
        if (n >= c->size)
            return -1;
        memcpy(field, sqlite3_column_text(stmt, at), n);
        field[n] = '\0';
        return 0;
    case COLUMN_STRING:
        if (n >= STRING_MAX_BYTES)
            return -1;
        return text_set((char **)(void *)field, (const char *)sqlite3_column_text(stmt, at));
    case COLUMN_BOOL:
        memcpy(field, &flag, sizeof(flag));
        return 0;
    case COLUMN_INT:
        memcpy(field, &small, sizeof(small));
        return 0;
    case COLUMN_LONG:
        memcpy(field, &large, sizeof(large));
        return 0;
    case COLUMN_BLOB:
        return blob_set((struct blob *)(void *)field, sqlite3_column_blob(stmt, at), n);
    case COLUMN_LABELS:
        return read_labels(stmt, at, (struct labels *)(void *)field);
    case COLUMN_LABEL_LIST:
        return read_label_list(stmt, at, (struct label_list *)(void *)field);
    }
    return -1;
}

int table_read(sqlite3_stmt *stmt, const struct table *t, void *row, struct err *err)
{
    for (size_t i = 0; i < t->n_columns; i++)
        if (read_column(stmt, (int)i, &t->columns[i], row) < 0)
            return err_set(err, ERR_DATA_LOSS, "table %s: column %s does not hold what it should",
                           t->name, t->columns[i].name);
    return 0;
}
