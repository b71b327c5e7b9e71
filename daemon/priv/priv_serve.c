/* Checking, doing, answering; see priv_serve.h. */
#include "daemon/priv/priv_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "daemon/model/egress_name.h"
#include "daemon/priv/priv_stop.h"

#define MESSAGE(name) BANGER__PRIV__V1__##name

static const struct priv_kind *const kinds[] = {
    [MESSAGE(KIND__KIND_TAP)] = &priv_tap,
    [MESSAGE(KIND__KIND_RULES)] = &priv_rules,
    [MESSAGE(KIND__KIND_DM)] = &priv_dm,
};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

static const struct priv_kind *overriding[N_KINDS];

const struct priv_kind *priv_kind_of(Banger__Priv__V1__Kind kind)
{
    if ((size_t)kind >= N_KINDS || !kinds[kind])
        return NULL;
    return overriding[kind] ? overriding[kind] : kinds[kind];
}

void priv_kind_override(Banger__Priv__V1__Kind kind, const struct priv_kind *with)
{
    if (priv_kind_of(kind))
        overriding[kind] = with;
}

/* Checking */

static int check_make(const Banger__Priv__V1__Request *r, const struct priv_settings *settings,
                      struct err *err)
{
    if (r->kind == MESSAGE(KIND__KIND_TAP) &&
        (!priv_address_is_valid(r->address) || !priv_pool_has(&settings->pool, r->address)))
        return err_set(err, ERR_INVALID, "%08x is no address of the pool for guests",
                       (unsigned)r->address);
    if (r->kind == MESSAGE(KIND__KIND_RULES) &&
        (r->egress < MESSAGE(EGRESS__EGRESS_ALL) || r->egress > MESSAGE(EGRESS__EGRESS_NAMES)))
        return err_set(err, ERR_INVALID, "egress %d is none", (int)r->egress);
    return 0;
}

/* What the request allows; of another than a list nothing. */
static int take_list(const Banger__Priv__V1__Request *r, struct egress_list *list, struct err *err)
{
    const size_t max = EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES;
    bool listed =
        r->egress == MESSAGE(EGRESS__EGRESS_LIST) || r->egress == MESSAGE(EGRESS__EGRESS_NAMES);
    if (r->n_allow > (listed ? max : 0))
        return err_set(err, ERR_INVALID, "%zu entries are too many", r->n_allow);
    for (size_t i = 0; i < r->n_allow; i++) {
        const Banger__Priv__V1__Allowed *a = r->allow[i];
        struct egress_entry *e = &list->at[list->n++];
        if (a->prefix > 32 || a->protocol > UINT8_MAX || a->port > EGRESS_PORT_MAX ||
            a->port_last > EGRESS_PORT_MAX)
            return err_set(err, ERR_INVALID, "entry %zu is none", i);
        *e = (struct egress_entry){.address = a->address,
                                   .prefix = (uint8_t)a->prefix,
                                   .protocol = (uint8_t)a->protocol,
                                   .port = (uint16_t)a->port,
                                   .port_last = (uint16_t)a->port_last};
        if (!egress_entry_is_valid(e))
            return err_set(err, ERR_INVALID, "entry %zu is none", i);
    }
    return 0;
}

/* Of a PIN: ports without an address, and addresses that names may lead to. */
static int take_pins(const Banger__Priv__V1__Request *r, struct priv_thing *t, struct err *err)
{
    if (r->n_allow > PRIV_PIN_PORTS || r->n_addresses > PRIV_PINS_MAX ||
        r->seconds > PRIV_PIN_MAX_S)
        return err_set(err, ERR_INVALID, "too much to pin");
    for (size_t i = 0; i < r->n_allow; i++) {
        const Banger__Priv__V1__Allowed *a = r->allow[i];
        if (a->address || a->prefix || a->port > a->port_last || a->port_last > EGRESS_PORT_MAX ||
            (a->protocol != EGRESS_TCP && a->protocol != EGRESS_UDP))
            return err_set(err, ERR_INVALID, "entry %zu has no ports", i);
        t->allow.at[t->allow.n++] = (struct egress_entry){.protocol = (uint8_t)a->protocol,
                                                          .port = (uint16_t)a->port,
                                                          .port_last = (uint16_t)a->port_last};
    }
    for (size_t i = 0; i < r->n_addresses; i++) {
        if (!egress_name_may_lead_to(r->addresses[i]))
            return err_set(err, ERR_INVALID, "no name leads to %08x", (unsigned)r->addresses[i]);
        t->addresses[t->n_addresses++] = r->addresses[i];
    }
    t->seconds = r->seconds;
    return 0;
}

