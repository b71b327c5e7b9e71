/* Finding VMMs whose VMs nobody remembers; see vmm_scan in vmm.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/vmm/census.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct vmm_scan_job {
    struct job job;
    char folder[PATH_BYTES];
    void (*done)(void *arg, const struct vmm_found *found, size_t n, const struct err *err);
    void *arg;
    int64_t asked_ns;
    struct err err;
    struct census *census; /* NULL: see err */
};

static void vmm_scan_run(struct job *job)
{
    struct vmm_scan_job *j = container_of(job, struct vmm_scan_job, job);
    j->census = census_take(j->folder, j->asked_ns, &j->err);
    if (j->census && j->census->unread.n > 0)
        j->err = j->census->unread.first;
}

static void vmm_scan_back(struct job *job)
{
    struct vmm_scan_job *j = container_of(job, struct vmm_scan_job, job);
    const struct census *c = j->census;
    j->done(j->arg, c ? c->found : NULL, c ? c->n : 0, j->err.code == ERR_NONE ? NULL : &j->err);
    if (j->census)
        census_unref(j->census);
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
    j->asked_ns = clock_mono_ns();
    snprintf(j->folder, sizeof(j->folder), "%s", folder);
    if (workers_submit(host->quick, &j->job, &j->err) < 0 &&
        loop_post(host->loop, vmm_scan_refused, &j->job) < 0)
        abort();
}
