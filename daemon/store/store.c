/* Opening, loading, closing; see store.h. Commits are in commit.c. */
#include "daemon/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store/backup.h"
#include "daemon/store/column.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store_internal.h"

enum { BUSY_MS = 5000 };

static int open_database(struct store *s, const char *path, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        err_set(err, ERR_UNAVAILABLE, "%s", s->db ? sqlite3_errmsg(s->db) : "out of memory");
        return err_wrap(err, "cannot open database %s", path);
    }
    sqlite3_extended_result_codes(s->db, 0);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    /* Exclusive from the first access on: nobody else can lock us out while the daemon runs, nor
     * write beside it, and the index of the log needs no file. 1 MiB of page cache: the daemon
     * reads rows only at start. */
    if (sqlite3_exec(s->db,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                     "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                     "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
                     "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 16777216;",
                     NULL, NULL, NULL) != SQLITE_OK) {
        store_sqlite_error(s->db, err, path);
        return err_wrap(err, "cannot set up database");
    }
    return 0;
}

static int load_last_seq(struct store *s, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, "SELECT ifnull(max(seq), 0) FROM events", -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        s->last_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : store_sqlite_error(s->db, err, "cannot read the event log");
}

static int load_epoch(struct store *s, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key = 'epoch'", -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(s->epoch, sizeof(s->epoch), "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return s->epoch[0] ? 0 : err_set(err, ERR_DATA_LOSS, "the database has no epoch");
}

/* Sound first, then a copy, then the change. */
static int prepare_schema(struct store *s, const char *path, struct err *err)
{
    int version = migrations_version(s->db, err);
    if (version < 0 || database_check(s->db, err) < 0)
        return -1;
    if (version > 0 && version < migrations_newest() &&
        backup_before_migration(s->db, path, version, err) < 0)
        return -1;
    return migrations_apply(s->db, 0, err);
}

struct store *store_open(struct loop *loop, const char *path, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));
    if (!s) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    s->loop = loop;
    reserve_init(&s->reserve, path);
    database_look(path);
    /* Pages one by one: else each connection begins with twenty, and keeps them. No harm done where
     * SQLite runs already, which then stays as it is. */
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    if (store_queue_init(s, err) < 0 || open_database(s, path, err) < 0 ||
        prepare_schema(s, path, err) < 0 || load_epoch(s, err) < 0 || load_last_seq(s, err) < 0 ||
        statements_prepare(&s->statements, s->db, err) < 0)
        goto fail;
    sqlite3_db_release_memory(s->db); /* what the start looked at and nobody may ask for again */
    reserve_keep(&s->reserve);
    /* A batch, reads and a step of a copy, all of which may wait. */
    s->worker = workers_new(loop, "store", 1, 3, err);
    s->backup = s->worker ? backup_new(loop, s->worker, s->db, path, s->epoch, err) : NULL;
    if (!s->backup)
        goto fail;
    return s;
fail:
    store_close(s);
    backup_advise(path, err);
    return NULL;
}

uint64_t store_last_seq(const struct store *store)
{
    return store->last_seq;
}

void store_backup_now(struct store *store, void (*done)(void *arg, const struct err *err),
                      void *arg)
{
    backup_now(store->backup, done, arg);
}

const char *store_backup_newest(const struct store *store, struct err *err)
{
    return backup_newest(store->backup, err);
}

const char *store_epoch(const struct store *store)
{
    return store->epoch;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    struct workers *worker = s->worker;
    s->closing = true;
    workers_stop(worker);
    s->worker = NULL;
    store_queue_close(s);
    backup_free(s->backup);
    workers_free(worker); /* a done() of the queue may have asked for a copy, in vain */
    statements_done(&s->statements);
    sqlite3_close(s->db);
    free(s);
}

/* Loading -------------------------------------------------------------------------------------- */

static int load(struct store *s, const struct table *t, const char *tail, int64_t bound, void *row,
                size_t row_bytes, int (*each)(void *ctx), void *ctx, struct err *err)
{
    if (s->running)
        return err_set(err, ERR_INTERNAL, "%s is loaded while a commit has the database", t->name);
    sqlite3_stmt *stmt = table_prepare_select(s->db, t, tail, err);
    if (!stmt)
        return -1;
    if (sqlite3_bind_parameter_count(stmt) > 0)
        sqlite3_bind_int64(stmt, 1, bound);
    int rc, stopped = 0;
    while (!stopped && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        memset(row, 0, row_bytes);
        if (table_read(stmt, t, row, err) < 0)
            stopped = -1;
        else if (each(ctx) < 0)
            stopped = err_set(err, ERR_CANCELLED, "loading %s was stopped", t->name);
    }
    if (!stopped && rc != SQLITE_DONE)
        stopped = store_sqlite_error(s->db, err, t->name);
    sqlite3_finalize(stmt);
    return stopped;
}

/* Each loader pairs a typed row with its callback; the row is released after the callback, which
 * leaves nothing in it. */
