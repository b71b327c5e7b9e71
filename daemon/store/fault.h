/* Failing and slow disks on demand, for tests; compiled in only with BANGER_FAULTS.
 *
 * A list of rules "WHERE=WHAT[@NTH][*TIMES]", separated by commas. WHERE: begin, commit, a table's
 * name, or "any" (every table). WHAT: full, busy, ioerr, corrupt, nomem, readonly, constraint, or
 * delay:MS. @NTH: from the nth time on (1, the default: at once); *TIMES: so often, then no more
 * (else always). "vms=full@2*1,commit=delay:200".
 *
 * BANGER_STORE_FAULTS=LIST in the environment of a daemon, or @PATH: the file has the list, is
 * looked at before every batch, and there is none while it is missing. */
#ifndef BANGER_DAEMON_STORE_FAULT_H
#define BANGER_DAEMON_STORE_FAULT_H

#ifdef BANGER_FAULTS

#include "base/err.h"

/* Replaces all rules; NULL or "": none. Any thread. ERR_INVALID. */
int store_fault_set(const char *rules, struct err *err);
/* How often a rule has struck since it was set. */
unsigned store_fault_struck(void);

/* For the store: SQLite's code, 0: go on. Sleeps where a rule says so. */
int store_fault_hit(const char *where);
void store_fault_look(void);

#else

static inline int store_fault_hit(const char *where)
{
    (void)where;
    return 0;
}

static inline void store_fault_look(void)
{
}

#endif

#endif
