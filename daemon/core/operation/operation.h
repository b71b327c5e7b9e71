/* Durable operations: long work as a const table of steps with undo.
 *
 * Before a step's effect begins, the operation's row (state, step) is committed; a step therefore
 * may have begun when the row says so, and both run() and undo() must be right whether it had
 * begun, ended, or never happened. A failed or cancelled operation undoes its steps in reverse,
 * from the one that failed. After a crash it goes on from its row, forward or backward as its kind
 * says. Every operation ends, exactly once, as SUCCEEDED, FAILED or CANCELLED.
 *
 * Operations on one resource run one at a time, in order; the others are PENDING. On the loop's
 * thread. An entry is borrowed until the next return to the loop, or as long as one holds a
 * reference or a watch. */
#ifndef BANGER_DAEMON_CORE_OPERATION_OPERATION_H
#define BANGER_DAEMON_CORE_OPERATION_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "daemon/model/model.h"

struct core;
struct operation_engine;
struct operation_entry;
struct store_txn;

enum {
    OPERATIONS_KEPT = 1000,              /* ended ones in memory, however long ago */
    OPERATIONS_KEPT_MS = 15 * 60 * 1000, /* all that ended in this time … */
    OPERATIONS_KEPT_MAX = 10000,  /* … up to so many; what request ids stand for is found again */
    OPERATIONS_ACTIVE_MAX = 2000, /* not yet ended; more are refused */
};

struct operation_step {
    const char *name;
    uint32_t percent; /* of the operation when it begins */
    /* NULL: never. Left out if true; asked again on the way back. */
    bool (*skip)(struct operation_entry *op);
    /* Optional: rows that become true as the step begins, in the journal's transaction. */
    void (*journal)(struct operation_entry *op, struct store_txn *txn);
    /* Both end with one operation_step_done(), later or from inside. undo may be NULL. */
    void (*run)(struct operation_entry *op);
    void (*undo)(struct operation_entry *op);
};

enum operation_after_crash { OPERATION_GO_ON, OPERATION_GO_BACK };

struct operation_kind {
    const char *name; /* "vm.create" */
    const struct operation_step *steps;
    size_t n_steps;
    enum operation_after_crash after_crash;
    bool ends_with_daemon; /* an orderly end of the daemon cancels it, and waits for that */
    bool no_cancel;        /* once begun it ends by itself */
    bool unqueued;         /* does not wait for others on the resource, nor they for it */
    /* All optional. record: rows of the beginning, with the operation's first row. withdraw: those
     * rows have not come to the disk, and never will; takes back what record and the start changed
     * in memory. finish: rows of the end, with its last; the row's state is the final one; what
     * becomes visible by them does so when they are on disk (store_on_commit). */
    void (*record)(struct operation_entry *op, struct store_txn *txn);
    void (*withdraw)(struct operation_entry *op);
    void (*finish)(struct operation_entry *op, struct store_txn *txn);
    /* Makes the step under way end soon, with an error, whatever it waits for. */
    void (*abort)(struct operation_entry *op);
    void (*free_data)(void *data);
};

/* What is known of one. The row is the working copy, by which its own steps go; others see what
 * operation_shown says. */
struct core *operation_core(const struct operation_entry *op);
const struct operation *operation_row(const struct operation_entry *op);
const struct operation_kind *operation_kind_of(const struct operation_entry *op);
/* Why it fails or failed; NULL: it does not, or its row says it on disk. */
const struct err *operation_error(const struct operation_entry *op);
bool operation_is_recorded(const struct operation_entry *op); /* its first row is on disk */
/* Its last row is on disk, or never will be (not recorded: nothing ever was). */
bool operation_is_over(const struct operation_entry *op);
bool operation_is_resumed(const struct operation_entry *op); /* begun by an earlier daemon */
/* Its first step was journaled, by us or an earlier daemon. */
bool operation_has_begun(const struct operation_entry *op);

/* For its kind. Data is the kind's own while it is not over: free_data. */
void *operation_data(const struct operation_entry *op);
void operation_set_data(struct operation_entry *op, void *data);
/* From run(): how this step is told to stop early, until it is done; NULL: it cannot be. */
void operation_let_stop(struct operation_entry *op, void (*stop)(struct operation_entry *op));
/* What success names; written with the row. */
void operation_set_result(struct operation_entry *op, const char *type, const char *id);

