/* The queue of transactions, their commits, and what happens while the disk refuses; see store.h.
 *
 * The loop's thread owns the queue. One batch at a time is with the worker; whatever is committed
 * meanwhile makes the next batch, so that a burst costs one fsync, not one each. Within a batch
 * every transaction has its savepoint: one that cannot be written takes nobody along. Trouble with
 * the disk is the whole batch's: it is rolled back, goes to the front of the queue again, in order,
 * and is tried until it succeeds; the proposals in it are given up when they have waited enough. */
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/store/backup.h"
#include "daemon/store/column.h"
#include "daemon/store/fault.h"
#include "daemon/store/store_internal.h"

enum {
    RETRY_FIRST_MS = 50,
    RETRY_MAX_MS = 2000,
    CLOSE_TRIES = 20, /* at the end, RETRY_FIRST_MS apart, after the last success */
};

/* On the worker ----------------------------------------------------------------------------------
 */

static int exec(struct store *s, const char *sql, const char *fault, struct err *err)
{
    int rc = fault ? store_fault_hit(fault) : SQLITE_OK;
    if (rc != SQLITE_OK) {
        store_code_error(rc, err, fault);
        return rc;
    }
    rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        store_sqlite_error(s->db, err, sql);
    return rc & 0xff;
}

/* SQLITE_OK also where the transaction alone has failed: txn->err says so. */
static int apply_in_savepoint(struct store *s, struct store_txn *txn)
{
    uint64_t seq = s->last_seq;
    int rc = exec(s, "SAVEPOINT txn", NULL, &txn->err);
    if (rc != SQLITE_OK)
        return rc;
    if (txn_apply(txn, &s->statements, &s->last_seq, &rc, &txn->err) == 0)
        return exec(s, "RELEASE txn", NULL, &txn->err);
    s->last_seq = seq;
    bool whole = store_code_is_transient(rc) || rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
    /* A full disk makes SQLite roll everything back, not the savepoint alone. */
    if (whole || sqlite3_get_autocommit(s->db))
        return rc;
    struct err err;
    return exec(s, "ROLLBACK TO txn; RELEASE txn", NULL, &err);
}

static int apply_batch(struct store *s, struct err *err)
{
    int rc = exec(s, "BEGIN IMMEDIATE", "begin", err);
    if (rc != SQLITE_OK)
        return rc;
    list_foreach(at, &s->batch)
    {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        err_clear(&txn->err);
        rc = apply_in_savepoint(s, txn);
        if (rc != SQLITE_OK) {
            *err = txn->err;
            return rc;
        }
    }
    return exec(s, "COMMIT", "commit", err);
}

/* Nothing of the batch is on disk. */
static void batch_failed(struct store *s, int rc, const struct err *err)
{
    if (store_code_is_transient(rc)) {
        s->trouble = *err;
        return;
    }
    s->broken = rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
    list_foreach(at, &s->batch) container_of(at, struct store_txn, link)->err = *err;
}

static void run_batch(struct job *job)
{
    struct store *s = container_of(job, struct store, job);
    uint64_t seq = s->last_seq;
    store_fault_look();
    err_clear(&s->trouble);
    for (;;) {
        struct err err = ERR_INIT;
        int rc = apply_batch(s, &err);
        if (rc == SQLITE_OK)
            break;
        s->last_seq = seq;
        if (!sqlite3_get_autocommit(s->db))
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        if (rc == SQLITE_FULL && reserve_spend(&s->reserve))
            continue;
        batch_failed(s, rc, &err);
        return;
    }
    reserve_keep(&s->reserve);
}

/* On the loop's thread ----------------------------------------------------------------------------
 */

static void start_batch(struct store *s);

static void move_all(struct list *from, struct list *to)
{
    list_foreach(at, from)
    {
        list_remove(at);
        list_add_tail(to, at);
    }
}

static void set_state(struct store *s, enum store_state state, const struct err *why)
{
    struct store_health *h = &s->health;
    bool changed = h->state != state;
    h->err = why ? *why : (struct err)ERR_INIT;
    if (!changed)
        return;
    h->state = state;
    h->since_ns = clock_real_ns();
    h->tries = 0;
    s->trouble_mono_ms = clock_mono_ms();
    s->retry_ms = RETRY_FIRST_MS;
    if (state == STORE_WRITABLE)
        log_warn("store", "writes again");
    else
        log_err(LOG_LEVEL_ERROR, "store", why,
                state == STORE_BROKEN ? "the database is broken; nothing more is written"
                                      : "cannot write; trying until it can");
    if (s->health_changed)
        s->health_changed(s->health_arg);
}

static void give_up_proposal(struct store *s, struct store_txn *txn)
{
    store_check_writable(s, &txn->err);
    list_remove(&txn->link);
    list_add_tail(&s->refused, &txn->link);
    timer_start(&s->turn, 0);
}

