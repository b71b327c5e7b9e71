/* Hooks of VMs: commands that run in a guest before something is done to its VM.
 *
 * When one runs is said by the step tables here (vm_op_hook.c); how is the business of a room
 * above, which runs commands in guests and registers itself. No hook keeps from happening what it
 * comes before. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_HOOK_H
#define BANGER_DAEMON_CORE_VM_VM_HOOK_H

#include "daemon/model/model.h"

struct core;
struct err;
struct vm_entry;
struct vm_hook_run; /* one of the runner's, under way */

struct vm_hook_start {
    struct vm_entry *vm;
    const struct vm_hook *hook; /* borrowed for the call */
    const char *before;         /* "stop" */
    const char *key;            /* of the operation; a run is found again by it, whoever began it */
};

/* It has ended as it should (err NULL: exit status 0), or not. run_id: what shows it, "" where it
 * did not come to be. */
typedef void vm_hook_done_fn(void *arg, const char *run_id, const struct err *err);

struct vm_hook_runner {
    /* NULL with err: it cannot be run. Else done comes once, later, a moment after the hook's limit
     * at the latest. */
    struct vm_hook_run *(*begin)(const struct vm_hook_start *start, vm_hook_done_fn *done,
                                 void *arg, struct err *err);
    void (*kill)(struct vm_hook_run *run);  /* done comes all the same */
    void (*leave)(struct vm_hook_run *run); /* done does not come; it runs on */
};

void vm_hooks_run_by(struct core *core, const struct vm_hook_runner *runner);

/* Its bounds; fills the limit that is left out. ERR_INVALID (INVALID_SPEC). */
int vm_hook_check(struct vm_hook *hook, struct err *err);
int vm_hook_check_made(const struct vm_hook *hook, struct err *err);

#endif
