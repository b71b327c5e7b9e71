/* Opening, committing, closing; see store.h.
 *
 * The loop's thread owns the queue. One batch at a time is with the worker; whatever is committed
 * meanwhile makes the next batch, so that a burst costs one fsync, not one each. Within a batch
 * every transaction has its savepoint: one that fails takes nobody along. */
#include "daemon/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/store/column.h"
#include "daemon/store/migrations.h"
#include "daemon/store/txn.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct store {
    struct loop *loop;
    struct workers *worker;
    sqlite3 *db;
    struct statements statements;
    char epoch[ID_BYTES];
    struct list waiting; /* store_txn: the next batch */
    struct list batch;   /* with the worker now */
    struct job job;
    bool running; /* job is with the worker */
};

static int open_database(struct store *s, const char *path, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        err_set(err, ERR_UNAVAILABLE, "%s", s->db ? sqlite3_errmsg(s->db) : "out of memory");
        return err_wrap(err, "cannot open database %s", path);
    }
    sqlite3_extended_result_codes(s->db, 0);
    sqlite3_busy_timeout(s->db, 5000);
    /* 1 MiB of page cache: the daemon reads rows only at start. */
    if (sqlite3_exec(s->db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA foreign_keys = ON; PRAGMA cache_size = -1024;"
                     "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 16777216;",
                     NULL, NULL, NULL) != SQLITE_OK) {
        store_sqlite_error(s->db, err, path);
        return err_wrap(err, "cannot set up database");
    }
    return 0;
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

struct store *store_open(struct loop *loop, const char *path, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));
    if (!s) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    s->loop = loop;
    list_init(&s->waiting);
    list_init(&s->batch);
    list_init(&s->job.link);
    if (open_database(s, path, err) < 0 || migrations_apply(s->db, 0, err) < 0 ||
        load_epoch(s, err) < 0 || statements_prepare(&s->statements, s->db, err) < 0)
        goto fail;
    s->worker = workers_new(loop, "store", 1, 1, err);
    if (!s->worker)
        goto fail;
    return s;
fail:
    store_close(s);
    return NULL;
}

const char *store_epoch(const struct store *store)
{
    return store->epoch;
}

static int apply_in_savepoint(struct store *s, struct store_txn *txn)
{
    if (sqlite3_exec(s->db, "SAVEPOINT txn", NULL, NULL, NULL) != SQLITE_OK)
        return store_sqlite_error(s->db, &txn->err, "savepoint");
    if (txn_apply(txn, &s->statements, &txn->err) < 0) {
        sqlite3_exec(s->db, "ROLLBACK TO txn; RELEASE txn", NULL, NULL, NULL);
        return -1;
    }
    if (sqlite3_exec(s->db, "RELEASE txn", NULL, NULL, NULL) != SQLITE_OK)
        return store_sqlite_error(s->db, &txn->err, "release");
    return 0;
}

/* Nothing of the batch is there any more. */
static void fail_rest(struct store *s, const struct err *why)
{
    list_foreach(at, &s->batch)
    {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        if (txn->err.code == ERR_NONE)
            txn->err = *why;
    }
}

static void fail_batch(struct store *s, const char *what)
{
    struct err err;
    store_sqlite_error(s->db, &err, what);
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    fail_rest(s, &err);
}

/* On the worker. */
static void run_batch(struct job *job)
{
    struct store *s = container_of(job, struct store, job);
    if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        fail_batch(s, "begin");
        return;
    }
    list_foreach(at, &s->batch)
    {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        apply_in_savepoint(s, txn);
        /* A full disk makes SQLite roll everything back, not the savepoint alone; what came next
         * would be committed by itself, and then be said to have failed. */
        if (sqlite3_get_autocommit(s->db)) {
            fail_rest(s, &txn->err);
            return;
        }
    }
    if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        fail_batch(s, "commit");
}

static void start_batch(struct store *s);

