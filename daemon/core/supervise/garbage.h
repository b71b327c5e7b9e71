/* Orphans (host_audit.h), and what a VM has that it should not where that holds no data: since when
 * they are known, and their end.
 *
 * At the start the sweep removes what VMs have left that this store saw deleted. What is of an id
 * that it never knew may be of a database that is about to be put back, and waits for as long as
 * GARBAGE_AGE_MS under the eyes of one daemon; what nothing makes anew (folders, disks) is never
 * an orphan, but unlisted. What is partial of a VM with a record stays for its next make, or the
 * sweep at the next start: beside a living daemon it may be under way. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_GARBAGE_H
#define BANGER_DAEMON_CORE_SUPERVISE_GARBAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/supervise/host_audit.h"

struct core;
struct err;
struct garbage;

enum {
    GARBAGE_AGE_MS = 10 * 60 * 1000,
    GARBAGE_FIRST_MS = 60 * 1000, /* from the start to the first look */
    GARBAGE_AT_ONCE = 5000,       /* things that one collection removes */
};

struct garbage *garbage_new(struct core *core, struct err *err);
void garbage_free(struct garbage *g);
/* From then on orphans are collected by themselves, every GARBAGE_AGE_MS. */
void garbage_start(struct core *core, int64_t first_ms);
/* Things that are known. */
size_t garbage_count(const struct core *core);

/* Of an audit: sets since and age of its garbage, and forgets what is gone. orphans_only: it has
 * looked for no more. */
void garbage_see(struct core *core, struct host_thing *const *things, size_t n, bool orphans_only);

/* As host_audit_start does; of what is removed (dry_run: would be) `removed` is set, of what is
 * left the message says why. What is beyond GARBAGE_AT_ONCE is left. */
int garbage_collect(struct core *core, bool dry_run, int64_t min_age_ms, host_audit_fn *done,
                    void *arg, struct err *err);

#endif
