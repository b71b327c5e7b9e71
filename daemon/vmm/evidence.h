/* Whose a monitor process is, by evidence that survives a state folder's move.
 *
 * Every monitor works in its VM's folder. The kernel keeps that as the folder itself, not as a
 * name, so that a VM is found again wherever its folder was moved, and one of a folder that lies
 * elsewhere now, with the same ids in it or not, is never taken for ours. On a worker. */
#ifndef BANGER_DAEMON_VMM_EVIDENCE_H
#define BANGER_DAEMON_VMM_EVIDENCE_H

#include <stdbool.h>

struct process_info;

/* Whether the process works in folder. named: what to say where that cannot be seen, or where its
 * folder was deleted: whether its command line names our paths. */
bool evidence_works_in(const struct process_info *info, const char *folder, bool named);
/* The same for a folder in folder. */
bool evidence_works_below(const struct process_info *info, const char *folder, bool named);
/* Whether two paths end with the same last two parts: VM/agent.sock. */
bool evidence_same_tail(const char *path, const char *other);

#endif