/* What a client's mutation carries. */
struct request_meta {
    char request_id[64];       /* "": not idempotent */
    char digest[DIGEST_BYTES]; /* of the payload */
    char principal[128];
    const struct labels *scope; /* of the principal's VMs (scope.h), for the call; NULL: all */
};

/* kinds is a NULL-terminated table of what may be found in the store. Loads the store's operations;
 * nothing runs before operation_resume_all. */
struct operation_engine *
operation_engine_new(struct core *core, const struct operation_kind *const *kinds, struct err *err);
void operation_engine_free(struct operation_engine *engine);
/* Goes on with what an earlier daemon left, and with what was started since. */
void operation_resume_all(struct core *core);

/* An earlier operation for this request. 0 with *found (NULL: none, go ahead), or -1 with
 * ERR_EXISTS (REQUEST_ID_REUSED). One that ended with a retryable error is not found: it is tried
 * anew. */
int operation_find_request(struct core *core, const struct request_meta *meta, const char *kind,
                           struct operation_entry **found, struct err *err);

/* Enters an ended one that memory had let go of, as if it had just ended; nothing where it is
 * there, or another of its request id. -1: no memory. */
int operation_remember(struct core *core, const struct operation *row);

struct operation_new {
    const struct operation_kind *kind;
    const char *resource;            /* "vm/ID"; also the queue. "": none */
    const char *params;              /* JSON, or NULL */
    const char *result;              /* what success names; NULL: resource */
    const struct request_meta *meta; /* NULL: by the daemon itself */
    void *data;                      /* taken, also on failure */
    bool preempt;                    /* ends what is under way or waits on the resource */
};

/* Borrowed, PENDING; record() has been called. NULL with ERR_LIMIT or ERR_UNAVAILABLE. One whose
 * first row the disk refuses is over without ever having been recorded, with an error
 * (operation_error).
 */
struct operation_entry *operation_start(struct core *core, const struct operation_new *what,
                                        struct err *err);
/* err NULL: success. Exactly once for each run() and undo(). */
void operation_step_done(struct operation_entry *op, const struct err *err);
/* From a step: percent of the whole (never goes back), one line for people or NULL. */
void operation_progress(struct operation_entry *op, uint32_t percent, const char *message);
/* Asks; harmless when it is over. */
void operation_cancel(struct operation_entry *op);

/* Exact id or unique prefix. NULL with ERR_NOT_FOUND (OPERATION_NOT_FOUND) or ERR_INVALID. */
struct operation_entry *operation_find(struct core *core, const char *ref, struct err *err);
/* As that, among the principal's own and those on VMs of a scope (scope.h). */
struct operation_entry *operation_find_within(struct core *core, const struct labels *scope,
                                              const char *principal, const char *ref,
                                              struct err *err);
/* The VM that it is about; "": none. Borrowed. */
const char *operation_vm_id(const struct operation_entry *op);
bool operation_is_within(const struct operation_entry *op, const struct labels *scope,
                         const char *principal);
/* Latest first: operation_next(core, NULL) is the newest. */
struct operation_entry *operation_next(struct core *core, const struct operation_entry *after);
/* By creation time, for pages: how many were created before that operation (which may be gone), and
 * the operation at an index, the oldest first; NULL beyond the end. */
size_t operation_order_before(const struct core *core, int64_t created_ns, const char *id);
struct operation_entry *operation_at(const struct core *core, size_t index);
/* Under way on the resource, or NULL. */
struct operation_entry *operation_running(struct core *core, const char *resource);
/* True if any that is not over has this kind on the resource (kind NULL: any kind). */
bool operation_pending(struct core *core, const char *resource, const char *kind);
size_t operation_active_count(const struct core *core);

/* What others see of it: the row as it is on disk, and the progress since. Of a recorded one;
 * borrowed until the next return to the loop. */
const struct operation *operation_shown(const struct operation_entry *op);

struct operation_entry *operation_ref(struct operation_entry *op);
void operation_unref(struct operation_entry *op);

/* Called after each change (recorded, state, stage, percent, message, over), from the loop, never
 * from inside operation_watch. Holds a reference. */
struct operation_watch {
    struct list link;
    struct operation_entry *op;
    void (*changed)(void *arg, struct operation_entry *op);
    void *arg;
};

void operation_watch(struct operation_entry *op, struct operation_watch *w,
                     void (*changed)(void *arg, struct operation_entry *op), void *arg);
/* Harmless on a closed or zeroed watch; allowed inside changed(). */
void operation_unwatch(struct operation_watch *w);

#endif
