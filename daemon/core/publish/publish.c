/* Which VMs are listened for; see publish.h.
 *
 * What a record says and what is listened on are compared whenever something of the VM has changed,
 * so a daemon's start, an update and a start of the VM are one path. Only a start fails for a port:
 * of a machine that runs the port is asked for again and again, and a condition says so. */
#include "daemon/core/publish/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/publish/publish_internal.h"
#include "daemon/core/vm/vm_publisher.h"

/* Ports */

static void port_close(struct published *p, size_t i)
{
    struct publish_port *port = p->ports[i];
    watch_done(&port->watch);
    close(port->fd);
    free(port);
    p->n_ports--;
    memmove(&p->ports[i], &p->ports[i + 1], (p->n_ports - i) * sizeof(p->ports[0]));
}

static void ports_close(struct published *p)
{
    while (p->n_ports > 0)
        port_close(p, p->n_ports - 1);
}

/* One that may be any is what it was, where that is free. */
static void port_recall(const struct vm *vm, struct vm_publish *at)
{
    struct vm_publish was[VM_PUBLISH_MAX];
    size_t n = vm_publish_read(&vm->runtime.published, was);
    for (size_t i = 0; i < n && at->host_port == 0; i++)
        if (was[i].guest_port == at->guest_port && strcmp(was[i].address, at->address) == 0)
            at->host_port = was[i].host_port;
}

static int port_open(struct published *p, const struct vm_publish *asked, struct err *err)
{
    struct vm_publish at = *asked;
    struct publish_port *port = calloc(1, sizeof(*port));
    if (!port)
        return err_set(err, ERR_LIMIT, "out of memory for a published port");
    port_recall(vm_record(p->vm), &at);
    port->fd = publish_listen(p->room, p->vm, &at, err);
    if (port->fd < 0 && asked->host_port == 0 && at.host_port != 0) {
        at.host_port = 0;
        port->fd = publish_listen(p->room, p->vm, &at, err);
    }
    if (port->fd < 0 ||
        watch_init(&port->watch, p->room->core->loop, port->fd, publish_ready, port) < 0) {
        if (port->fd >= 0) {
            close(port->fd);
            err_set(err, ERR_LIMIT, "out of memory for a published port");
        }
        free(port);
        return -1;
    }
    port->of = p;
    port->asked = *asked;
    port->at = at;
    p->ports[p->n_ports++] = port;
    return 0;
}

static bool publish_is_asked(const struct vm_publish *a, const struct vm_publish *b)
{
    return a->host_port == b->host_port && a->guest_port == b->guest_port &&
           strcmp(a->address, b->address) == 0;
}

static struct publish_port *port_find(const struct published *p, const struct vm_publish *asked)
{
    for (size_t i = 0; i < p->n_ports; i++)
        if (publish_is_asked(&p->ports[i]->asked, asked))
            return p->ports[i];
    return NULL;
}

static void ports_drop(struct published *p, const struct vm_publish *list, size_t n)
{
    for (size_t i = p->n_ports; i-- > 0;) {
        size_t j = 0;
        while (j < n && !publish_is_asked(&p->ports[i]->asked, &list[j]))
            j++;
        if (j == n)
            port_close(p, i);
    }
}

/* The ports as they are, into the record where that says something else. */
static void publish_note(struct published *p, struct vm_publish *list, size_t n)
{
    const struct blob *was = &vm_record(p->vm)->runtime.published;
    struct blob is = {0};
    for (size_t i = 0; i < n; i++) {
        const struct publish_port *port = port_find(p, &list[i]);
        if (port)
            list[i] = port->at;
        else
            port_recall(vm_record(p->vm), &list[i]);
    }
    if (vm_publish_write(&is, list, n, NULL) < 0)
        return; /* shown as it was */
    if (is.len == was->len && (is.len == 0 || memcmp(is.data, was->data, is.len) == 0)) {
        free(is.data);
        return;
    }
    struct blob *to = &vm_edit(p->vm)->runtime.published;
    free(to->data);
    *to = is;
    vm_save(p->vm, NULL);
}

/* Listens as the record says: all that can be had; -1 with the first that cannot. */
static int publish_sync(struct published *p, struct err *err)
{
    struct vm_publish list[VM_PUBLISH_MAX];
    size_t n = vm_publish_read(&vm_record(p->vm)->spec.publish, list);
    int rc = 0;
    ports_drop(p, list, n);
    for (size_t i = 0; i < n; i++)
        if (!port_find(p, &list[i]) && port_open(p, &list[i], rc ? NULL : err) < 0)
            rc = -1;
    publish_note(p, list, n);
    publish_look(p);
    return rc;
}

/* What a VM has */

static void publish_set_missing(struct published *p, const struct err *err)
{
    bool told = strcmp(p->missing, err ? err->message : "") == 0;
    snprintf(p->missing, sizeof(p->missing), "%s", err ? err->message : "");
    if (!err) {
        vm_set_condition(p->vm, VM_SLOT_PUBLISH, NULL);
        return;
    }
    timer_start(&p->retry, PUBLISH_RETRY_MS);
    if (told)
        return;
    log_err(LOG_LEVEL_WARN, vm_record(p->vm)->id, err, "it is not published as it should be");
    p->condition = (struct vm_condition){
        .type = "Published",
        .reason = strcmp(err->reason, "PORT_TAKEN") == 0 ? "PortTaken" : "Failed",
        .message = p->missing,
        .changed_ns = clock_real_ns()};
    vm_set_condition(p->vm, VM_SLOT_PUBLISH, &p->condition);
}

