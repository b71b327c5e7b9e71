/* What can be done about VMs, images and kernels that the store does not list (unlisted.h): listing
 * them again from the records in their folders, or ending and setting them aside. On the loop's
 * thread.
 *
 * A daemon with such things serves as any other; they are left alone, and told of, until it is said
 * what becomes of them. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_RECOVER_H
#define BANGER_DAEMON_CORE_SUPERVISE_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/model.h"

struct core;
struct err;
struct recover;
struct unlisted;
struct unlisted_scan;

/* Listens to VMs, of which reconcile.h and this hold some. */
struct recover *recover_new(struct core *core, struct err *err);
void recover_free(struct recover *r);

/* At the start: takes what the look found, and tells the log and the watchers of events. */
void recover_take(struct core *core, struct unlisted_scan *scan);
/* Things without a row; in lost+found. */
void recover_count(const struct core *core, uint32_t *unlisted, uint32_t *aside);
/* recover_next(core, NULL) is the first. Borrowed until the next return to the loop. */
const struct unlisted *recover_next(const struct core *core, const struct unlisted *after);

enum recover_outcome {
    RECOVER_NOTHING = 1, /* it was left as it is; message says why, or that this was a dry run */
    RECOVER_LISTED,      /* it has a row again */
    RECOVER_SET_ASIDE,   /* it was ended, and its folder is in lost+found */
    RECOVER_REMOVED,     /* it was in lost+found, and is gone */
};

struct recover_item {
    char resource[96];         /* vm/ID */
    char name[NAME_BYTES * 2]; /* "" where its record does not say */
    char folder[128];          /* below the state folder */
    bool running;              /* a VM: it has a process */
    bool recoverable;
    enum recover_outcome outcome;
    char message[256]; /* why it cannot be recovered or was left; "" */
};

struct recover_request {
    const char *const *only; /* ids, names or resources; none: everything */
    size_t n_only;
    bool discard, dry_run;
};

/* Everything is on disk, and every VM has been looked for, when done comes: once, later. items are
 * borrowed for the call; err: nothing was done. -1: done never comes: ERR_ABORTED
 * (RECOVER_UNDER_WAY), ERR_NOT_FOUND (UNLISTED_NOT_FOUND) where `only` names what is not there. */
int recover_start(struct core *core, const struct recover_request *req,
                  void (*done)(void *arg, const struct recover_item *items, size_t n,
                               const struct err *err),
                  void *arg, struct err *err);

#endif
