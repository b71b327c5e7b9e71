/* Looking in sysfs for a machine's devices; see devices.h. */
#include "daemon/vmm/devices.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/vmm/parts.h"

enum { SYS_BYTES = 320 };

static void look_for_tap(const char *tap, struct vm_handles *h)
{
    char path[SYS_BYTES];
    snprintf(path, sizeof(path), "/sys/class/net/%s", tap);
    if (access(path, F_OK) == 0)
        snprintf(h->tap_device, sizeof(h->tap_device), "%s", tap);
}

/* The image's is the one that cannot be written. */
static void take_loop(const char *loop, struct vm_handles *h)
{
    char path[SYS_BYTES];
    auto_free char *read_only = NULL;
    snprintf(path, sizeof(path), "/sys/class/block/%.32s/ro", loop);
    if (fs_read(path, 16, &read_only, NULL, NULL) < 0)
        return;
    if (read_only[0] == '1')
        snprintf(h->base_loop, sizeof(h->base_loop), "/dev/%.24s", loop);
    else
        snprintf(h->cow_loop, sizeof(h->cow_loop), "/dev/%.24s", loop);
}

static void look_for_disk(const char *device, struct vm_handles *h)
{
    char path[SYS_BYTES], target[SYS_BYTES];
    struct stat st;
    if (stat(device, &st) < 0 || !S_ISBLK(st.st_mode))
        return;
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return;
    target[n] = '\0'; /* "../../devices/virtual/block/dm-0" */
    const char *name = strrchr(target, '/'), *called = strrchr(device, '/');
    snprintf(h->dm_dev, sizeof(h->dm_dev), "/dev/%.24s", name ? name + 1 : target);
    snprintf(h->dm_name, sizeof(h->dm_name), "%.60s", called ? called + 1 : device);
    strcat(path, "/slaves");
    DIR *below = opendir(path);
    struct dirent *d;
    while (below && (d = readdir(below)))
        if (d->d_name[0] != '.')
            take_loop(d->d_name, h);
    if (below)
        closedir(below);
}

void vmm_devices_look(const struct vmm_config *c, struct vm_handles *handles)
{
    *handles = (struct vm_handles){0};
    for (size_t i = 0; i < c->n_nics; i++)
        if (c->nics[i].backend == NET_TAP)
            look_for_tap(c->nics[i].tap, handles);
    for (size_t i = 0; i < c->n_disks; i++)
        if (c->disks[i].is_device)
            look_for_disk(c->disks[i].path, handles);
}
