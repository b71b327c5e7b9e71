/* The composition root: makes every part, in order, and takes them down in reverse. */
#ifndef BANGER_DAEMON_SERVER_H
#define BANGER_DAEMON_SERVER_H

#include "daemon/config.h"

struct err;
struct daemon;

/* Opens the store, adopts what lives, listens. NULL with err: nothing is left open. Takes what
 * config owns in any case; argv is what it was read with, and is read again with SIGHUP. */
struct daemon *daemon_new(struct daemon_config *config, int argc, char **argv, struct err *err);
/* Serves until a signal or HostService.Shutdown; VMs run on afterwards. */
int daemon_run(struct daemon *d, struct err *err);
void daemon_free(struct daemon *d);
/* Instead of serving: puts config's restore_backup in the place of the database, under the lock of
 * the state folder. ERR_EXISTS: a daemon uses it. */
int daemon_restore(const struct daemon_config *config, struct err *err);

#endif
