/* One look at all processes, for all who ask at that time.
 *
 * A look costs time by the number of processes of this user, and after a restart every VM without a
 * good hint asks. Whoever asks gets a census that began after the asking, so it shows whatever was
 * there then; those who come while one is wanted share it. Blocks: for workers. */
#ifndef BANGER_DAEMON_VMM_CENSUS_H
#define BANGER_DAEMON_VMM_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/host/process.h"
#include "daemon/vmm/vmm.h"

/* Immutable; counted. */
struct census {
    struct vmm_found *found; /* owned; VMMs below the folder, by VM id */
    size_t n;
    struct process_unread unread; /* what may be one too */
    /* census.c's. */
    size_t refs, room;
    int64_t began_ns;
    char folder[PATH_BYTES];
};

/* Of the VMMs whose VMs keep their files below folder; it began after asked_ns (clock_mono_ns).
 * NULL with err: processes cannot be listed, nothing is known. */
struct census *census_take(const char *folder, int64_t asked_ns, struct err *err);
void census_unref(struct census *c);
/* How many were begun in the life of this program: for tests and measurements. */
uint64_t census_count(void);
/* The first of a VM's (more may follow it), or NULL. */
const struct vmm_found *census_find(const struct census *c, const char *vm_id);

#endif
