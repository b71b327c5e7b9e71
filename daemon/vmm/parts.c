/* The parts of a machine; see parts.h. */
#include "daemon/vmm/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/vmm/vmm.h"

struct vmm_allow *vmm_allow_new(void)
{
    struct vmm_allow *allow = calloc(1, sizeof(*allow));
    if (allow)
        allow->refs = 1;
    return allow;
}

void vmm_config_copy(struct vmm_config *to, const struct vmm_config *from)
{
    *to = *from;
    for (size_t i = 0; i < to->n_nics; i++)
        if (to->nics[i].allow)
            to->nics[i].allow->refs++;
}

void vmm_config_done(struct vmm_config *c)
{
    for (size_t i = 0; i < c->n_nics; i++) {
        if (c->nics[i].allow && --c->nics[i].allow->refs == 0)
            free(c->nics[i].allow);
        c->nics[i].allow = NULL;
    }
}

const char *vmm_disk_role_name(enum vmm_disk_role role)
{
    return role == VMM_DISK_SYSTEM ? "system" : "work";
}

const struct vmm_disk *vmm_config_disk(const struct vmm_config *c, enum vmm_disk_role role)
{
    for (size_t i = 0; i < c->n_disks; i++)
        if (c->disks[i].role == role)
            return &c->disks[i];
    return NULL;
}

void vmm_mac_make(const char *vm_id, char mac[VMM_MAC_BYTES])
{
    uint64_t h = hash_text(HASH_START, vm_id);
    h ^= h >> 29;
    snprintf(mac, VMM_MAC_BYTES, "52:54:00:%02x:%02x:%02x", (unsigned)(h & 0xff),
             (unsigned)(h >> 8 & 0xff), (unsigned)(h >> 16 & 0xff));
}

static bool has(unsigned set, unsigned value)
{
    return set >> value & 1;
}

enum guest_channel_kind vmm_channel_of(const struct vmm_driver *driver)
{
    return has(driver->can.channels, GUEST_CHANNEL_UNIX) ? GUEST_CHANNEL_UNIX : GUEST_CHANNEL_VSOCK;
}

enum net_mode vmm_net_of(const struct vmm_driver *driver)
{
    return has(driver->can.nics, NET_USER) ? NET_USER : NET_NONE;
}

static int takes_not(const struct vmm_driver *driver, const char *what, struct err *err)
{
    return err_set(err, ERR_UNIMPLEMENTED, "driver %s takes no %s", driver->name, what);
}

int vmm_parts_check(const struct vmm_driver *driver, const struct vmm_config *c, struct err *err)
{
    const struct vmm_capabilities *can = &driver->can;
    for (size_t i = 0; i < c->n_disks; i++)
        if (!has(can->disk_formats, c->disks[i].format))
            return takes_not(driver, "disk of this format", err);
    for (size_t i = 0; i < c->n_nics; i++)
        if (!has(can->nics, c->nics[i].backend))
            return takes_not(driver, "network of this kind", err);
    if (!has(can->channels, c->channel.kind))
        return takes_not(driver, "guest channel of this kind", err);
    if (c->channel.kind == GUEST_CHANNEL_SSH && c->n_nics == 0)
        return err_set(err, ERR_INVALID,
                       "a guest that is reached over SSH needs a network: take \"user\"");
    if (can->needs_root && geteuid() != 0)
        return err_set(err, ERR_PRECONDITION, "driver %s needs root", driver->name);
    return 0;
}
