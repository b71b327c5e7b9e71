/* See tap_names.h. */
#include "daemon/host/tap_names.h"

#include "daemon/priv/priv_call.h"

static Banger__Priv__V1__Request request_of(const char *vm_id, Banger__Priv__V1__Operation what)
{
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = what;
    r.kind = BANGER__PRIV__V1__KIND__KIND_RULES;
    r.vm = (char *)(uintptr_t)vm_id;
    return r;
}

int tap_names_resolve(const char *vm_id, uint32_t guest, uint16_t port, struct err *err)
{
    Banger__Priv__V1__Request r = request_of(vm_id, BANGER__PRIV__V1__OPERATION__OPERATION_RESOLVE);
    r.address = guest;
    r.port = port;
    return priv_call(&r, NULL, NULL, err);
}

int tap_names_pin(const char *vm_id, const struct tap_pins *pins, struct err *err)
{
    Banger__Priv__V1__Request r = request_of(vm_id, BANGER__PRIV__V1__OPERATION__OPERATION_PIN);
    Banger__Priv__V1__Allowed allowed[EGRESS_PORTS_MAX], *pointers[EGRESS_PORTS_MAX];
    for (size_t i = 0; i < pins->n_ports; i++) {
        banger__priv__v1__allowed__init(&allowed[i]);
        allowed[i].protocol = pins->ports[i].protocol;
        allowed[i].port = pins->ports[i].port;
        allowed[i].port_last = pins->ports[i].port_last;
        pointers[i] = &allowed[i];
    }
    r.allow = pointers;
    r.n_allow = pins->n_ports;
    r.addresses = (uint32_t *)(uintptr_t)pins->addresses;
    r.n_addresses = pins->n;
    r.seconds = pins->seconds;
    r.address = pins->guest;
    r.port = pins->port;
    return priv_call(&r, NULL, NULL, err);
}
