/* Scopes: a VM's place in the host's tree of control groups. What its VMM and helpers use
 * altogether is limited and seen there, and under systemd they end with no service of ours.
 *
 * Either systemd has the tree (a transient slice per VM, and in it a scope per launch, over D-Bus:
 * scope_systemd.c), or we make groups in it (scope_cgroup.c), or there is none. Chosen once, when
 * the daemon starts. The object itself is made, found and removed as any other (object_scope.c).
 * But for the choice, calls are for any thread; each has a deadline. */
#ifndef BANGER_DAEMON_HOST_SCOPE_H
#define BANGER_DAEMON_HOST_SCOPE_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/model/model.h"

struct err;

enum scope_limit { SCOPE_MEMORY, SCOPE_CPU, SCOPE_TASKS, N_SCOPE_LIMITS };

struct host_scope {
    bool usable;
    char by[16];       /* "systemd", "cgroup", "none" */
    unsigned can;      /* set: 1 << enum scope_limit */
    char why_not[256]; /* why no scopes, or not every limit; "" */
};

/* Is it "auto", "systemd", "cgroup" or "none"? */
int host_scope_check_wish(const char *wish, struct err *err);
/* "auto" takes what there is; another word that or nothing. May block for as long as one call has;
 * while no other thread is here. */
void host_scope_choose(const char *wish);
const struct host_scope *host_scope(void);

/* ERR_PRECONDITION (LIMITS_UNAVAILABLE): this host holds nobody to them. */
int host_scope_check_limits(const struct vm_limits *limits, struct err *err);
/* Puts a process of ours, which waits for that before it begins, into the scope of that name. */
int host_scope_enter(const char *name, pid_t pid, struct err *err);

#endif
