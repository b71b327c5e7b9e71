/* The daemon as its store is; see store_state.h. */
#include "daemon/core/host/store_state.h"

#include <stdio.h>

#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_check.h"
#include "daemon/store/store.h"

static const char *const state_names[] = {
    [STORE_WRITABLE] = "WRITABLE",
    [STORE_RETRYING] = "RETRYING",
    [STORE_BROKEN] = "BROKEN",
};

static void store_state_changed(void *arg)
{
    struct core *core = arg;
    enum store_state state = store_health(core->store)->state;
    /* Of RETRYING watchers hear when it is over: an event is told when it is on disk. */
    if (core->events && state != STORE_BROKEN)
        event_emit(core, NULL, "host.store", "host", NULL, state_names[state], NULL);
    list_foreach(l, &core->store_watches)
    {
        struct store_state_watch *w = container_of(l, struct store_state_watch, link);
        w->changed(w->arg);
    }
}

void store_state_watch(struct core *core, struct store_state_watch *w, void (*changed)(void *arg),
                       void *arg)
{
    *w = (struct store_state_watch){.changed = changed, .arg = arg};
    list_init(&w->link);
    list_add_tail(&core->store_watches, &w->link);
}

void store_state_unwatch(struct store_state_watch *w)
{
    list_remove(&w->link);
}

void store_state_open(struct core *core)
{
    list_init(&core->store_watches);
    store_on_health(core->store, store_state_changed, core);
}

void store_state_check(const struct core *core, struct host_check *check)
{
    const struct store_health *h = store_health(core->store);
    *check = (struct host_check){.name = "store", .result = HOST_CHECK_OK};
    if (h->state == STORE_WRITABLE) {
        snprintf(check->message, sizeof(check->message), "what happens is written down");
        return;
    }
    check->result = HOST_CHECK_FAILED;
    snprintf(check->message, sizeof(check->message), "%s: %s; %zu changes wait, %u tries so far",
             state_names[h->state], h->err.message, h->waiting, h->tries);
    snprintf(
        check->fix, sizeof(check->fix), "%s",
        h->state == STORE_BROKEN
            ? "stop the daemon and restore a kept copy of its database"
            : "make room or mend the disk; until then what frees works, and nothing new begins");
}
