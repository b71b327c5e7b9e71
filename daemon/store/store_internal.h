/* What the files of the store share; nobody else includes this. */
#ifndef BANGER_DAEMON_STORE_STORE_INTERNAL_H
#define BANGER_DAEMON_STORE_STORE_INTERNAL_H

#include "daemon/store/reserve.h"
#include "daemon/store/store.h"
#include "daemon/store/txn.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct store {
    struct loop *loop;
    struct workers *worker;
    sqlite3 *db;
    struct statements statements;
    char epoch[ID_BYTES];
    struct reserve reserve;
    struct backup *backup;

    /* The loop's: the queue. */
    struct list waiting; /* store_txn: the next batch */
    struct list batch;   /* with the worker now */
    struct list refused; /* whose done() comes in the next turn */
    struct list reads;   /* store_txn: wait for the worker */
    struct list reading; /* with it now */
    struct job job, read_job;
    bool running;  /* job is with the worker */
    bool reads_on; /* read_job is */
    bool held;     /* nothing goes to the worker: rows are being loaded */
    bool closing;
    struct timer turn; /* tells the refused */
    struct timer retry;
    int64_t retry_ms;        /* the next pause */
    int64_t trouble_mono_ms; /* when the trouble began, by the monotonic clock */
    struct store_health health;
    void (*health_changed)(void *arg);
    void *health_arg;
    void (*event_written)(void *arg, const struct event *event);
    void *event_arg;

    /* The worker's, while it has the batch. */
    uint64_t last_seq;  /* of the newest event on disk */
    struct err trouble; /* why the batch is to be tried again; ERR_NONE: it is decided */
    bool broken;        /* the database is not one any more */
};

/* commit.c */
int store_queue_init(struct store *s, struct err *err);
/* Commits what waits, tells everybody; what the disk refuses is told so. After the worker is gone.
 */
void store_queue_close(struct store *s);

#endif