static bool out_of_patience(const struct store *s)
{
    return s->health.state == STORE_BROKEN ||
           (s->health.state == STORE_RETRYING &&
            clock_mono_ms() - s->trouble_mono_ms >= STORE_PATIENCE_MS);
}

static void give_up_proposals(struct store *s)
{
    if (!out_of_patience(s))
        return;
    list_foreach(at, &s->waiting)
    {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        if (txn->proposed || s->health.state == STORE_BROKEN)
            give_up_proposal(s, txn);
    }
}

/* Those that are refused meanwhile, by who is told here, have a turn of their own. */
static void tell_refused(void *arg)
{
    struct store *s = arg;
    struct list now;
    list_init(&now);
    move_all(&s->refused, &now);
    for (struct list *at; (at = list_first(&now));) {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        struct err err = txn->err;
        list_remove(at);
        txn_end(txn, &err);
    }
}

static void retry(void *arg)
{
    struct store *s = arg;
    give_up_proposals(s);
    start_batch(s);
}

/* The batch waits again, before what came since. */
static void put_back(struct store *s)
{
    move_all(&s->waiting, &s->batch);
    move_all(&s->batch, &s->waiting);
    int64_t pause_ms = s->health.state == STORE_RETRYING ? s->retry_ms : RETRY_FIRST_MS;
    if (!s->closing) /* before anybody hears of it, and commits */
        timer_start(&s->retry, pause_ms);
    set_state(s, STORE_RETRYING, &s->trouble);
    s->health.tries++;
    s->retry_ms = pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : pause_ms * 2;
    give_up_proposals(s);
}

static void tell(struct store *s, struct store_txn *txn)
{
    struct err err = txn->err;
    if (err.code == ERR_NONE && s->event_written)
        txn_each_event(txn, s->event_written, s->event_arg);
    if (err.code != ERR_NONE && !s->broken)
        log_err(LOG_LEVEL_ERROR, "store", &err, "a transaction cannot be written");
    txn_end(txn, err.code == ERR_NONE ? NULL : &err);
}

static void finish_batch(struct job *job)
{
    struct store *s = container_of(job, struct store, job);
    s->running = false;
    if (s->trouble.code != ERR_NONE) {
        put_back(s);
        return;
    }
    struct list finished;
    list_init(&finished);
    move_all(&s->batch, &finished);
    const struct list *first = list_first(&finished);
    if (s->broken)
        set_state(s, STORE_BROKEN,
                  first ? &container_of(first, struct store_txn, link)->err : &s->health.err);
    else
        set_state(s, STORE_WRITABLE, NULL);
    backup_changed(s->backup);
    give_up_proposals(s);
    start_batch(s);
    for (struct list *at; (at = list_first(&finished));) {
        list_remove(at);
        tell(s, container_of(at, struct store_txn, link));
    }
}

/* While the disk refuses an empty one is tried, too: what was only proposed has been given up, and
 * nothing else may be waiting to find out that it writes again. */
static void start_batch(struct store *s)
{
    bool wanted = !list_empty(&s->waiting) || s->health.state == STORE_RETRYING;
    if (s->running || s->held || !wanted || !s->worker || s->health.state == STORE_BROKEN)
        return;
    move_all(&s->waiting, &s->batch);
    s->running = true;
    if (workers_submit(s->worker, &s->job, NULL) < 0) {
        /* Only while closing: store_queue_close finishes what is left. */
        s->running = false;
        move_all(&s->batch, &s->waiting);
    }
}

static void enter(struct store *s, struct store_txn *txn, bool proposed,
                  void (*done)(void *arg, const struct err *err), void *arg)
{
    txn->proposed = proposed;
    txn->done = done;
    txn->arg = arg;
    list_add_tail(&s->waiting, &txn->link);
    if (s->health.state != STORE_WRITABLE)
        give_up_proposals(s);
    if (!timer_pending(&s->retry))
        start_batch(s);
}

void store_commit(struct store *store, struct store_txn *txn,
                  void (*done)(void *arg, const struct err *err), void *arg)
{
    enter(store, txn, false, done, arg);
}

void store_propose(struct store *store, struct store_txn *txn,
                   void (*done)(void *arg, const struct err *err), void *arg)
{
    enter(store, txn, true, done, arg);
}

/* Reading -----------------------------------------------------------------------------------------
 */

static void run_reads(struct job *job)
{
    struct store *s = container_of(job, struct store, read_job);
    list_foreach(at, &s->reading)
    {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        uint64_t seq = 0; /* of no event */
        int rc;
        txn_apply(txn, &s->statements, &seq, &rc, &txn->err);
    }
}

static void start_reads(struct store *s)
{
    if (s->reads_on || s->held || !s->worker || list_empty(&s->reads))
        return;
    move_all(&s->reads, &s->reading);
    s->reads_on = workers_submit(s->worker, &s->read_job, NULL) == 0;
    if (!s->reads_on) /* only while closing: store_queue_close finishes what is left */
        move_all(&s->reading, &s->reads);
}

