/* Looking at a VMM on a worker: what drivers' probes have in common. */
#ifndef BANGER_DAEMON_VMM_PROBE_H
#define BANGER_DAEMON_VMM_PROBE_H

#include <stdbool.h>

#include "daemon/host/run.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/worker.h"

enum { PROBE_VERSION_MS = 5000 };

struct probe_job {
    struct job job;
    struct vmm_host *host; /* the loop's, but for its strings */
    void (*look)(struct probe_job *j);
    void (*done)(void *arg, const struct vmm_probe_result *result);
    void *arg;
    bool kvm_known, kvm_usable; /* for host, where look found out */
    struct vmm_probe_result result;
    struct run_result run; /* for look's use */
};

/* look: on the slow workers; where they are full, result says so and nothing else. done: later, on
 * the loop. */
void probe_submit(struct vmm_host *host, void (*look)(struct probe_job *j),
                  void (*done)(void *arg, const struct vmm_probe_result *result), void *arg);

/* A program by path (configured) or by name, in PATH. Blocking. ERR_NOT_FOUND, reason given, where
 * there is none: then the package is told. */
int probe_find_program(const char *configured, const char *name, const char *install,
                       const char *reason, char path[PATH_BYTES], struct err *err);
/* result.version: the word behind `word` in what `program --version` says. Worker. */
int probe_version(struct probe_job *j, const char *program, const char *word, struct err *err);

#endif
