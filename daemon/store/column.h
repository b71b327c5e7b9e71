/* Structs as rows: one description of a table drives its upsert, its select and the copy both ways.
 */
#ifndef BANGER_DAEMON_STORE_COLUMN_H
#define BANGER_DAEMON_STORE_COLUMN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

enum column_kind {
    COLUMN_TEXT,       /* char array; a longer value in the file is ERR_DATA_LOSS */
    COLUMN_STRING,     /* char *, owned, NULL for ""; bounded all the same */
    COLUMN_BOOL,       /* bool */
    COLUMN_INT,        /* int, enum, uint32_t: 4 bytes */
    COLUMN_LONG,       /* int64_t, uint64_t: 8 bytes, kept as a signed integer */
    COLUMN_BLOB,       /* struct blob, owned */
    COLUMN_LABELS,     /* struct labels, as a JSON object */
    COLUMN_LABEL_LIST, /* struct label_list, owned; the same in the file */
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset, size; /* in the struct */
};

struct table {
    const char *name;
    const struct column *columns; /* the first is the primary key, unless there is `key` */
    size_t n_columns;
    const char *order; /* of a select: "created_ns, id" */
    const char *key;   /* NULL, or the columns of the primary key: "method, request_id" */
};

/* INSERT … ON CONFLICT … DO UPDATE with all columns; SELECT of all columns, with an optional tail
 * ("WHERE …"). NULL with err. */
sqlite3_stmt *table_prepare_upsert(sqlite3 *db, const struct table *t, struct err *err);
sqlite3_stmt *table_prepare_delete(sqlite3 *db, const struct table *t, struct err *err);
sqlite3_stmt *table_prepare_select(sqlite3 *db, const struct table *t, const char *tail,
                                   struct err *err);
/* Binds, runs, resets. */
int table_upsert(sqlite3_stmt *stmt, const struct table *t, const void *row, struct err *err);
int table_delete(sqlite3_stmt *stmt, const char *key, struct err *err);
/* Fills a zeroed row from the statement's current one. What it owns is allocated, also when it
 * fails. */
int table_read(sqlite3_stmt *stmt, const struct table *t, void *row, struct err *err);

/* Sets err from the database's last error: full disk and locks get their own codes. */
int store_sqlite_error(sqlite3 *db, struct err *err, const char *what);
/* The same of a bare code of SQLite's. */
int store_code_error(int rc, struct err *err, const char *what);
/* True where the same may succeed later: the disk is full, locked, failing, read-only for now. */
bool store_code_is_transient(int rc);

extern const struct table vm_table, session_table, operation_table, image_table, kernel_table,
    event_table, request_table, identity_table, token_table, audit_table, host_settings_table,
    vm_update_table, session_deletion_table, guest_service_table;

#endif
