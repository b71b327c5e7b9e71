/* What recover.c and recover_discard.c share. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_RECOVER_INTERNAL_H
#define BANGER_DAEMON_CORE_SUPERVISE_RECOVER_INTERNAL_H

#include "base/err.h"
#include "base/list.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/supervise/unlisted.h"
#include "daemon/core/vm/vm.h"
#include "rpc/event/worker.h"

struct recovery;
struct vm_entry;

struct recover {
    struct vm_listener vm_listener;
    struct list found; /* struct unlisted */
    struct recovery *under_way;
};

/* What becomes of one thing. */
struct recovery_part {
    struct recovery *of;
    struct recover_item item;
    struct unlisted *unlisted; /* in recover.found; NULL: no longer */
    struct unlisted *work;     /* a copy for the worker, owned; NULL: nothing to do there */
    struct vm_entry *vm;       /* referenced, until its row is written */
    struct err err;            /* the worker's */
};

/* Ends when nothing is left to wait for, also where the core has been closed meanwhile. */
struct recovery {
    struct core *core;
    struct job job;
    struct recovery_part *parts;
    struct recover_item *items; /* copies, for done */
    size_t n;
    size_t left;
    size_t ends_left; /* processes that are being ended, and one */
    bool discard, dry_run;
    void (*done)(void *arg, const struct recover_item *items, size_t n, const struct err *err);
    void *arg;
};

void recovery_less(struct recovery *r);
void recovery_say(struct recover_item *item, const struct err *err);
void recovery_forget(struct recovery_part *p);
/* recover_discard.c */
void recovery_discard(struct recovery *r);

#endif
