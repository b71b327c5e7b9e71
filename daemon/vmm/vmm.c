/* The contract of vmm.h, held in one place for every driver: one call under way per machine (kill
 * may come on top and ends it), callbacks exactly once and later. What a driver does against it is
 * a mistake of ours and asserts; what the caller does out of turn is an error. */
#include "daemon/vmm/vmm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "daemon/vmm/driver.h"

struct vmm_slot {
    struct vmm_machine *machine;
    const char *name;
    vmm_done_fn *done; /* NULL: free */
    void *arg;
    bool inside; /* the driver's function is on the stack */
};

/* A call that never reached the driver. */
struct vmm_refusal {
    struct list link; /* vmm_call.refusals */
    struct driver_call call;
    vmm_done_fn *done;
    void *arg;
};

struct vmm_call {
    struct vmm_slot main, kill;
    struct list refusals;
};

/* Drivers */

static const struct vmm_driver *vmm_override;
#define VMM_DRIVER_ROW(name) &name##_driver,
const struct vmm_driver *const vmm_drivers[] = {VMM_DRIVERS(VMM_DRIVER_ROW) NULL};
#undef VMM_DRIVER_ROW

void vmm_override_driver(const struct vmm_driver *driver)
{
    vmm_override = driver;
}

/* "qemu and sim" */
static void vmm_list_drivers(char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; vmm_drivers[i] && n < size; i++) {
        const char *between = i == 0 ? "" : vmm_drivers[i + 1] ? ", " : " and ";
        n += (size_t)snprintf(out + n, size - n, "%s%s", between, vmm_drivers[i]->name);
    }
}

const struct vmm_driver *vmm_find_driver(const char *name, struct err *err)
{
    if (vmm_override && strcmp(vmm_override->name, name) == 0)
        return vmm_override;
    for (size_t i = 0; vmm_drivers[i]; i++)
        if (strcmp(vmm_drivers[i]->name, name) == 0)
            return vmm_drivers[i];
    char all[128];
    vmm_list_drivers(all, sizeof(all));
    err_set(err, ERR_NOT_FOUND, "no driver \"%s\": there are %s", name, all);
    err_tag(err, "DRIVER_NOT_FOUND", NULL);
    return NULL;
}

uint64_t vmm_overhead_bytes(const struct vmm_driver *driver, const struct vmm_host *host)
{
    return driver->overhead_bytes ? driver->overhead_bytes(host) : 0;
}

void vmm_probe(const struct vmm_driver *driver, struct vmm_host *host,
               void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    assert(driver->version == VMM_DRIVER_VERSION);
    driver->probe(host, done, arg);
}

/* Machines */

struct vmm_machine *vmm_open(const struct vmm_driver *driver, struct vmm_host *host,
                             const struct vmm_config *config, const struct vmm_events *events,
                             void *arg, struct err *err)
{
    if (driver->version != VMM_DRIVER_VERSION) {
        err_set(err, ERR_INTERNAL, "driver %s is of version %u, not %d", driver->name,
                driver->version, VMM_DRIVER_VERSION);
        return NULL;
    }
    if (!id_is_valid(config->vm_id) || config->vm_dir[0] != '/' ||
        config->api_sock_path[0] != '/' || config->channel.path[0] != '/') {
        err_set(err, ERR_INVALID, "a machine needs an id and absolute paths");
        return NULL;
    }
    struct vmm_call *call = calloc(1, sizeof(*call));
    struct vmm_machine *m =
        call ? driver->open(host, config, events, arg, err)
             : (err_set(err, ERR_LIMIT, "out of memory opening a machine"), NULL);
    if (!m) {
        free(call);
        return NULL;
    }
    list_init(&call->refusals);
    call->main.machine = call->kill.machine = m;
    m->driver = driver;
    m->host = host;
    vmm_config_copy(&m->config, config);
    m->events = events;
    m->events_arg = arg;
    m->busy = false;
    m->call = call;
    return m;
}

static void vmm_refusal_free(struct vmm_refusal *r)
{
    list_remove(&r->link);
    driver_call_done(&r->call);
    free(r);
}

void vmm_close(struct vmm_machine *m)
{
    if (!m)
        return;
    struct vmm_call *call = m->call;
    struct vmm_config config = m->config; /* the driver's to the end */
    list_foreach(at, &call->refusals) vmm_refusal_free(container_of(at, struct vmm_refusal, link));
    m->driver->close(m);
    vmm_config_done(&config);
    free(call);
}

