/* A VM's tap: persistent, its caller's to open, with the host's end of the guest's /30.
 *
 * It is labelled before it becomes persistent: one that bears our name without our label is not
 * ours, and what was cut off before that is gone with the descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_addresses.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_link.h"

static const char tun_path[] = "/dev/net/tun", forward_path[] = "/proc/sys/net/ipv4/ip_forward";

static int tap_probe(const struct priv_settings *settings, struct err *err)
{
    (void)settings;
    auto_fd int fd = open(tun_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? err_sys(err, errno, "cannot open %s", tun_path) : 0;
}

/* ERR_NOT_FOUND; ERR_EXISTS (STRANGER). */
static int tap_look(const struct priv_thing *t, struct link_info *info, struct err *err)
{
    char name[PRIV_TAP_BYTES], vm_id[ID_BYTES];
    priv_tap_name(&t->owner, t->vm_id, name);
    if (link_find(name, info, err) < 0)
        return -1;
    if (priv_label_read(&t->owner, info->label, vm_id))
        return 0;
    err_set(err, ERR_EXISTS, "interface %s is another's: its alias is \"%s\"", name, info->label);
    return err_tag(err, "STRANGER", NULL);
}

static int tap_create(const struct priv_thing *t, struct link_info *info, struct err *err)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    char name[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES];
    auto_fd int fd = open(tun_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", tun_path);
    priv_tap_name(&t->owner, t->vm_id, name);
    priv_label(&t->owner, t->vm_id, label);
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, TUNSETOWNER, (unsigned long)t->owner.uid) < 0)
        return err_sys(err, errno, "cannot make tap %s", name);
    if (link_find(name, info, err) < 0 || link_label(info->index, label, err) < 0)
        return -1;
    return ioctl(fd, TUNSETPERSIST, 1UL) < 0 ? err_sys(err, errno, "cannot keep tap %s", name) : 0;
}

/* value is a digit. A host without that (no IPv6) is fine. */
static int sysctl_set(const char *path, const char *value, struct err *err)
{
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || write(fd, value, 1) != 1)
        return err_sys(err, errno, "cannot write %s", path);
    return 0;
}

static int tap_set_up(const struct link_info *info, const struct priv_thing *t, struct err *err)
{
    static const char *const settings[][3] = {
        {"ipv6", "disable_ipv6", "1"},
        {"ipv4", "accept_redirects", "0"},
        {"ipv4", "send_redirects", "0"},
    };
    char path[96];
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", settings[i][0], info->name,
                 settings[i][1]);
        if (sysctl_set(path, settings[i][2], err) < 0)
            return -1;
    }
    if (link_give_address(info->index, t->address - 1, PRIV_PREFIX, err) < 0)
        return -1;
    return link_raise(info->index, err) < 0 ? -1 : sysctl_set(forward_path, "1", err);
}

static int check_free(unsigned index, const struct priv_thing *t, struct err *err)
{
    char with[PRIV_TAP_BYTES], text[16];
    int rc = addresses_overlap(index, t->address, PRIV_PREFIX, with, err);
    if (rc <= 0)
        return rc;
    priv_address_text(t->address, text);
    err_set(err, ERR_EXISTS, "the address %s/%d is of interface %s's network", text, PRIV_PREFIX,
            with);
    return err_tag(err, "ADDRESS_TAKEN", NULL);
}

static int tap_make(const struct priv_thing *t, struct err *err)
{
    struct link_info info = {0};
    struct err why = ERR_INIT;
    bool there = tap_look(t, &info, &why) == 0;
    if (!there && why.code != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    if (check_free(info.index, t, err) < 0 || (!there && tap_create(t, &info, err) < 0))
        return -1;
    return tap_set_up(&info, t, err);
}

static int tap_find(const struct priv_thing *t, struct err *err)
{
    struct link_info info = {0};
    return tap_look(t, &info, err);
}

static int tap_give(const struct priv_thing *t, struct err *err)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct link_info info;
    auto_fd int fd = open(tun_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", tun_path);
    if (tap_look(t, &info, err) < 0)
        return -1;
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", info.name);
    if (ioctl(fd, TUNSETIFF, &r) == 0 && ioctl(fd, TUNSETOWNER, (unsigned long)t->user) == 0)
        return 0;
    return err_sys(err, errno, "cannot give tap %s to user %u", info.name, (unsigned)t->user);
}

/* A stranger's stays, and is none of ours. */
static int tap_remove(const struct priv_thing *t, struct err *err)
{
    struct link_info info = {0};
    struct err why = ERR_INIT;
    if (tap_look(t, &info, &why) == 0)
        return link_remove(info.index, err);
    if (why.code == ERR_NOT_FOUND || why.code == ERR_EXISTS)
        return 0;
    *err = why;
    return -1;
}

struct tap_list {
    const struct priv_owner *owner;
    priv_found_fn *found;
    void *arg;
};

static void tap_seen(void *arg, const struct link_info *info)
{
    const struct tap_list *l = arg;
    char vm_id[ID_BYTES];
    if (priv_label_read(l->owner, info->label, vm_id))
        l->found(l->arg, vm_id, info->name);
}

static int tap_list(const struct priv_owner *owner, priv_found_fn *found, void *arg,
                    struct err *err)
{
    struct tap_list l = {owner, found, arg};
    return link_each(tap_seen, &l, err);
}

const struct priv_kind priv_tap = {
    .name = "tap",
    .probe = tap_probe,
    .make = tap_make,
    .find = tap_find,
    .remove = tap_remove,
    .give = tap_give,
    .list = tap_list,
};