#define LOADER(function, type, table, release)                                                     \
    struct function##_ctx {                                                                        \
        struct type row;                                                                           \
        int (*each)(void *arg, const struct type *row);                                            \
        void *arg;                                                                                 \
    };                                                                                             \
    static int function##_each(void *ctx)                                                          \
    {                                                                                              \
        struct function##_ctx *c = ctx;                                                            \
        int rc = c->each(c->arg, &c->row);                                                         \
        release(&c->row);                                                                          \
        return rc;                                                                                 \
    }                                                                                              \
    static int function##_rows(struct store *s, const char *tail, int64_t bound,                   \
                               int (*each)(void *arg, const struct type *row), void *arg,          \
                               struct err *err)                                                    \
    {                                                                                              \
        struct function##_ctx c = {.each = each, .arg = arg};                                      \
        int rc = load(s, &(table), tail, bound, &c.row, sizeof(c.row), function##_each, &c, err);  \
        release(&c.row); /* one that was read in part */                                           \
        return rc;                                                                                 \
    }

#define NOTHING(row) (void)(row)

LOADER(vm, vm, vm_table, vm_done)
LOADER(session, session, session_table, session_done)
LOADER(guest_service, guest_service, guest_service_table, guest_service_done)
LOADER(image, image, image_table, NOTHING)
LOADER(kernel, kernel, kernel_table, NOTHING)
LOADER(identity, identity, identity_table, NOTHING)
LOADER(token, token, token_table, NOTHING)
LOADER(operation, operation, operation_table, operation_done)
LOADER(event, event, event_table, NOTHING)
LOADER(audit, audit_entry, audit_table, NOTHING)
LOADER(host_settings, host_settings, host_settings_table, NOTHING)
LOADER(vm_update, vm_update_labels, vm_update_table, NOTHING)
LOADER(session_deletion, session_deletion, session_deletion_table, NOTHING)
LOADER(request, store_request, request_table, NOTHING)

int store_load_vms(struct store *store, int (*each)(void *, const struct vm *), void *arg,
                   struct err *err)
{
    return vm_rows(store, NULL, 0, each, arg, err);
}

int store_load_sessions(struct store *store, int (*each)(void *, const struct session *), void *arg,
                        struct err *err)
{
    return session_rows(store, NULL, 0, each, arg, err);
}

int store_load_guest_services(struct store *store,
                              int (*each)(void *, const struct guest_service *), void *arg,
                              struct err *err)
{
    return guest_service_rows(store, NULL, 0, each, arg, err);
}

int store_load_images(struct store *store, int (*each)(void *, const struct image *), void *arg,
                      struct err *err)
{
    return image_rows(store, NULL, 0, each, arg, err);
}

int store_load_kernels(struct store *store, int (*each)(void *, const struct kernel *), void *arg,
                       struct err *err)
{
    return kernel_rows(store, NULL, 0, each, arg, err);
}

int store_load_identities(struct store *store, int (*each)(void *, const struct identity *),
                          void *arg, struct err *err)
{
    return identity_rows(store, NULL, 0, each, arg, err);
}

int store_load_tokens(struct store *store, int (*each)(void *, const struct token *), void *arg,
                      struct err *err)
{
    return token_rows(store, NULL, 0, each, arg, err);
}

int store_load_host_settings(struct store *store, int (*each)(void *, const struct host_settings *),
                             void *arg, struct err *err)
{
    return host_settings_rows(store, NULL, 0, each, arg, err);
}

int store_load_vm_updates(struct store *store, int (*each)(void *, const struct vm_update_labels *),
                          void *arg, struct err *err)
{
    return vm_update_rows(store, NULL, 0, each, arg, err);
}

int store_load_session_deletions(struct store *store,
                                 int (*each)(void *, const struct session_deletion *), void *arg,
                                 struct err *err)
{
    return session_deletion_rows(store, NULL, 0, each, arg, err);
}

int store_load_operations(struct store *store, size_t max_ended,
                          int (*each)(void *, const struct operation *), void *arg, struct err *err)
{
    return operation_rows(store,
                          "WHERE ended_ns = 0 OR id IN (SELECT id FROM operations WHERE "
                          "ended_ns > 0 ORDER BY ended_ns DESC LIMIT ?)",
                          (int64_t)max_ended, each, arg, err);
}

int store_load_events(struct store *store, size_t max, int (*each)(void *, const struct event *),
                      void *arg, struct err *err)
{
    return event_rows(store, "WHERE seq > (SELECT ifnull(max(seq), 0) FROM events) - ?",
                      (int64_t)max, each, arg, err);
}

static int keep_audit_seq(void *arg, const struct audit_entry *entry)
{
    *(uint64_t *)arg = entry->seq;
    return 0;
}

int store_last_audit_seq(struct store *store, uint64_t *seq, struct err *err)
{
    *seq = 0;
    return audit_rows(store, "WHERE seq = (SELECT max(seq) FROM audit)", 0, keep_audit_seq, seq,
                      err);
}

int store_newest_time(struct store *s, int64_t *newest_ns, struct err *err)
{
    /* Not one that goes through a long table. */
    static const char sql[] =
        "SELECT ifnull(max(t), 0) FROM ("
        "SELECT time_ns AS t FROM events WHERE seq = (SELECT max(seq) FROM events)"
        " UNION ALL SELECT time_ns FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
        " UNION ALL SELECT max(ended_ns) FROM operations"
        " UNION ALL SELECT max(updated_ns) FROM vms)";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *newest_ns = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (rc != SQLITE_ROW)
        store_sqlite_error(s->db, err, "newest time");
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : -1;
}

int store_load_requests(struct store *store, int64_t newer_than_ns,
                        int (*each)(void *, const struct store_request *), void *arg,
                        struct err *err)
{
    return request_rows(store, "WHERE created_ns > ?", newer_than_ns, each, arg, err);
}