static void finish_reads(struct job *job)
{
    struct store *s = container_of(job, struct store, read_job);
    struct list finished;
    list_init(&finished);
    s->reads_on = false;
    move_all(&s->reading, &finished);
    start_reads(s);
    for (struct list *at; (at = list_first(&finished));) {
        struct store_txn *txn = container_of(at, struct store_txn, link);
        struct err err = txn->err;
        list_remove(at);
        txn_end(txn, err.code == ERR_NONE ? NULL : &err);
    }
}

void store_read(struct store *store, struct store_txn *txn,
                void (*done)(void *arg, const struct err *err), void *arg)
{
    txn->done = done;
    txn->arg = arg;
    list_add_tail(&store->reads, &txn->link);
    start_reads(store);
}

/* Who is told reads more, but not without end. */
static void close_reads(struct store *s)
{
    for (int round = 0; round < 64 && !list_empty(&s->reads); round++) {
        move_all(&s->reads, &s->reading);
        run_reads(&s->read_job);
        finish_reads(&s->read_job);
    }
}

void store_hold(struct store *store)
{
    store->held = true;
}

void store_release(struct store *store)
{
    store->held = false;
    start_reads(store);
    start_batch(store);
}

const struct store_health *store_health(const struct store *store)
{
    struct store_health *h = (struct store_health *)&store->health;
    h->waiting = 0;
    list_foreach(at, &store->waiting) h->waiting++;
    return h;
}

int store_check_writable(const struct store *store, struct err *err)
{
    const struct store_health *h = &store->health;
    if (h->state == STORE_WRITABLE)
        return 0;
    if (h->state == STORE_BROKEN) {
        err_set(err, ERR_DATA_LOSS, "the daemon's database is broken (%.200s); see `banger doctor`",
                h->err.message);
        return err_tag(err, "STORE_BROKEN", "host");
    }
    err_set(err, ERR_UNAVAILABLE,
            "the daemon cannot write its state now (%.200s); nothing was changed, try again",
            h->err.message);
    return err_tag(err, "STORE_UNAVAILABLE", "host");
}

int store_check_admits(const struct store *store, struct err *err)
{
    return store->health.state == STORE_RETRYING && !out_of_patience(store)
               ? 0
               : store_check_writable(store, err);
}

void store_on_health(struct store *store, void (*changed)(void *arg), void *arg)
{
    store->health_changed = changed;
    store->health_arg = arg;
}

void store_on_event(struct store *store, void (*written)(void *arg, const struct event *event),
                    void *arg)
{
    store->event_written = written;
    store->event_arg = arg;
}

int store_queue_init(struct store *s, struct err *err)
{
    list_init(&s->waiting);
    list_init(&s->batch);
    list_init(&s->refused);
    list_init(&s->reads);
    list_init(&s->reading);
    list_init(&s->read_job.link);
    s->read_job.run = run_reads;
    s->read_job.done = finish_reads;
    list_init(&s->job.link);
    s->job.run = run_batch;
    s->job.done = finish_batch;
    s->health.since_ns = clock_real_ns();
    if (timer_init(&s->turn, s->loop, tell_refused, s) < 0 ||
        timer_init(&s->retry, s->loop, retry, s) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for the store's timers");
    return 0;
}

static void close_round(struct store *s)
{
    move_all(&s->waiting, &s->batch);
    run_batch(&s->job);
    finish_batch(&s->job);
}

void store_queue_close(struct store *s)
{
    s->closing = true;
    close_reads(s);
    int tries = 0;
    /* done() callbacks commit more, but not without end. */
    for (int round = 0;
         round < 64 && tries < CLOSE_TRIES && s->db && !s->broken && !list_empty(&s->waiting);
         round++) {
        close_round(s);
        tries = s->health.state == STORE_RETRYING ? tries + 1 : 0;
        if (tries > 0 && tries < CLOSE_TRIES)
            poll(NULL, 0, RETRY_FIRST_MS);
    }
    size_t lost = 0;
    /* Who is told commits more, but not without end. */
    for (int round = 0; round < 64 && !(list_empty(&s->waiting) && list_empty(&s->refused));
         round++) {
        for (struct list *at; (at = list_first(&s->waiting)); lost++) {
            struct store_txn *txn = container_of(at, struct store_txn, link);
            if (store_check_writable(s, &txn->err) == 0)
                err_set(&txn->err, ERR_UNAVAILABLE, "the daemon ends");
            list_remove(at);
            list_add_tail(&s->refused, at);
        }
        tell_refused(s);
    }
    close_reads(s);
    if (lost > 0)
        log_error("store", "%zu transactions could not be written before the end", lost);
    timer_done(&s->turn);
    timer_done(&s->retry);
}
