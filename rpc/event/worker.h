/* Worker threads for what blocks: SQLite, disk and image work.
 *
 * A pool runs jobs in order of submission on n threads; with one thread it is a serial queue (the
 * store's). run() is on a worker and touches nothing but its job; done() is on the loop's thread,
 * exactly once for every accepted job, never from inside workers_submit.
 *
 * Jobs that free something (a kill, a clean-up, a removal) go ahead of those that take something,
 * and where a pool has more than one thread the last one that is idle is kept for them: however
 * many copies or launches wait or hang, what ends them runs at once. */
#ifndef BANGER_RPC_EVENT_WORKER_H
#define BANGER_RPC_EVENT_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct err;
struct loop;
struct workers;

struct job {
    struct list link; /* queue membership while the pool has it */
    void (*run)(struct job *job);
    void (*done)(struct job *job); /* may free the job */
    bool frees;                    /* goes first, and has a thread */
    bool waits;                    /* the pool's: is queued */
};

/* max_queued bounds the jobs that wait, of either kind. Threads are begun as jobs come that find
 * none idle, up to n_threads: an idle one has a stack too. */
struct workers *workers_new(struct loop *loop, const char *name, size_t n_threads,
                            size_t max_queued, struct err *err);
/* 0: the pool has the job until done(). -1 with ERR_UNAVAILABLE: the queue is full, or closing. */
int workers_submit(struct workers *w, struct job *job, struct err *err);
/* Somebody wants it over: if it still waits, it goes with those that free. Any thread; the pool
 * must have the job. */
void workers_hurry(struct workers *w, struct job *job);
/* Runs what is queued to its end, joins the threads, calls what done() is outstanding (from inside
 * this call: the only exception). The pool stays and refuses what comes later, so that a done() of
 * another pool or of the store may still submit. NULL is fine, and so is a second time. */
void workers_stop(struct workers *w);
/* After workers_stop, when nobody is left who could submit. NULL is fine. */
void workers_free(struct workers *w);
/* Both, for a pool that only its owner submits to. NULL is fine. */
void workers_close(struct workers *w);

#endif
