/* Durable settings of the host; see host_settings.h. */
#include "daemon/core/host/host_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/host/process.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

static int host_settings_each(void *arg, const struct host_settings *settings)
{
    struct core *core = arg;
    core->settings = *settings;
    return 0;
}

int host_settings_load(struct core *core, struct err *err)
{
    char boot_id[PROCESS_BOOT_ID_BYTES];
    core->settings = (struct host_settings){.id = HOST_SETTINGS_ID};
    if (store_load_host_settings(core->store, host_settings_each, core, err) < 0 ||
        process_boot_id(boot_id, err) < 0)
        return -1;
    struct host_settings *s = &core->settings;
    core->rebooted = s->boot_id[0] && strcmp(s->boot_id, boot_id) != 0;
    snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id);
    return 0;
}

void host_settings_put_boot(struct core *core, struct store_txn *txn)
{
    store_put_host_settings(txn, &core->settings);
}

struct draining_change {
    struct core *core;
    bool draining;
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void host_draining_committed(void *arg, const struct err *err)
{
    struct draining_change *c = arg;
    if (!err)
        c->core->settings.draining = c->draining;
    c->done(c->arg, err);
    free(c);
}

void host_set_draining(struct core *core, bool draining,
                       void (*done)(void *arg, const struct err *err), void *arg)
{
    struct draining_change *c = malloc(sizeof(*c));
    if (!c)
        abort(); /* nothing is lost: the state is on disk */
    *c = (struct draining_change){core, draining, done, arg};
    struct host_settings row = core->settings;
    row.draining = draining;
    struct store_txn *txn = store_txn_new();
    store_put_host_settings(txn, &row);
    event_emit(core, txn, "host.draining", "host", NULL, draining ? "on" : "off", NULL);
    store_propose(core->store, txn, host_draining_committed, c);
}

int host_check_admits(const struct core *core, struct err *err)
{
    if (core->closing) {
        err_set(err, ERR_UNAVAILABLE, "this daemon is about to end; ask the next one");
        return err_tag(err, "DAEMON_CLOSING", NULL);
    }
    if (!core->settings.draining)
        return 0;
    err_set(err, ERR_PRECONDITION, "this host is draining and takes nothing new; try another");
    return err_tag(err, "HOST_DRAINING", NULL);
}
