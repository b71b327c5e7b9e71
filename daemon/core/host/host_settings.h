/* What the host as a whole was told, kept over restarts of the daemon. core->settings is what is on
 * disk; it changes when a change is. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_HOST_HOST_SETTINGS_H
#define BANGER_DAEMON_CORE_HOST_HOST_SETTINGS_H

#include <stdbool.h>

struct core;
struct err;
struct store_txn;

/* At start, blocking. core->rebooted: the host has been, since a daemon last started here. */
int host_settings_load(struct core *core, struct err *err);
/* Adds the row with this boot's id to txn: from then on `rebooted` is said no more. */
void host_settings_put_boot(struct core *core, struct store_txn *txn);

/* A draining host takes and starts nothing new. done comes once, later: err NULL when it is on disk
 * and holds; else nothing has changed. */
void host_set_draining(struct core *core, bool draining,
                       void (*done)(void *arg, const struct err *err), void *arg);
/* For what starts machines: 0, or -1 with ERR_PRECONDITION (HOST_DRAINING), or ERR_UNAVAILABLE
 * (DAEMON_CLOSING) while the daemon ends. */
int host_check_admits(const struct core *core, struct err *err);

#endif
