/* The daemon as its store is: told to the log, to watchers of events and to `banger doctor`, and
 * what could not be begun meanwhile is begun when the disk is well again. */
#ifndef BANGER_DAEMON_CORE_HOST_STORE_STATE_H
#define BANGER_DAEMON_CORE_HOST_STORE_STATE_H

#include "base/list.h"

struct core;
struct host_check;

void store_state_open(struct core *core);

/* changed() after each change of the store's state (store_health), on the loop; embedded in its
 * owner, which may unwatch itself in it. */
struct store_state_watch {
    struct list link;
    void (*changed)(void *arg);
    void *arg;
};

void store_state_watch(struct core *core, struct store_state_watch *w, void (*changed)(void *arg),
                       void *arg);
void store_state_unwatch(struct store_state_watch *w);
/* Fills the check of that name. */
void store_state_check(const struct core *core, struct host_check *check);

#endif
