/* Stands in for systemd-resolved on the bus that DBUS_SYSTEM_BUS_ADDRESS names: takes what
 * resolved(8) takes of links, refuses what it refuses, and prints a line of each call that it has
 * taken. resolved [refuse | keep FILE]: it refuses all; to undo anything, while there is that
 * file. */
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

static bool refuses;
static const char *keeps; /* NULL: nothing */

/* The link's name, or an error that is set. */
static int link_of(sd_bus_message *m, int index, char name[IF_NAMESIZE], sd_bus_error *error)
{
    (void)m;
    if (refuses)
        return sd_bus_error_set(error,
                                "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                                "Interactive authentication required.");
    if (index <= 0 || !if_indextoname((unsigned)index, name))
        return sd_bus_error_setf(error, "org.freedesktop.resolve1.NoSuchLink", "Link %i not known",
                                 index);
    if (strcmp(name, "lo") == 0)
        return sd_bus_error_set(error, "org.freedesktop.resolve1.LinkBusy",
                                "Link lo is loopback device.");
    return 0;
}

static int on_dns(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    int index, family, rv;
    const void *bytes;
    const char *server, *none;
    char name[IF_NAMESIZE];
    size_t n;
    uint16_t port;
    (void)arg;
    if (sd_bus_message_read(m, "i", &index) < 0 ||
        (rv = sd_bus_message_enter_container(m, 'a', "(iayqs)")) < 0 ||
        sd_bus_message_enter_container(m, 'r', "iayqs") < 0 ||
        sd_bus_message_read(m, "i", &family) < 0 ||
        sd_bus_message_read_array(m, 'y', &bytes, &n) < 0 ||
        sd_bus_message_read(m, "qs", &port, &server) < 0)
        return -EINVAL;
    if ((rv = link_of(m, index, name, error)) < 0)
        return rv;
    if (family != 2 || n != 4)
        return -EINVAL;
    none = server[0] ? server : "-";
    const unsigned char *a = bytes;
    printf("dns %s %u.%u.%u.%u %u %s\n", name, a[0], a[1], a[2], a[3], port, none);
    return sd_bus_reply_method_return(m, NULL);
}

static int on_domains(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    int index, routes, rv;
    const char *domain;
    char name[IF_NAMESIZE];
    (void)arg;
    if (sd_bus_message_read(m, "i", &index) < 0 ||
        sd_bus_message_enter_container(m, 'a', "(sb)") < 0 ||
        sd_bus_message_read(m, "(sb)", &domain, &routes) < 0)
        return -EINVAL;
    if ((rv = link_of(m, index, name, error)) < 0)
        return rv;
    printf("domain %s %s%s\n", name, routes ? "~" : "", domain);
    return sd_bus_reply_method_return(m, NULL);
}

static int on_default(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    int index, is, rv;
    char name[IF_NAMESIZE];
    (void)arg;
    if (sd_bus_message_read(m, "ib", &index, &is) < 0)
        return -EINVAL;
    if ((rv = link_of(m, index, name, error)) < 0)
        return rv;
    printf("default %s %s\n", name, is ? "yes" : "no");
    return sd_bus_reply_method_return(m, NULL);
}

static int on_revert(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    int index, rv;
    char name[IF_NAMESIZE];
    (void)arg;
    if (sd_bus_message_read(m, "i", &index) < 0)
        return -EINVAL;
    if ((rv = link_of(m, index, name, error)) < 0)
        return rv;
    if (keeps && access(keeps, F_OK) == 0) {
        printf("keep %s\n", name);
        return sd_bus_error_set(error, "org.freedesktop.DBus.Error.Timeout", "Timed out.");
    }
    printf("revert %s\n", name);
    return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("SetLinkDNSEx", "ia(iayqs)", "", on_dns, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDomains", "ia(sb)", "", on_domains, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDefaultRoute", "ib", "", on_default, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RevertLink", "i", "", on_revert, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

int main(int argc, char **argv)
{
    sd_bus *bus = NULL;
    refuses = argc > 1 && strcmp(argv[1], "refuse") == 0;
    keeps = argc > 2 && strcmp(argv[1], "keep") == 0 ? argv[2] : NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sd_bus_open_system(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/resolve1",
                                 "org.freedesktop.resolve1.Manager", methods, NULL) < 0 ||
        sd_bus_request_name(bus, "org.freedesktop.resolve1", 0) < 0)
        return 1;
    puts("ready");
    for (;;) {
        int rv = sd_bus_process(bus, NULL);
        if (rv < 0 || (rv == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
            return 1;
    }
}
