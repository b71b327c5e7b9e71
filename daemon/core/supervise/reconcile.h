/* Start-up: what the store says against what the host shows.
 *
 * Machines that live are adopted, VMs whose machines are gone are demoted, and where evidence is
 * missing they are UNKNOWN and looked at again later. Then leaks go: VMMs and folders that no
 * record knows. Then operations go on where the last daemon left them. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_RECONCILE_H
#define BANGER_DAEMON_CORE_SUPERVISE_RECONCILE_H

struct core;

/* How long the start waits for machines that do not answer; they are UNKNOWN then, and go on being
 * asked. */
enum { RECONCILE_ADOPT_MS = 5000 };

/* Once, after core_open. done comes once, later, within a few times RECONCILE_ADOPT_MS, when
 * serving may begin. */
void reconcile_start(struct core *core, void (*done)(void *arg), void *arg);
/* Looks for the process of a VM that the record says has none: UNKNOWN with why, then RUNNING or
 * PAUSED where it lives, STOPPED where it does not. 0: known (may be NULL) comes once, perhaps from
 * inside; -1: never. */
struct vm_entry;
int reconcile_look_for(struct vm_entry *e, const char *why, void (*known)(void *arg), void *arg);
/* The VM is not asked about any more: it is removed, or the daemon ends. */
void reconcile_forget(struct vm_entry *e);

#endif
