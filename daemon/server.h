/* The composition root: makes every part, in order, and takes them down in reverse. */
#ifndef BANGER_DAEMON_SERVER_H
#define BANGER_DAEMON_SERVER_H

#include "daemon/config.h"

struct err;
struct daemon;

/* Opens the store, adopts what lives, listens. -1 with err: nothing is left open. */
struct daemon *daemon_new(const struct daemon_config *config, struct err *err);
/* Serves until a signal or HostService.Shutdown; VMs run on afterwards. */
int daemon_run(struct daemon *d, struct err *err);
void daemon_free(struct daemon *d);

#endif
