/* The audit log; see audit.h. Tricky: a flood of calls that fail would push everything else out of
 * the log, so each principal has a bucket of them. The last of a flood is kept in its bucket and
 * written when that has room again, so that the count of the others is always told. */
#include "daemon/core/access/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

enum { BUCKETS = 64, FLUSH_ENTRIES = 512, TRIM_EVERY = 1000 };

/* Of the principals with one hash. */
struct bucket {
    int64_t full_ms;         /* it is full again then */
    struct audit_entry last; /* counted, to be written with the number of those before it */
    uint32_t n_counted;      /* 0: none */
};

/* What is on its way to the store: the log may be gone when it is there. */
struct flushed {
    struct core *core;
    uint64_t seq; /* of its last entry */
    size_t n;
};

struct audit {
    struct core *core;
    struct store_txn *waiting; /* NULL: nothing waits */
    struct flushed *flushed;   /* owned: for what waits; NULL where nothing does */
    uint64_t lost;             /* entries, since the start */
    uint64_t last;             /* given out */
    uint64_t stored;           /* on disk, or never will be */
    uint64_t trimmed_at;
    struct timer flush;
    struct list watches;
    struct bucket buckets[BUCKETS];
    size_t n_counting; /* buckets with n_counted > 0 */
};

static void flush_due(void *arg);

struct audit *audit_new(struct core *core, struct err *err)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    if (!audit || timer_init(&audit->flush, core->loop, flush_due, audit) < 0) {
        free(audit);
        err_sys(err, ENOMEM, "audit log");
        return NULL;
    }
    audit->core = core;
    list_init(&audit->watches);
    if (store_last_audit_seq(core->store, &audit->last, err) < 0) {
        audit_free(audit);
        return NULL;
    }
    audit->stored = audit->last;
    return audit;
}

static void tell_watches(struct audit *audit)
{
    /* A watch may be closed by its more(), others by it too. */
    struct list turn;
    list_turn_begin(&turn, &audit->watches);
    for (struct list *l; (l = list_turn_next(&turn, &audit->watches));) {
        struct audit_watch *w = container_of(l, struct audit_watch, link);
        w->more(w->arg);
    }
}

/* The store has tried until it could: what comes back with an error is lost for good. */
static void flush_done(void *arg, const struct err *err)
{
    struct flushed f = *(struct flushed *)arg;
    free(arg);
    if (err)
        log_err(LOG_LEVEL_ERROR, "audit", err, "%zu entries up to %llu are lost", f.n,
                (unsigned long long)f.seq);
    struct audit *audit = f.core->audit;
    if (!audit)
        return;
    audit->lost += err ? f.n : 0;
    if (audit->stored < f.seq)
        audit->stored = f.seq;
    tell_watches(audit);
}

static void flush(struct audit *audit)
{
    struct flushed *f = audit->flushed;
    if (!audit->waiting)
        return;
    f->seq = audit->last;
    if (audit->last > AUDIT_KEPT && audit->last - audit->trimmed_at >= TRIM_EVERY) {
        audit->trimmed_at = audit->last;
        store_trim_audit(audit->waiting, audit->last - AUDIT_KEPT);
    }
    struct store_txn *txn = audit->waiting;
    audit->waiting = NULL;
    audit->flushed = NULL;
    store_commit(audit->core->store, txn, flush_done, f);
}

/* There is a transaction to add to, and room for its outcome. */
static bool have_waiting(struct audit *audit)
{
    if (audit->waiting)
        return true;
    audit->waiting = store_txn_new();
    audit->flushed = calloc(1, sizeof(*audit->flushed));
    if (audit->waiting && audit->flushed) {
        audit->flushed->core = audit->core;
        return true;
    }
    store_txn_free(audit->waiting);
    free(audit->flushed);
    audit->waiting = NULL;
    audit->flushed = NULL;
    return false;
}

