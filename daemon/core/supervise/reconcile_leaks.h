/* What is there and should not be: VMMs and folders that no record knows. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_RECONCILE_LEAKS_H
#define BANGER_DAEMON_CORE_SUPERVISE_RECONCILE_LEAKS_H

struct core;

/* Start-up only, after adoption and before anything new is made. done comes once, later; failures
 * are logged. */
void reconcile_leaks(struct core *core, void (*done)(void *arg), void *arg);

#endif
