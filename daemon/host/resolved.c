/* See resolved.h. One connection a call, as scope_systemd.c has it. */
#include "daemon/host/resolved.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-bus.h>

#include "base/err.h"

#define MANAGER                                                                                    \
    "org.freedesktop.resolve1", "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager"

struct resolved_call {
    sd_bus *bus;
    sd_bus_error error;
};

static void resolved_close(struct resolved_call *c)
{
    sd_bus_error_free(&c->error);
    sd_bus_close_unref(c->bus);
}
#define auto_call __attribute__((cleanup(resolved_close)))

static int resolved_open(struct resolved_call *c, struct err *err)
{
    int rv = sd_bus_open_system(&c->bus);
    if (rv >= 0)
        rv = sd_bus_set_method_call_timeout(c->bus, (uint64_t)RESOLVED_CALL_MS * 1000);
    if (rv >= 0)
        return 0;
    err_sys(err, -rv, "cannot reach the system's bus");
    if (err)
        err->code = ERR_UNAVAILABLE;
    return -1;
}

static int resolved_failed(struct resolved_call *c, int rv, struct err *err)
{
    const char *said = c->error.message ? c->error.message : strerror(-rv);
    return err_set(err, ERR_UNAVAILABLE, "systemd-resolved: %s", said);
}

/* rv: of having written it. */
static int resolved_send(struct resolved_call *c, int rv, sd_bus_message *m, struct err *err)
{
    if (rv >= 0)
        rv = sd_bus_message_set_auto_start(m, 0); /* a host without it stays so */
    if (rv >= 0)
        rv = sd_bus_call(c->bus, m, 0, &c->error, NULL);
    sd_bus_message_unref(m);
    return rv < 0 ? resolved_failed(c, rv, err) : 0;
}

static int resolved_set_server(struct resolved_call *c, int index, uint32_t address, uint16_t port,
                               struct err *err)
{
    sd_bus_message *m = NULL;
    const uint32_t bytes = htonl(address);
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "SetLinkDNSEx");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "i", index);
    if (rv >= 0)
        rv = sd_bus_message_open_container(m, 'a', "(iayqs)");
    if (rv >= 0)
        rv = sd_bus_message_open_container(m, 'r', "iayqs");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "i", AF_INET);
    if (rv >= 0)
        rv = sd_bus_message_append_array(m, 'y', &bytes, sizeof(bytes));
    if (rv >= 0)
        rv = sd_bus_message_append(m, "qs", port, "");
    if (rv >= 0)
        rv = sd_bus_message_close_container(m);
    if (rv >= 0)
        rv = sd_bus_message_close_container(m);
    return resolved_send(c, rv, m, err);
}

static int resolved_set_domain(struct resolved_call *c, int index, struct err *err)
{
    sd_bus_message *m = NULL;
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "SetLinkDomains");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ia(sb)", index, 1, "vm", 1); /* "~vm" */
    return resolved_send(c, rv, m, err);
}

/* Nothing but that domain. */
static int resolved_set_no_default(struct resolved_call *c, int index, struct err *err)
{
    sd_bus_message *m = NULL;
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "SetLinkDefaultRoute");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ib", index, 0);
    return resolved_send(c, rv, m, err);
}

int resolved_set(const char *link, uint32_t address, uint16_t port, struct err *err)
{
    auto_call struct resolved_call c = {.error = SD_BUS_ERROR_NULL};
    int index = (int)if_nametoindex(link);
    if (index == 0)
        return err_set(err, ERR_UNAVAILABLE, "link %s is gone", link);
    return resolved_open(&c, err) < 0 || resolved_set_no_default(&c, index, err) < 0 ||
                   resolved_set_domain(&c, index, err) < 0 ||
                   resolved_set_server(&c, index, address, port, err) < 0
               ? -1
               : 0;
}

int resolved_revert(const char *link, struct err *err)
{
    auto_call struct resolved_call c = {.error = SD_BUS_ERROR_NULL};
    sd_bus_message *m = NULL;
    int index = (int)if_nametoindex(link);
    if (index == 0)
        return 0;
    if (resolved_open(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, MANAGER, "RevertLink");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "i", index);
    int rc = resolved_send(&c, rv, m, err);
    if (rc < 0 && (sd_bus_error_has_name(&c.error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                   sd_bus_error_has_name(&c.error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)))
        return 0; /* and what it knew is gone with it, or with the link */
    return rc;
}
