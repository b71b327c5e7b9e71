/* One cgroup (v2) per session below a folder of our own: the kernel then knows every process that a
 * session started, whatever it did to leave. Where there is no cgroup v2 the folder is -1 and
 * callers fall back to procs.h. */
#ifndef BANGER_AGENT_CGROUP_H
#define BANGER_AGENT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct cgroups {
    int dir_fd; /* owned; -1: none */
};

/* Makes path (below a cgroup2 mount) and turns on accounting of processors, memory and processes
 * where possible. */
void cgroups_init(struct cgroups *c, const char *path);
void cgroups_done(struct cgroups *c);

/* An fd of the session's new cgroup for clone3, which the caller closes; -1 where there is none. */
int cgroup_make(const struct cgroups *c, const char *id);
/* Sends signo to everything in it. False where there is no such cgroup. */
bool cgroup_signal(const struct cgroups *c, const char *id, int signo);
/* The OOM killer has struck in it. */
bool cgroup_saw_oom(const struct cgroups *c, const char *id);
/* Processes in it; those in cgroups that they made below count as one together. */
uint32_t cgroup_count(const struct cgroups *c, const char *id);
/* With what its processes made below it. True when it is gone; false while processes are left. */
bool cgroup_remove(const struct cgroups *c, const char *id);
/* The same where it has no process, its cgroups below included; else nothing is touched: they may
 * be in use. True when it is gone. */
bool cgroup_remove_empty(const struct cgroups *c, const char *id);
/* Kills and removes every cgroup for which keep() is false; true when none of them is left. */
bool cgroups_purge(const struct cgroups *c, bool (*keep)(void *arg, const char *id), void *arg);

#endif