static void publish_try(struct published *p)
{
    struct err err = ERR_INIT;
    bool missing = p->missing[0] != '\0';
    publish_set_missing(p, publish_sync(p, &err) < 0 ? &err : NULL);
    if (missing != (p->missing[0] != '\0'))
        vm_notify(p->vm); /* of the condition */
}

static void publish_again(void *arg)
{
    struct published *p = arg;
    p->short_of_files = false;
    publish_try(p);
}

static void published_free(struct published *p)
{
    struct vm_entry *e = p->vm;
    publish_relays_close(p);
    ports_close(p);
    timer_done(&p->retry);
    list_remove(&p->link);
    vm_set_condition(e, VM_SLOT_PUBLISH, NULL);
    vm_set_slot(e, VM_SLOT_PUBLISH, NULL);
    free(p);
    vm_unref(e);
}

static struct published *published_get(struct publish_room *room, struct vm_entry *e,
                                       struct err *err)
{
    struct published *p = vm_slot(e, VM_SLOT_PUBLISH);
    if (p)
        return p;
    p = calloc(1, sizeof(*p));
    if (!p || timer_init(&p->retry, room->core->loop, publish_again, p) < 0) {
        free(p);
        err_set(err, ERR_LIMIT, "out of memory for published ports");
        return NULL;
    }
    p->room = room;
    p->vm = vm_ref(e);
    list_init(&p->relays);
    list_add_tail(&room->all, &p->link);
    vm_set_slot(e, VM_SLOT_PUBLISH, p);
    return p;
}

/* VMs */

static void publish_changed(void *arg, struct vm_entry *e)
{
    struct published *p = vm_slot(e, VM_SLOT_PUBLISH);
    struct err err = ERR_INIT;
    bool wanted =
        !vm_is_removed(e) && vm_has_machine(e) && (vm_record(e)->spec.publish.len > 0 || p);
    if (!wanted && p)
        published_free(p);
    else if (wanted && !p && !(p = published_get(arg, e, &err)))
        log_err(LOG_LEVEL_ERROR, vm_record(e)->id, &err, "it is not published");
    else if (wanted)
        publish_try(p);
}

static void publish_gone(void *arg, struct vm_entry *e, const char *reason)
{
    struct published *p = vm_slot(e, VM_SLOT_PUBLISH);
    (void)arg, (void)reason;
    if (p)
        published_free(p);
}

static void publish_leaving(void *arg, struct vm_entry *e)
{
    publish_gone(arg, e, NULL);
}

static struct publish_room *publish_room_of(const struct vm_entry *e)
{
    return vm_core(e)->publish;
}

static int publish_open(struct vm_entry *e, struct err *err)
{
    struct published *p;
    if (vm_record(e)->spec.publish.len == 0)
        return 0;
    if (!(p = published_get(publish_room_of(e), e, err)))
        return -1;
    if (publish_sync(p, err) == 0)
        return 0;
    published_free(p);
    return -1;
}

static int publish_check(struct vm_entry *e, const struct blob *publish, struct err *err)
{
    const struct published *p = vm_slot(e, VM_SLOT_PUBLISH);
    struct vm_publish list[VM_PUBLISH_MAX];
    size_t n = vm_publish_read(publish, list);
    for (size_t i = 0; i < n; i++) {
        bool have = false;
        for (size_t j = 0; p && j < p->n_ports; j++)
            have |= vm_publish_collides(&p->ports[j]->at, &list[i]);
        int fd = have ? -1 : publish_listen(publish_room_of(e), e, &list[i], err);
        if (!have && fd < 0)
            return -1;
        if (fd >= 0)
            close(fd);
    }
    return 0;
}

/* The room */

struct publish_room *publish_room_new(struct core *core, struct err *err)
{
    static const struct vm_events events = {
        .changed = publish_changed, .gone = publish_gone, .leaving = publish_leaving};
    static const struct vm_publisher publisher = {publish_open, publish_check};
    struct publish_room *room = calloc(1, sizeof(*room));
    if (!room) {
        err_set(err, ERR_LIMIT, "out of memory for published ports");
        return NULL;
    }
    uint64_t files = core->config.max_files / 4;
    room->core = core;
    room->max_relays = files > 0 && files < PUBLISH_ALL ? (unsigned)files : PUBLISH_ALL;
    list_init(&room->all);
    room->listener = (struct vm_listener){.events = &events, .arg = room};
    vm_listen(core, &room->listener);
    vm_published_by(core, &publisher);
    return room;
}

void publish_room_free(struct publish_room *room)
{
    if (!room)
        return;
    vm_unlisten(&room->listener);
    vm_published_by(room->core, NULL);
    list_foreach(l, &room->all) published_free(container_of(l, struct published, link));
    free(room);
}
