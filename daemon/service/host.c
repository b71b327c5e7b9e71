/* HostService: what this host is, how full, how well; and its end. */
#include "daemon/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/v1/host.server.rpc.h"
#include "base/err.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/host_info.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/service/view.h"
#include "daemon/service/worker_call.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/wire/call.h"

static void fill_capacity(Banger__V1__Capacity *m, const struct host_capacity *c)
{
    banger__v1__capacity__init(m);
    m->cpus = c->cpus;
    m->memory_bytes = c->memory_bytes;
    m->disk_bytes = c->disk_bytes;
    m->vms = c->vms;
}

static void reply_host(struct core *core, struct rpc_call *call, struct host_facts *facts,
                       void (*reply)(struct rpc_call *, const Banger__V1__Host *))
{
    Banger__V1__Host host = BANGER__V1__HOST__INIT;
    Banger__V1__Capacity total, used;
    Banger__V1__DriverInfo drivers[HOST_DRIVERS_MAX], *list[HOST_DRIVERS_MAX];
    Google__Protobuf__Timestamp started;
    struct host_capacity c;
    host_capacity_total(core, facts, &c);
    fill_capacity(&total, &c);
    host_capacity_used(core, facts, &c);
    fill_capacity(&used, &c);
    const struct host_info *info = core->host_info;
    for (size_t i = 0; i < info->n_drivers; i++) {
        const struct host_driver *d = &info->drivers[i];
        banger__v1__driver_info__init(&drivers[i]);
        drivers[i].name = (char *)d->driver->name;
        drivers[i].usable = d->probed && d->result.usable;
        drivers[i].version = (char *)d->result.version;
        drivers[i].accelerator = (char *)d->result.accelerator;
        drivers[i].explanation = d->probed ? (char *)d->result.explanation : "being probed";
        list[i] = &drivers[i];
    }
    host.id = (char *)event_epoch(core);
    host.hostname = facts->hostname;
    host.version = (char *)core->config.version;
    host.state_dir = core->config.state_dir;
    host.total = &total;
    host.used = &used;
    host.n_drivers = info->n_drivers;
    host.drivers = list;
    host.draining = core->settings.draining;
    host.started = view_time(&started, info->started_ns);
    host.memory_rss_bytes = facts->rss_bytes;
    host.connections = (uint32_t)rpc_server_connections(core->rpc_server);
    host.default_driver = core->config.default_driver;
    enum storage can[N_STORAGES];
    Banger__V1__Storage storages[N_STORAGES];
    const struct vmm_driver *driver = vmm_find_driver(core->config.default_driver, NULL);
    host.n_storages = driver ? vm_storage_list(core, driver, can) : 0;
    for (size_t i = 0; i < host.n_storages; i++)
        storages[i] = (Banger__V1__Storage)can[i];
    host.storages = storages;
    recover_count(core, &host.unlisted, &host.set_aside);
    struct access_status tcp;
    access_status(core, &tcp);
    host.listen = (char *)tcp.address;
    host.listen_problem = (char *)tcp.problem;
    struct store_view store;
    host.store = view_store(&store, store_health(core->store));
    reply(call, &host);
}

static void gather(void *data)
{
    host_facts_gather(data);
}

/* The facts are looked up on a worker, then reply gets them. */
static void with_facts(struct core *core, struct rpc_call *call, bool taps,
                       void (*reply)(struct core *core, struct rpc_call *call, void *facts))
{
    struct host_facts facts = {.asks_for_taps = taps, .has_names = host_has_names(core)};
    memcpy(facts.state_dir, core->config.state_dir, sizeof(facts.state_dir));
    worker_call_start(core, call, &facts, sizeof(facts), gather, reply);
}

static void reply_get(struct core *core, struct rpc_call *call, void *facts)
{
    reply_host(core, call, facts, banger_v1_host_service_get_host_reply);
}

static void reply_draining(struct core *core, struct rpc_call *call, void *facts)
{
    reply_host(core, call, facts, banger_v1_host_service_set_draining_reply);
}

static void handle_get(void *self, struct rpc_call *call, const Banger__V1__GetHostRequest *request)
{
    (void)request;
    with_facts(self, call, false, reply_get);
}

struct draining {
    struct core *core;
    struct rpc_call *call; /* referenced */
};

static void draining_set(void *arg, const struct err *err)
{
    struct draining *d = arg;
    if (err)
        rpc_call_finish(d->call, err);
    else if (d->core->operations) /* else the daemon has closed: nobody hears */
        with_facts(d->core, d->call, false, reply_draining);
    rpc_call_unref(d->call);
    free(d);
}

static void handle_set_draining(void *self, struct rpc_call *call,
                                const Banger__V1__SetDrainingRequest *request)
{
    struct draining *d = malloc(sizeof(*d));
    if (!d) {
        service_out_of_memory(call);
        return;
    }
    *d = (struct draining){self, rpc_call_ref(call)};
    host_set_draining(self, request->draining, draining_set, d);
}

static void reply_diagnose(struct core *core, struct rpc_call *call, void *facts)
{
    struct host_check checks[HOST_CHECKS_MAX];
    Banger__V1__Check messages[HOST_CHECKS_MAX], *list[HOST_CHECKS_MAX];
    size_t n = host_diagnose(core, core->host_info, facts, checks);
    for (size_t i = 0; i < n; i++) {
        banger__v1__check__init(&messages[i]);
        messages[i].name = (char *)checks[i].name;
        messages[i].result = (Banger__V1__CheckResult)checks[i].result;
        messages[i].message = checks[i].message;
        messages[i].fix = checks[i].fix;
        list[i] = &messages[i];
    }
    Banger__V1__DiagnoseResponse response = BANGER__V1__DIAGNOSE_RESPONSE__INIT;
    response.n_checks = n;
    response.checks = list;
    banger_v1_host_service_diagnose_reply(call, &response);
}

static void handle_diagnose(void *self, struct rpc_call *call,
                            const Banger__V1__DiagnoseRequest *request)
{
    (void)request;
    with_facts(self, call, true, reply_diagnose);
}

static void handle_shutdown(void *self, struct rpc_call *call,
                            const Banger__V1__ShutdownRequest *request)
{
    (void)request;
    struct core *core = self;
    Banger__V1__Empty empty = BANGER__V1__EMPTY__INIT;
    banger_v1_host_service_shutdown_reply(call, &empty);
    core->shut_down(core->shut_down_arg);
}

int host_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_host_service_handlers handlers = {
        .get_host = handle_get,
        .diagnose = handle_diagnose,
        .set_draining = handle_set_draining,
        .shutdown = handle_shutdown,
        .list_connections = host_service_list_connections,
        .kick_connection = host_service_kick_connection,
        .recover_host = host_service_recover,
        .audit_host = host_service_audit,
        .collect_garbage = host_service_collect_garbage,
    };
    return banger_v1_host_service_register(server, &handlers, core, err);
}
