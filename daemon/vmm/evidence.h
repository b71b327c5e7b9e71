/* Whose a VMM is, by evidence that survives a state folder's move.
 *
 * Every VMM works in its VM's folder. The kernel keeps that as the folder itself, not as a
 * name, so that a VM is found again wherever its folder was moved, and one of a folder that lies
 * elsewhere now, with the same ids in it or not, is never taken for ours. A move to another file
 * system is a copy and a deletion: the process is left behind, with files that nobody else has. On
 * a worker. */
#ifndef BANGER_DAEMON_VMM_EVIDENCE_H
#define BANGER_DAEMON_VMM_EVIDENCE_H

#include <stdbool.h>

struct process_info;

/* Of a process that has a VM's id on its command line. */
enum evidence {
    EVIDENCE_NONE, /* another's */
    EVIDENCE_LEFT, /* it works in a folder that was deleted, or that another now hides */
    EVIDENCE_OURS,
};

/* What working in folder says. named: whether its command line names our paths, where its folder
 * cannot be seen. */
enum evidence evidence_works_in(const struct process_info *info, const char *folder, bool named);
/* The same for a folder in folder. */
enum evidence evidence_works_below(const struct process_info *info, const char *folder, bool named);
/* Whether two paths end with the same last two parts: VM/agent.sock. */
bool evidence_same_tail(const char *path, const char *other);

#endif