static int check(const Banger__Priv__V1__Request *r, const struct priv_settings *settings,
                 struct err *err)
{
    bool of_vm = r->operation == MESSAGE(OPERATION__OPERATION_MAKE) ||
                 r->operation == MESSAGE(OPERATION__OPERATION_FIND) ||
                 r->operation == MESSAGE(OPERATION__OPERATION_REMOVE) ||
                 r->operation == MESSAGE(OPERATION__OPERATION_GIVE) ||
                 r->operation == MESSAGE(OPERATION__OPERATION_RESOLVE) ||
                 r->operation == MESSAGE(OPERATION__OPERATION_PIN);
    if (!priv_kind_of(r->kind))
        return err_set(err, ERR_UNIMPLEMENTED, "kind %d is not known here", (int)r->kind);
    if (!priv_state_is_valid(r->state))
        return err_set(err, ERR_INVALID, "the state folder's tag is none");
    if (of_vm && !id_is_valid(r->vm))
        return err_set(err, ERR_INVALID, "the VM's id is none");
    return r->operation == MESSAGE(OPERATION__OPERATION_MAKE) ? check_make(r, settings, err) : 0;
}

/* Answering */

struct reply {
    void (*send)(void *arg, const uint8_t *packet, size_t len);
    void *arg;
    Banger__Priv__V1__Found found[PRIV_FOUND_PER_PACKET];
    Banger__Priv__V1__Found *pointers[PRIV_FOUND_PER_PACKET];
    char vm[PRIV_FOUND_PER_PACKET][ID_BYTES];
    char name[PRIV_FOUND_PER_PACKET][PRIV_LABEL_BYTES];
    size_t n;
};

static void send_packet(struct reply *r, const struct err *err, bool last)
{
    Banger__Priv__V1__Reply m = BANGER__PRIV__V1__REPLY__INIT;
    uint8_t packet[PRIV_REPLY_BYTES];
    if (err) {
        m.code = (uint32_t)err->code;
        m.sys = (uint32_t)err->sys;
        m.reason = (char *)err->reason;
        m.message = (char *)err->message;
    }
    m.last = last; /* so no reply is empty, as an end would be */
    m.n_found = r->n;
    m.found = r->pointers;
    size_t len = banger__priv__v1__reply__get_packed_size(&m);
    if (len <= sizeof(packet)) /* as the bounds of all its fields have it */
        r->send(r->arg, packet, banger__priv__v1__reply__pack(&m, packet));
    r->n = 0;
}

static void add_found(void *arg, const char *vm_id, const char *name)
{
    struct reply *r = arg;
    if (r->n == PRIV_FOUND_PER_PACKET)
        send_packet(r, NULL, false);
    Banger__Priv__V1__Found *f = &r->found[r->n];
    banger__priv__v1__found__init(f);
    snprintf(r->vm[r->n], sizeof(r->vm[0]), "%s", vm_id);
    snprintf(r->name[r->n], sizeof(r->name[0]), "%s", name);
    f->vm = r->vm[r->n];
    f->name = r->name[r->n];
    r->pointers[r->n++] = f;
}

static int give(const struct priv_kind *kind, const struct priv_thing *t, struct err *err)
{
    if (t->owner.uid != 0)
        return err_set(err, ERR_DENIED, "only root gives others what is its own");
    if (!kind->give)
        return err_set(err, ERR_UNIMPLEMENTED, "%s cannot be given", kind->name);
    return kind->give(t, err);
}