/* On the loop's thread. */
static void finish_batch(struct job *job)
{
    struct store *s = container_of(job, struct store, job);
    struct list finished;
    list_init(&finished);
    list_foreach(at, &s->batch)
    {
        list_remove(at);
        list_add_tail(&finished, at);
    }
    s->running = false;
    start_batch(s);
    size_t n_failed = 0; /* told once a batch: a full disk fails thousands */
    list_foreach(at, &finished)
    {
        n_failed += container_of(at, struct store_txn, link)->err.code != ERR_NONE;
    }
    for (struct list *at; (at = list_first(&finished));) {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        list_remove(at);
        bool failed = txn->err.code != ERR_NONE;
        if (failed && n_failed > 0)
            log_err(LOG_LEVEL_ERROR, "store", &txn->err, "%zu transactions not committed",
                    n_failed);
        if (failed)
            n_failed = 0;
        if (txn->done)
            txn->done(txn->arg, failed ? &txn->err : NULL);
        store_txn_free(txn);
    }
}

static void start_batch(struct store *s)
{
    if (s->running || list_empty(&s->waiting) || !s->worker)
        return;
    list_foreach(at, &s->waiting)
    {
        list_remove(at);
        list_add_tail(&s->batch, at);
    }
    s->job.run = run_batch;
    s->job.done = finish_batch;
    s->running = true;
    if (workers_submit(s->worker, &s->job, NULL) < 0) {
        /* Only while closing: store_close finishes what is left. */
        s->running = false;
        list_foreach(at, &s->batch)
        {
            list_remove(at);
            list_add_tail(&s->waiting, at);
        }
    }
}

/* A txn that could not even be made still gets its done(), later. */
static struct store_txn *txn_or_placeholder(struct store_txn *txn)
{
    if (txn)
        return txn;
    txn = store_txn_new();
    if (txn)
        txn->out_of_memory = true;
    return txn;
}

void store_commit(struct store *store, struct store_txn *txn,
                  void (*done)(void *arg, const struct err *err), void *arg)
{
    txn = txn_or_placeholder(txn);
    if (!txn) {
        log_error("store", "out of memory: the daemon cannot go on");
        abort(); /* twice out of memory for 600 bytes: nothing durable could be said any more */
    }
    txn->done = done;
    txn->arg = arg;
    list_add_tail(&store->waiting, &txn->link);
    start_batch(store);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    workers_close(s->worker);
    s->worker = NULL;
    /* What done() callbacks committed while the worker was closing. */
    for (int round = 0; round < 16 && !list_empty(&s->waiting); round++) {
        list_foreach(at, &s->waiting)
        {
            list_remove(at);
            list_add_tail(&s->batch, at);
        }
        run_batch(&s->job);
        finish_batch(&s->job);
    }
    statements_done(&s->statements);
    sqlite3_close(s->db);
    free(s);
}

/* Loading -------------------------------------------------------------------------------------- */

static int load(struct store *s, const struct table *t, const char *tail, int64_t bound, void *row,
                size_t row_bytes, int (*each)(void *ctx), void *ctx, struct err *err)
{
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

/* Each loader pairs a typed row with its callback; the row is released after the callback. */
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
        return load(s, &(table), tail, bound, &c.row, sizeof(c.row), function##_each, &c, err);    \
    }

#define NOTHING(row) (void)(row)

LOADER(vm, vm, vm_table, NOTHING)
LOADER(session, session, session_table, session_done)
LOADER(image, image, image_table, NOTHING)
LOADER(kernel, kernel, kernel_table, NOTHING)
LOADER(identity, identity, identity_table, NOTHING)
LOADER(token, token, token_table, NOTHING)
LOADER(operation, operation, operation_table, NOTHING)
LOADER(event, event, event_table, NOTHING)
LOADER(audit, audit_entry, audit_table, NOTHING)
LOADER(host_settings, host_settings, host_settings_table, NOTHING)
LOADER(vm_update, vm_update_labels, vm_update_table, NOTHING)
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

int store_load_host_settings(struct store *store,
                             int (*each)(void *, const struct host_settings *), void *arg,
                             struct err *err)
{
    return host_settings_rows(store, NULL, 0, each, arg, err);
}

int store_load_vm_updates(struct store *store, int (*each)(void *, const struct vm_update_labels *),
                          void *arg, struct err *err)
{
    return vm_update_rows(store, NULL, 0, each, arg, err);
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

int store_load_requests(struct store *store, int64_t newer_than_ns,
                        int (*each)(void *, const struct store_request *), void *arg,
                        struct err *err)
{
    return request_rows(store, "WHERE created_ns > ?", newer_than_ns, each, arg, err);
}
