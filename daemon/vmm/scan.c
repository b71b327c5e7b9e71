/* Finding monitors whose VMs nobody remembers; see vmm_scan in vmm.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/host/process.h"
#include "daemon/vmm/driver.h"
#include "rpc/event/worker.h"

enum { VMM_SCAN_MAX = 4096 };

struct vmm_scan_job {
    struct job job;
    char folder[PATH_BYTES];
    void (*done)(void *arg, const struct vmm_found *found, size_t n, const struct err *err);
    void *arg;
    struct err err;
    size_t n;
    struct vmm_found found[VMM_SCAN_MAX];
};

static bool vmm_scan_look(void *arg, const struct process_info *info)
{
    static const struct vmm_driver *const drivers[] = {&qemu_driver, &sim_driver};
    struct vmm_scan_job *j = arg;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++) {
        struct vmm_found *f = &j->found[j->n];
        if (!drivers[i]->claims(info, j->folder, f->vm_id))
            continue;
        f->driver = drivers[i];
        f->pid = info->pid;
        if (++j->n == VMM_SCAN_MAX) {
            err_set(&j->err, ERR_LIMIT, "more than %d monitors", VMM_SCAN_MAX);
            return false;
        }
        break;
    }
    return true;
}

static void vmm_scan_run(struct job *job)
{
    struct vmm_scan_job *j = container_of(job, struct vmm_scan_job, job);
    process_each(vmm_scan_look, j, &j->err);
}

static void vmm_scan_back(struct job *job)
{
    struct vmm_scan_job *j = container_of(job, struct vmm_scan_job, job);
    j->done(j->arg, j->found, j->n, j->err.code == ERR_NONE ? NULL : &j->err);
    free(j);
}

static void vmm_scan_refused(void *arg)
{
    vmm_scan_back(arg);
}

void vmm_scan(struct vmm_host *host, const char *folder,
              void (*done)(void *arg, const struct vmm_found *found, size_t n,
                           const struct err *err),
              void *arg)
{
    struct vmm_scan_job *j = calloc(1, sizeof(*j));
    if (!j)
        abort(); /* the caller would wait for ever */
    j->job = (struct job){.run = vmm_scan_run, .done = vmm_scan_back};
    j->done = done;
    j->arg = arg;
    snprintf(j->folder, sizeof(j->folder), "%s", folder);
    if (workers_submit(host->quick, &j->job, &j->err) < 0 &&
        loop_post(host->loop, vmm_scan_refused, &j->job) < 0)
        abort();
}
