/* What VMs have on this host against what they should have; at the start, before anything new is
 * made.
 *
 * Removed is what list finds of VMs that this store saw deleted and that nothing of is left (a
 * process, an operation), in the reverse order of making; and what is partial, of whatever VM is
 * listed. Told is what find does not find of a VM that has had it; of what goes with a boot of the
 * host only what a VM that runs lacks by that list, and rules are made again at once: a table that
 * somebody has flushed leaves its guest open to all. All else stays: unlisted.h judges folders that
 * no record knows. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_OBJECT_SWEEP_H
#define BANGER_DAEMON_CORE_SUPERVISE_OBJECT_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/core/supervise/unlisted.h"
#include "daemon/core/vm/vm_objects.h"

struct core;
struct vm_entry;

struct object_sweep {
    const struct unlisted_scan *scan; /* the evidence; borrowed */
    struct vm_objects *should;        /* owned; what each VM that is at rest has had */
    bool *runs;                       /* owned; by index of should */
    size_t n_should;
    struct name_set there;  /* by kind: VMs that have one that is transient */
    unsigned listed;        /* set: 1 << index of a kind that all could be told of */
    bool out_of_memory;     /* nothing is said of what is not there */
    struct object *missing; /* owned; found by object_sweep_find */
    size_t n_missing;
};

/* On the loop: it has had all that it should have, and no operation is about to change that. */
bool object_sweep_is_at_rest(struct core *core, const struct vm_entry *e);
/* On the loop: of all that the registry has. Out of memory: nothing is looked for. */
void object_sweep_init(struct object_sweep *s, struct core *core, const struct unlisted_scan *scan);
void object_sweep_done(struct object_sweep *s);
/* On a worker: before folders are judged, and after. */
void object_sweep_remove(struct object_sweep *s);
void object_sweep_find(struct object_sweep *s);
/* On the loop: log and events. */
void object_sweep_tell(const struct object_sweep *s, struct core *core);

#endif