static void write_entry(struct audit *audit, const struct audit_entry *from, uint32_t suppressed)
{
    struct audit_entry entry = *from;
    entry.seq = ++audit->last;
    entry.suppressed = suppressed;
    if (audit->last - audit->stored > AUDIT_UNWRITTEN_MAX || !have_waiting(audit)) {
        audit->lost++;
        log_error("audit", "an entry is lost: %s by %s", entry.method, entry.principal);
        return;
    }
    store_add_audit(audit->waiting, &entry);
    if (++audit->flushed->n >= FLUSH_ENTRIES)
        flush(audit);
}

static bool bucket_has_room(const struct bucket *b, int64_t now_ms)
{
    return b->full_ms - now_ms <= (int64_t)(AUDIT_FAILED_BURST - 1) * AUDIT_FAILED_EVERY_MS;
}

/* Writes what the bucket has counted, and that there was room for it. */
static void bucket_tell(struct audit *audit, struct bucket *b, int64_t now_ms)
{
    b->full_ms = (b->full_ms > now_ms ? b->full_ms : now_ms) + AUDIT_FAILED_EVERY_MS;
    write_entry(audit, &b->last, b->n_counted - 1);
    b->n_counted = 0;
    audit->n_counting--;
}

static void add_failed(struct audit *audit, const struct audit_entry *entry)
{
    /* Buckets may be shared, nothing breaks. */
    struct bucket *b = &audit->buckets[hash_text(HASH_START, entry->principal) % BUCKETS];
    audit->n_counting += b->n_counted == 0;
    b->n_counted += b->n_counted < UINT32_MAX;
    b->last = *entry;
    if (bucket_has_room(b, clock_mono_ms()))
        bucket_tell(audit, b, clock_mono_ms());
}

static void flush_due(void *arg)
{
    struct audit *audit = arg;
    int64_t now = clock_mono_ms();
    for (size_t i = 0; audit->n_counting > 0 && i < BUCKETS; i++)
        if (audit->buckets[i].n_counted > 0 && bucket_has_room(&audit->buckets[i], now))
            bucket_tell(audit, &audit->buckets[i], now);
    flush(audit);
    if (audit->n_counting > 0)
        timer_start(&audit->flush, AUDIT_FLUSH_MS);
}

void audit_add(struct core *core, const struct audit_entry *entry)
{
    struct audit *audit = core->audit;
    struct audit_entry stamped = *entry;
    stamped.time_ns = clock_real_ns();
    if (entry->code != ERR_NONE)
        add_failed(audit, &stamped);
    else
        write_entry(audit, &stamped, 0);
    if (!timer_pending(&audit->flush))
        timer_start(&audit->flush, AUDIT_FLUSH_MS);
}

void audit_flush(struct core *core)
{
    flush(core->audit);
}

void audit_free(struct audit *audit)
{
    if (!audit)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        if (audit->buckets[i].n_counted > 0)
            bucket_tell(audit, &audit->buckets[i], 0);
    flush(audit); /* its end finds core->audit gone, and tells what is lost all the same */
    timer_done(&audit->flush);
    free(audit);
}

uint64_t audit_last_seq(const struct core *core)
{
    return core->audit->stored;
}

uint64_t audit_lost(const struct core *core)
{
    return core->audit->lost;
}

void audit_read(struct core *core, struct audit_page *page,
                void (*done)(void *arg, const struct err *err), void *arg)
{
    struct store_txn *txn = store_txn_new();
    page->through_seq = audit_last_seq(core);
    store_read_audit(txn, page);
    store_read(core->store, txn, done, arg);
}

void audit_watch(struct core *core, struct audit_watch *w, void (*more)(void *arg), void *arg)
{
    *w = (struct audit_watch){.core = core, .more = more, .arg = arg};
    list_init(&w->link);
    list_add_tail(&core->audit->watches, &w->link);
}

void audit_unwatch(struct audit_watch *w)
{
    if (w->core)
        list_remove(&w->link);
    w->core = NULL;
}
