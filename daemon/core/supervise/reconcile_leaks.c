/* Leaks, and what no record knows; see reconcile_leaks.h, object_sweep.h and unlisted.h.
 *
 * Only what carries one of our ids below our own state folder is ever touched. Processes first,
 * then the folders they may still use. */
#include "daemon/core/supervise/reconcile_leaks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/supervise/object_sweep.h"
#include "daemon/core/supervise/reconcile.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/supervise/stray.h"
#include "daemon/core/supervise/unlisted.h"
#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct leaks {
    struct job job;
    struct core *core;
    size_t left; /* processes to be ended, and one */
    bool whole;  /* the search saw everything, and what was to end has: folders may be judged */
    struct unlisted_scan scan;
    struct object_sweep sweep;
    struct vmm_found *live; /* owned; processes of VMs without a row */
    size_t n_live;
    void (*done)(void *arg);
    void *arg;
};

static void leaks_end(void *arg)
{
    struct leaks *l = arg;
    recover_take(l->core, &l->scan);
    object_sweep_tell(&l->sweep, l->core);
    l->done(l->arg);
    object_sweep_done(&l->sweep);
    unlisted_scan_done(&l->scan);
    free(l->live);
    free(l);
}

static void leaks_run(struct job *job)
{
    struct leaks *l = container_of(job, struct leaks, job);
    object_sweep_remove(&l->sweep);
    unlisted_scan_run(&l->scan);
    object_sweep_find(&l->sweep);
}

static void leaks_swept(struct job *job)
{
    leaks_end(container_of(job, struct leaks, job));
}

static void leaks_less(struct leaks *l)
{
    if (--l->left > 0)
        return;
    struct err err = ERR_INIT;
    l->scan.live = l->live;
    l->scan.n_live = l->n_live;
    l->scan.look_only = !l->whole;
    object_sweep_init(&l->sweep, l->core, &l->scan);
    l->job = (struct job){.run = leaks_run, .done = leaks_swept};
    if (!l->whole)
        log_warn(NULL, "folders without a record are left for the next start");
    if (workers_submit(l->core->slow, &l->job, &err) == 0)
        return;
    log_err(LOG_LEVEL_ERROR, NULL, &err, "cannot look for what no record knows");
    leaks_end(l);
}

/* Processes */

static void leaks_ended(void *arg, const struct err *err)
{
    struct leaks *l = arg;
    if (err) {
        log_err(LOG_LEVEL_ERROR, NULL, err, "cannot end the process of a VM that was deleted");
        l->whole = false;
    }
    leaks_less(l);
}

/* A process of a VM that this store saw deleted goes; of one that it never knew, it lives on. */
static void leaks_without_row(struct leaks *l, const struct vmm_found *found)
{
    struct err err = ERR_INIT;
    if (!name_set_has(&l->scan.gone, "vm", found->vm_id)) {
        l->live[l->n_live++] = *found;
        return;
    }
    log_warn(found->vm_id, "ending a VM that was deleted, pid %d", (int)found->pid);
    l->left++;
    if (stray_end(l->core, found->driver, found->vm_id, leaks_ended, l, &err) < 0)
        leaks_ended(l, &err);
}

/* A process of a VM that is recorded as down, and that no operation is about to deal with: the
 * record is older than the process. */
static bool leaks_is_undead(const struct vm_entry *e)
{
    char resource[96];
    vm_resource(e, resource);
    return !vm_has_machine(e) && !vm_state_is_active(vm_record(e)->runtime.state) &&
           !operation_pending(vm_core(e), resource, NULL);
}

static void leaks_found(void *arg, const struct vmm_found *found, size_t n, const struct err *err)
{
    struct leaks *l = arg;
    l->live = calloc(n + 1, sizeof(*l->live));
    l->whole = !err && l->live && unlisted_scan_fill(&l->scan, l->core) == 0;
    if (err)
        log_err(LOG_LEVEL_WARN, NULL, err, "cannot look for VMs that no record knows");
    for (size_t i = 0; i < n; i++) {
        struct vm_entry *e = vm_find_id(l->core, found[i].vm_id);
        if (e && leaks_is_undead(e))
            reconcile_look_for(e, "its process lives, though it was recorded as ended", NULL, NULL);
        else if (!e && l->whole && !found[i].left)
            leaks_without_row(l, &found[i]);
    }
    leaks_less(l);
}

void reconcile_leaks(struct core *core, void (*done)(void *arg), void *arg)
{
    struct leaks *l = calloc(1, sizeof(*l));
    if (!l) {
        log_error(NULL, "out of memory looking for leaks");
        loop_post(core->loop, done, arg);
        return;
    }
    l->core = core;
    l->done = done;
    l->arg = arg;
    l->left = 1;
    unlisted_scan_init(&l->scan, core->config.state_dir);
    char folder[PATH_BYTES + 8];
    snprintf(folder, sizeof(folder), "%s/vms", core->config.state_dir);
    vmm_scan(core->vmm_host, folder, leaks_found, l);
}
