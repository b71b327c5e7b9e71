/* Ending the process of a VM that has no record, by its id alone. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_STRAY_H
#define BANGER_DAEMON_CORE_SUPERVISE_STRAY_H

struct core;
struct err;
struct vmm_driver;

/* 0: done comes once, later; err NULL: there is no process any more. -1: it never comes. Not to be
 * outlived by the core. */
int stray_end(struct core *core, const struct vmm_driver *driver, const char *vm_id,
              void (*done)(void *arg, const struct err *err), void *arg, struct err *err);

#endif
