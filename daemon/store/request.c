/* What stands behind a request id, on the store's thread, and what is kept of operations; see
 * store.h. */
#include <string.h>

#include "base/err.h"
#include "daemon/store/column.h"
#include "daemon/store/store_internal.h"
#include "daemon/store/txn.h"

/* Steps through the rows of two texts; the last one stays in row. */
static int find_last(sqlite3_stmt *select, const struct table *t, const char *first,
                     const char *second, void *row, size_t row_bytes, bool *found, struct err *err)
{
    int rv = 0, rc = sqlite3_bind_text(select, 1, first, -1, SQLITE_STATIC);
    *found = false; /* it may be asked again, after a commit that failed */
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(select, 2, second, -1, SQLITE_STATIC);
    while (rv == 0 && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
        rc = sqlite3_step(select);
        if (rc != SQLITE_ROW)
            break;
        memset(row, 0, row_bytes);
        rv = table_read(select, t, row, err);
        *found = rv == 0;
    }
    if (rv == 0 && rc != SQLITE_DONE)
        rv = store_sqlite_error(sqlite3_db_handle(select), err, t->name);
    sqlite3_reset(select);
    sqlite3_clear_bindings(select);
    return rv;
}

int find_operation(sqlite3_stmt *select, struct store_find *f, struct err *err)
{
    operation_done(&f->operation);
    return find_last(select, &operation_table, f->principal, f->request_id, &f->operation,
                     sizeof(f->operation), &f->has_operation, err);
}

int find_request(sqlite3_stmt *select, struct store_find *f, struct err *err)
{
    return find_last(select, &request_table, f->method, f->request_id, &f->request,
                     sizeof(f->request), &f->has_request, err);
}

int store_load_request_ids(struct store *s, int64_t newer_than_ns,
                           int (*each)(void *arg, const char *principal, const char *request_id),
                           void *arg, struct err *err)
{
    /* A method of the others is a word, a blank and the principal. */
    static const char sql[] =
        "SELECT principal, request_id FROM operations"
        " WHERE request_id <> '' AND (ended_ns = 0 OR ended_ns > ?1)"
        " UNION ALL SELECT substr(method, instr(method, ' ') + 1), request_id FROM requests"
        " WHERE created_ns > ?1";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL), stopped = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, newer_than_ns);
    while (!stopped && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            stopped = each(arg, (const char *)sqlite3_column_text(stmt, 0),
                           (const char *)sqlite3_column_text(stmt, 1));
    }
    if (stopped)
        err_set(err, ERR_CANCELLED, "loading request ids was stopped");
    else if (rc != SQLITE_DONE)
        stopped = store_sqlite_error(s->db, err, "request ids");
    sqlite3_finalize(stmt);
    return stopped;
}

int store_count_operations(struct store *s, int64_t ended_since_ns, size_t *n, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, "SELECT count(*) FROM operations WHERE ended_ns > ?", -1,
                                &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, ended_since_ns);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *n = rc == SQLITE_ROW ? (size_t)sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW)
        store_sqlite_error(s->db, err, "operations");
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : -1;
}
