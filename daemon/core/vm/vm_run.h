/* What the step tables of VM operations share: the context of a running step, and the moves of a
 * machine that more than one operation makes.
 *
 * A step may end only when no driver call or job of its own is under way: the context goes with the
 * operation. */
#ifndef BANGER_DAEMON_CORE_VM_VM_RUN_H
#define BANGER_DAEMON_CORE_VM_VM_RUN_H

#include "base/err.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm_internal.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct vm_hook_run;
struct vm_objects_job;

struct vm_run {
    struct operation_entry *op;
    struct vm_entry *vm; /* referenced; NULL: it is gone */
    struct timer timer;
    bool timer_made;
    struct vm_watch watch;
    bool start, force; /* params */
    int64_t grace_ms;
    bool nothing_to_do; /* the VM is already what it is to be */
    bool calling;       /* a driver call of the step is under way */
    bool cancelled;     /* the step is to end when the call has */
    int tries;
    struct vm_hook_run *hook;                                /* under way */
    void (*then)(struct vm_run *run, const struct err *err); /* after launch, end */
    struct vm_objects_job *objects;                          /* under way; frees itself */
    struct job job;                                          /* reads the console's end */
    struct err job_err;
    char job_path[PATH_BYTES];
};

struct vm_params {
    bool start, force;
    int64_t grace_ms;
};

/* JSON for operation_new.params. */
void vm_params_write(const struct vm_params *params, char text[128]);
/* operation_data(op), made where it is missing; NULL: out of memory, and the step has been ended
 * with it. */
struct vm_run *vm_run_get(struct operation_entry *op);
/* The same, and the VM is there; else the step has been ended with ERR_NOT_FOUND. */
struct vm_run *vm_run_get_vm(struct operation_entry *op);
void vm_run_free(void *data);
/* The VM of an operation (also without a context), or NULL. */
struct vm_entry *vm_run_find(const struct operation_entry *op);
/* Reads the parameters without a context, as skip() needs it. */
void vm_run_params(const struct operation_entry *op, struct vm_params *params);

/* Calls on the machine, as vm_machine.h has them. */
void vm_run_call(struct vm_run *run,
                 void (*call)(struct vmm_machine *m, vmm_done_fn *done, void *arg),
                 void (*then)(struct vm_run *run, const struct err *err));
void vm_run_adopt(struct vm_run *run, void (*then)(struct vm_run *run, const struct err *err));
/* Makes a process: none if one lives; adopts one that an earlier daemon left; else starts one. */
void vm_run_launch(struct vm_run *run, void (*then)(struct vm_run *run, const struct err *err));
/* Waits for the agent, with the watchdog's second try, then ends the step. */
void vm_run_boot(struct vm_run *run);
/* Ends the process: gently if grace_ms > 0 and it lives, else at once. */
void vm_run_end(struct vm_run *run, int64_t grace_ms,
                void (*then)(struct vm_run *run, const struct err *err));
/* kind->abort of all of them: whatever waits for the machine ends. */
void vm_run_abort(struct operation_entry *op);

/* What the VM has on its host, on a worker. Making looks for it first where the VM has had it, and
 * can be cancelled. */
void vm_run_make_objects(struct vm_run *run,
                         void (*then)(struct vm_run *run, const struct err *err));
void vm_run_remove_objects(struct vm_run *run,
                           void (*then)(struct vm_run *run, const struct err *err));
/* Before the first: is what it boots there, and does its driver take it? */
int vm_run_check_parts(const struct vm_run *run, struct err *err);
/* The step before a machine is ended gently, in which the VM's hook runs; vm_op_hook.c. The journal
 * is of operations after which the VM is not to run. */
bool vm_step_hook_skip(struct operation_entry *op);
void vm_step_hook_journal(struct operation_entry *op, struct store_txn *txn);
void vm_step_hook_run(struct operation_entry *op);
void vm_run_leave_hook(struct vm_run *run);
/* Ends the step with err, and the last lines of the guest's console put behind its message. */
void vm_run_fail_at_boot(struct vm_run *run, const struct err *err);
/* A then() that ends the step. */
void vm_run_step_done(struct vm_run *run, const struct err *err);

extern const struct operation_kind vm_create_kind, vm_start_kind, vm_restart_kind, vm_stop_kind,
    vm_kill_kind, vm_pause_kind, vm_resume_kind, vm_recover_kind, vm_delete_kind, vm_update_kind,
    vm_prune_kind;

#endif
