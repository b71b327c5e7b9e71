/* What scope.c and object_scope.c have of either way to make scopes. */
#ifndef BANGER_DAEMON_HOST_SCOPE_INTERNAL_H
#define BANGER_DAEMON_HOST_SCOPE_INTERNAL_H

#include <sys/types.h>

#include "daemon/host/object.h"
#include "daemon/host/scope.h"

enum {
    SCOPE_CALL_MS = 5000,  /* one call of a bus, with what it begins */
    SCOPE_EMPTY_MS = 3000, /* until what was killed has left a scope */
};

/* Calls have the contract of object_kind's. A name fits where derive_name says so. */
struct scope_backend {
    const char *name;
    /* Sets can and why_not; -1: none here, err says why. */
    int (*probe)(struct host_scope *host, struct err *err);
    int (*derive_name)(const char *tag, const char *vm_id, char name[VM_PATH_BYTES],
                       struct err *err);
    int (*make)(const char *name, const struct vm_limits *limits, struct err *err);
    int (*find)(const char *name, struct err *err);
    /* It is empty. */
    int (*remove)(const char *name, struct err *err);
    /* 0: none is in it, or there is no such scope. */
    int (*first_process)(const char *name, pid_t *pid, struct err *err);
    int (*list)(const char *tag, void (*found)(void *arg, const char *name, const char *vm_id),
                void *arg, struct err *err);
    int (*enter)(const char *name, pid_t pid, struct err *err);
};

extern const struct scope_backend scope_systemd, scope_cgroup;

/* NULL: none. */
const struct scope_backend *host_scope_backend(void);

/* "memory" and so on, as cgroup v2 calls the controller. */
const char *host_scope_limit_name(enum scope_limit limit);
/* Set: 1 << enum scope_limit, of the words in a list of controllers. */
unsigned host_scope_read_controllers(const char *path);
/* "" or "memory, cpu": limits that are not in the set. */
void host_scope_name_lacking(unsigned can, char text[64]);
/* Where cgroup v2 is mounted. */
int host_scope_find_mount(char path[VM_PATH_BYTES], struct err *err);

#endif
