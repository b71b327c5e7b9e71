/* See tap_check.h. */
#include "daemon/host/tap_check.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object.h"
#include "daemon/priv/priv_call.h"

enum { MANAGER_FILE_BYTES = 16 * 1024, NUMBER_BYTES = 64 };

static bool tap_check_forwards(void)
{
    char now = '0';
    auto_fd int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &now, 1) == 1 && now != '0';
}

/* What these write down of a link that they have taken: a line in a file that is called after its
 * index. They take addresses away that they have not given. */
static const struct manager {
    const char *name, *folder, *line;
} managers[] = {
    {"systemd-networkd", "/run/systemd/netif/links", "ADMIN_STATE=configured"},
    {"systemd-networkd", "/run/systemd/netif/links", "ADMIN_STATE=configuring"},
    {"NetworkManager", "/run/NetworkManager/devices", "managed=true"},
};

static bool tap_check_has_line(const struct manager *m, unsigned index)
{
    char path[64];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "%s/%u", m->folder, index);
    if (fs_read(path, MANAGER_FILE_BYTES, &text, NULL, NULL) < 0)
        return false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (strcmp(line, m->line) == 0)
            return true;
    return false;
}

static void tap_check_managers(struct tap_check *t)
{
    struct if_nameindex *links = if_nameindex();
    for (struct if_nameindex *l = links; l && l->if_index && !t->managed[0]; l++)
        for (size_t i = 0; i < sizeof(managers) / sizeof(*managers); i++)
            if (priv_is_tap_name(l->if_name) && tap_check_has_line(&managers[i], l->if_index))
                snprintf(t->managed, sizeof(t->managed), "%s sets up %s", managers[i].name,
                         l->if_name);
    if_freenameindex(links);
}

static uint64_t tap_check_number(const char *path)
{
    auto_free char *text = NULL;
    return fs_read(path, NUMBER_BYTES, &text, NULL, NULL) < 0 ? 0 : strtoull(text, NULL, 10);
}

static bool tap_check_is_full(void)
{
    uint64_t n = tap_check_number("/proc/sys/net/netfilter/nf_conntrack_count"),
             max = tap_check_number("/proc/sys/net/netfilter/nf_conntrack_max");
    return max > 0 && n >= max / 10 * 9;
}

void tap_check_gather(struct tap_check *t, bool names)
{
    struct err err = ERR_INIT;
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    *t = (struct tap_check){.forwards = tap_check_forwards()};
    if (object_tap.probe("", &err) < 0 || object_rules.probe("", &err) < 0) {
        snprintf(t->why_not, sizeof(t->why_not), "%s", err.message);
        return;
    }
    t->usable = true;
    t->full = tap_check_is_full();
    tap_check_managers(t);
    request.egress =
        names ? BANGER__PRIV__V1__EGRESS__EGRESS_NAMES : BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
    request.operation = BANGER__PRIV__V1__OPERATION__OPERATION_CHECK;
    request.kind = BANGER__PRIV__V1__KIND__KIND_RULES;
    /* A helper of an older build does not know that. */
    if (priv_call(&request, NULL, NULL, &err) < 0 && err.code != ERR_UNIMPLEMENTED)
        snprintf(t->dropped, sizeof(t->dropped), "%s", err.message);
}