static int of_names(const struct priv_kind *kind, const struct priv_thing *t, bool pin,
                    struct err *err)
{
    if (!kind->resolve || !kind->pin)
        return err_set(err, ERR_UNIMPLEMENTED, "%s knows no names", kind->name);
    return pin ? kind->pin(t, err) : kind->resolve(t, err);
}

static int perform(const Banger__Priv__V1__Request *m, const struct priv_thing *t, struct reply *r,
                   struct err *err)
{
    const struct priv_kind *kind = priv_kind_of(m->kind);
    switch (m->operation) {
    case MESSAGE(OPERATION__OPERATION_PROBE):
        return kind->probe(t->settings, err);
    case MESSAGE(OPERATION__OPERATION_CHECK):
        return kind->check ? kind->check(t->egress == MESSAGE(EGRESS__EGRESS_NAMES), err) : 0;
    case MESSAGE(OPERATION__OPERATION_MAKE):
        return kind->make(t, err);
    case MESSAGE(OPERATION__OPERATION_FIND):
        return kind->find(t, err);
    case MESSAGE(OPERATION__OPERATION_REMOVE):
        return kind->remove(t, err);
    case MESSAGE(OPERATION__OPERATION_GIVE):
        return give(kind, t, err);
    case MESSAGE(OPERATION__OPERATION_RESOLVE):
        return of_names(kind, t, false, err);
    case MESSAGE(OPERATION__OPERATION_PIN):
        return of_names(kind, t, true, err);
    case MESSAGE(OPERATION__OPERATION_LIST):
        return kind->list(&t->owner, add_found, r, err);
    default:
        return err_set(err, ERR_UNIMPLEMENTED, "operation %d is not known here", (int)m->operation);
    }
}

static int answer(const struct priv_settings *settings, uint32_t uid, const uint8_t *request,
                  size_t len, const int fds[PRIV_FDS], struct reply *r, struct err *err)
{
    Banger__Priv__V1__Request *m =
        len <= PRIV_REQUEST_BYTES ? banger__priv__v1__request__unpack(NULL, len, request) : NULL;
    if (!m)
        return err_set(err, ERR_INVALID, "%zu bytes are no request", len);
    struct priv_thing t = {.settings = settings,
                           .owner.uid = uid,
                           .address = m->address,
                           .egress = m->egress,
                           .user = m->user,
                           .port = m->port,
                           .bytes = m->bytes};
    memcpy(t.fds, fds, sizeof(t.fds));
    int rc = check(m, settings, err) < 0                         ? -1
             : m->operation == MESSAGE(OPERATION__OPERATION_PIN) ? take_pins(m, &t, err)
                                                                 : take_list(m, &t.allow, err);
    if (rc == 0) {
        snprintf(t.owner.state, sizeof(t.owner.state), "%s", m->state);
        snprintf(t.vm_id, sizeof(t.vm_id), "%s", m->vm);
        priv_stop(m->operation, priv_kind_of(m->kind)->name, "before");
        rc = perform(m, &t, r, err);
        priv_stop(m->operation, priv_kind_of(m->kind)->name, "after");
    }
    banger__priv__v1__request__free_unpacked(m, NULL);
    return rc;
}

void priv_serve(const struct priv_settings *settings, uint32_t uid, const uint8_t *request,
                size_t len, const int fds[PRIV_FDS],
                void (*send)(void *arg, const uint8_t *packet, size_t len), void *arg)
{
    struct err err = ERR_INIT;
    struct reply *r = calloc(1, sizeof(*r));
    if (!r)
        return; /* the connection is closed without an answer */
    r->send = send;
    r->arg = arg;
    int rc = answer(settings, uid, request, len, fds, r, &err);
    if (rc < 0)
        r->n = 0;
    send_packet(r, rc < 0 ? &err : NULL, true);
    free(r);
}
