/* What every conformance test stands on: a loop, workers, a folder, a machine of one engine, and
 * calls that are waited for. */
#ifndef BANGER_TESTS_VMM_WORLD_H
#define BANGER_TESTS_VMM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

enum { WORLD_DEADLINE_MS = 40000, JAILED_FIRST_UID = 0x70000000 };

struct world {
    const struct vmm_driver *driver;
    struct loop *loop;
    struct workers *workers;
    struct vmm_host host;
    char dir[64];
    struct vmm_config config;
    struct vmm_machine *m;
    struct timer guard;
    /* Events of whatever machine was opened last. */
    int exits;
    struct vmm_exit exit;
    bool waiting_exit;
    bool late; /* a wait ran out: the test has failed */
};

extern bool world_jailed; /* firecracker's, by its jailer; of all that are made from now on */

/* One call's outcome; code ERR_NONE on success. */
struct outcome {
    struct world *world;
    int calls; /* of done: must become 1 */
    struct err err;
};

struct vmm_disk *world_disk(struct world *w, enum vmm_disk_role role);
/* A fresh folder, disks, and an open machine whose guest does what mode says. */
void world_init(struct world *w, const struct vmm_driver *driver, const char *mode);
/* Kills what runs, removes the folder, and checks that no process of the VM is left. */
void world_done(struct world *w);
/* Another view of the same VM, as after a restart of the daemon. */
void world_reopen(struct world *w);

void world_done_fn(void *arg, const struct err *err);
/* Runs the loop until the outcome is there. */
void world_wait(struct world *w, const struct outcome *o);
void world_wait_exit(struct world *w);

enum world_call { W_START, W_KILL, W_PAUSE, W_RESUME, W_DISCARD };
/* Calls and waits: the code. */
enum err_code world_do(struct world *w, enum world_call call);
enum err_code world_adopt(struct world *w, const struct vm_handles *hint);
enum err_code world_stop(struct world *w, int64_t grace_ms);
/* Started; false (and a failed check) otherwise. */
bool world_up(struct world *w);
/* The text of the last failure. */
const char *world_error(void);

bool world_exists(const char *path);
/* True if the agent socket takes a connection. */
bool world_connects(const struct world *w);
bool world_alive(pid_t pid);
/* Processes that vmm_scan finds below the folder. */
size_t world_scan(struct world *w, struct vmm_found *first);

#endif