static void vmm_refused(void *arg, const struct err *err)
{
    struct vmm_refusal *r = arg;
    vmm_done_fn *done = r->done;
    void *done_arg = r->arg;
    struct err copy = *err;
    vmm_refusal_free(r);
    done(done_arg, &copy);
}

static void vmm_refuse(struct vmm_machine *m, const struct err *err, vmm_done_fn *done, void *arg)
{
    struct vmm_refusal *r = calloc(1, sizeof(*r));
    if (!r || driver_call_init(&r->call, m->host->loop) < 0)
        abort(); /* the caller would wait for ever; the daemon's state is on disk */
    r->done = done;
    r->arg = arg;
    list_add_tail(&m->call->refusals, &r->link);
    driver_call_begin(&r->call, vmm_refused, r);
    driver_call_end(&r->call, err);
}

static void vmm_slot_done(void *arg, const struct err *err)
{
    struct vmm_slot *s = arg;
    assert(s->done && "a driver completed a call twice");
    assert(!s->inside && "a driver completed a call from inside it");
    assert(!err || err->code != ERR_NONE);
    struct vmm_call *call = s->machine->call;
    vmm_done_fn *done = s->done;
    void *done_arg = s->arg;
    s->done = NULL;
    s->machine->busy = call->main.done || call->kill.done;
    done(done_arg, err); /* may close the machine */
}

/* True: the slot is taken and the driver is to be called; vmm_leave afterwards. */
static bool vmm_enter(struct vmm_machine *m, struct vmm_slot *s, const char *name,
                      vmm_done_fn *done, void *arg)
{
    const struct vmm_slot *in_way = m->call->kill.done ? &m->call->kill : s;
    if (in_way->done) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_PRECONDITION, "cannot %s: %s is under way", name, in_way->name);
        err_tag(&err, "VMM_BUSY", "vm/%s", m->config.vm_id);
        vmm_refuse(m, &err, done, arg);
        return false;
    }
    s->name = name;
    s->done = done;
    s->arg = arg;
    s->inside = true;
    m->busy = true;
    return true;
}

static void vmm_unsupported(struct vmm_machine *m, const char *name, vmm_done_fn *done, void *arg)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNIMPLEMENTED, "driver %s cannot %s", m->driver->name, name);
    vmm_refuse(m, &err, done, arg);
}

/* False: refused. */
static bool vmm_takes_its_parts(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct err err = ERR_INIT;
    if (vmm_parts_check(m->driver, &m->config, &err) == 0)
        return true;
    vmm_refuse(m, &err, done, arg);
    return false;
}

void vmm_start(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (vmm_takes_its_parts(m, done, arg) && vmm_enter(m, s, "start", done, arg)) {
        m->driver->start(m, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_adopt(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (vmm_enter(m, s, "adopt", done, arg)) {
        m->driver->adopt(m, hint, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_stop(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (vmm_enter(m, s, "stop", done, arg)) {
        m->driver->stop(m, grace_ms < 0 ? 0 : grace_ms, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_kill(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->kill;
    if (vmm_enter(m, s, "kill", done, arg)) {
        m->driver->kill(m, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (!m->driver->can.pause) {
        vmm_unsupported(m, "pause", done, arg);
    } else if (vmm_enter(m, s, "pause", done, arg)) {
        m->driver->pause(m, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (!m->driver->can.pause) {
        vmm_unsupported(m, "resume", done, arg);
    } else if (vmm_enter(m, s, "resume", done, arg)) {
        m->driver->resume(m, vmm_slot_done, s);
        s->inside = false;
    }
}

void vmm_discard(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct vmm_slot *s = &m->call->main;
    if (vmm_enter(m, s, "discard", done, arg)) {
        m->driver->discard(m, vmm_slot_done, s);
        s->inside = false;
    }
}

int vmm_dial(struct vmm_machine *m, uint32_t port, vmm_dialed_fn *done, void *arg, struct err *err)
{
    if (!m->driver->dial)
        return err_set(err, ERR_UNIMPLEMENTED, "driver %s has no way to a port of the guest",
                       m->driver->name);
    return m->driver->dial(m, port, done, arg, err);
}

void vmm_hang_up(struct vmm_machine *m)
{
    if (m->driver->hang_up)
        m->driver->hang_up(m);
}

const struct vmm_channel *vmm_get_channel(const struct vmm_machine *m)
{
    return &m->config.channel;
}

void vmm_get_handles(const struct vmm_machine *m, struct vm_handles *handles)
{
    *handles = (struct vm_handles){.pid = 0};
    m->driver->get_handles(m, handles);
}
