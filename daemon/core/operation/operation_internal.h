/* What the files of the room share: operation.c (registry, queues, requests), operation_load.c (the
 * start), operation_run.c (steps) and operation_view.c (what others see). */
#ifndef BANGER_DAEMON_CORE_OPERATION_OPERATION_INTERNAL_H
#define BANGER_DAEMON_CORE_OPERATION_OPERATION_INTERNAL_H

#include "base/map.h"
#include "base/order.h"
#include "daemon/core/operation/operation.h"

/* Where an operation is between two looks at it. operation_move has the table of moves. */
enum operation_phase {
    OPERATION_RECORDING,  /* its first row is on its way */
    OPERATION_WITHDRAWN,  /* which never came to the disk: over, and nothing ever was */
    OPERATION_QUEUED,     /* others on the resource come first */
    OPERATION_READY,      /* at the next turn the next step is journaled */
    OPERATION_JOURNALING, /* the row that says what comes is on its way */
    OPERATION_STEPPING,   /* run() or undo() has it */
    OPERATION_STEPPED,    /* its result is looked at in the next turn */
    OPERATION_FINISHING,  /* its last row is on its way */
    OPERATION_OVER,
    OPERATION_PHASES,
};

/* Which way its steps are taken. */
enum operation_course {
    OPERATION_NOT_BEGUN,
    OPERATION_FORWARD,
    OPERATION_BACK, /* undoing; operation.err has why */
};

struct operation_entry {
    struct core *core;
    struct operation op;
    const struct operation_kind *kind;
    enum operation_phase phase;
    enum operation_course course;
    bool resumed;               /* it was recorded by an earlier daemon */
    bool preempts;              /* ends what is before it in the queue, once it is recorded */
    bool preempted;             /* that was done to it */
    struct err *err, *step_err; /* owned: why it fails or failed, the step's result; NULL once the
                                   row says it on disk */
    void *data;                 /* the kind's, while it is not over */
    /* Set by run() while it can be told to stop early; cleared when the step is done. */
    void (*cancel_step)(struct operation_entry *op);
    struct operation *shown; /* as on disk, while another version is on its way; else NULL */
    uint32_t n_unwritten;    /* versions on their way */
    uint32_t refs;
    char *request_key; /* owned; NULL: none */
    int64_t kept_ms;   /* since it ended, or was remembered; monotonic */
    struct list link, queue_link, ready_link, ended_link, watches;
};

/* Operations on one resource, in order; the first is under way. */
struct operation_queue {
    char resource[96];
    struct list ops; /* queue_link */
};

struct operation_engine {
    struct core *core;
    const struct operation_kind *const *kinds;
    struct list all;   /* by creation, oldest first */
    struct list ready; /* ready_link: to be looked at in the next turn */
    struct list ended; /* ended_link: longest kept first */
    struct map by_id, by_request, queues;
    struct order order; /* by creation time */
    size_t n_active, n_ended;
    bool open;   /* operation_resume_all was called */
    bool posted; /* a turn is */
    uint64_t ended_since_trim;
};

static inline bool operation_is_undoing(const struct operation_entry *op)
{
    return op->course == OPERATION_BACK;
}

enum { OPERATION_REQUEST_KEY_BYTES = 200 };

/* Requests are the principal's own: two clients may choose the same id. */
void operation_request_key(char key[OPERATION_REQUEST_KEY_BYTES], const char *principal,
                           const char *request_id);
/* One reference, in no list yet; NULL: out of memory. */
struct operation_entry *operation_alloc(struct core *core, const struct operation_kind *kind);
/* The one setter of its phase. */
void operation_move(struct operation_entry *op, enum operation_phase to);
/* Into list, maps and queue. On failure the entry is in none of them. */
int operation_enter(struct operation_engine *engine, struct operation_entry *op);
/* The entry is looked at when the loop comes round. */
void operation_schedule(struct operation_entry *op);
/* Tells the watchers. */
void operation_notify(struct operation_entry *op);
/* One look at an entry: begins, goes on, ends. */
void operation_turn(struct operation_entry *op);
/* The first commit: row, record(), event. */
void operation_record(struct operation_entry *op);
/* Called when it is over: next of its queue, oldest ended ones forgotten. */
void operation_retire(struct operation_entry *op);
/* It is recorded, and ends what is under way or waits before it. */
void operation_preempt(struct operation_entry *by);
/* Before a change that is seen when it is on disk, and the row of it into txn. */
void operation_edit(struct operation_entry *op);
void operation_put(struct operation_entry *op, struct store_txn *txn);
/* Nothing of it is on its way any more: its own copy is what is shown. */
void operation_show_all(struct operation_entry *op);
/* Thousands that have ended are kept: without what only those under way need. */
void operation_drop_errors(struct operation_entry *op);
/* Out of the registry: nobody finds it any more. */
void operation_drop(struct operation_entry *op);
/* Lets the first of the entry's queue begin. */
void operation_queue_next(struct operation_entry *op);

#endif
