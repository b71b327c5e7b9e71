/* A core without the RPC server: what bangerd's composition root makes, for tests. */
#ifndef BANGER_TESTS_CORE_WORLD_H
#define BANGER_TESTS_CORE_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

enum {
    WORLD_WAIT_MS = 120000,
    WORLD_WORKERS = 4, /* of each pool; one is kept for what frees */
};

struct world {
    struct core core;
    struct vmm_host vmm_host;
    struct timer deadline;
    bool ready, late;
};

/* dir is the state folder; driver "sim", or "qemu" with BANGER_TEST_ASSETS. Reconciles; false with
 * the reason on stderr. */
bool world_open(struct world *w, const char *dir, const char *driver);
/* As an orderly end of the daemon: machines live on. */
void world_close(struct world *w);
/* A folder of its own below /tmp, to be removed by world_remove. */
void world_make_dir(char dir[PATH_BYTES]);
void world_remove_dir(const char *dir);

/* Runs the loop until the operation is over; false after WORLD_WAIT_MS. op may be NULL (false). */
bool world_wait(struct world *w, struct operation_entry *op);
/* The same for all operations there are. */
bool world_wait_all(struct world *w);
/* Until the VM's state is this (VM_STATE_UNSPECIFIED: until it is removed). */
bool world_wait_state(struct world *w, struct vm_entry *e, enum vm_state state);
bool world_wait_agent(struct world *w, struct vm_entry *e);
/* Until what is asked after each turn of the loop says so. */
bool world_wait_until(struct world *w, bool (*there)(void *arg), void *arg);
/* Live processes of VMs below dir. */
int world_count_monitors(struct world *w);
/* SIGKILL, and waits until the process is gone: the next look does not find it. */
void world_end_process(pid_t pid);
/* Entries of a folder but . and ..; -1 if it is not there. */
int world_count_entries(const char *dir, const char *folder);

/* vm.create, to its end; NULL when it did not succeed. */
struct vm_entry *world_create(struct world *w, const char *name, bool start);
struct vm_create_request;
struct vm_entry *world_create_as(struct world *w, const struct vm_create_request *req);

#endif
