/* See priv_dm.h. */
#include "daemon/priv/priv_dm.h"

#include <errno.h>
#include <libdevmapper.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/priv/priv_cow.h"

/* What libdevmapper said last: it has errors in words alone. */
static char said[256];

__attribute__((format(printf, 5, 6))) static void
on_log(int level, const char *file, int line, int errno_or_class, const char *format, ...)
{
    va_list ap;
    (void)file, (void)line, (void)errno_or_class;
    if ((level & 7) > 3) /* _LOG_ERR */
        return;
    va_start(ap, format);
    vsnprintf(said, sizeof(said), format, ap);
    va_end(ap);
}

static void task_done(struct dm_task **task)
{
    if (*task)
        dm_task_destroy(*task);
}

#define auto_task __attribute__((cleanup(task_done)))

static struct dm_task *task_new(int type, const char *name)
{
    dm_log_with_errno_init(on_log);
    dm_udev_set_sync_support(0);
    said[0] = '\0';
    struct dm_task *task = dm_task_create(type);
    if (task && (!name || dm_task_set_name(task, name)))
        return task;
    task_done(&task);
    dm_lib_exit(); /* it would not look for the kernel's part again */
    return NULL;
}

/* errno of the kernel's answer, or of what hindered the question. */
static int task_run(struct dm_task *task)
{
    errno = 0;
    if (dm_task_run(task))
        return 0;
    int sys = dm_task_get_errno(task) ? dm_task_get_errno(task) : errno;
    return sys ? sys : EIO;
}

static int failed(int sys, const char *what, const char *name, struct err *err)
{
    return err_sys(err, sys, "cannot %s %s%s%s%s", what, name, said[0] ? " (" : "", said,
                   said[0] ? ")" : "");
}

static int no_task(const char *what, const char *name, struct err *err)
{
    return failed(ENODEV, what, name, err);
}

int dm_version(struct err *err)
{
    auto_task struct dm_task *task = task_new(DM_DEVICE_VERSION, NULL);
    int sys = task ? task_run(task) : ENODEV;
    return sys ? failed(sys, "ask", "device-mapper", err) : 0;
}

/* Looking */

/* The first target is the snapshot: "BASE STORE …", and of its state "Invalid" or numbers. */
static int find_more(const char *name, struct dm_device *device, struct err *err)
{
    uint64_t start, length;
    char *type = NULL, *text = NULL;
    unsigned major, minor;
    auto_task struct dm_task *table = task_new(DM_DEVICE_TABLE, name);
    int sys = table ? task_run(table) : ENODEV;
    if (sys)
        return failed(sys, "look at", name, err);
    void *next = dm_get_next_target(table, NULL, &start, &length, &type, &text);
    if (!type || strcmp(type, "snapshot") != 0 ||
        sscanf(text, "%*u:%*u %u:%u ", &major, &minor) != 2)
        return 0;
    device->store = makedev(major, minor);
    device->bytes = length * PRIV_SECTOR;
    if (next) {
        dm_get_next_target(table, next, &start, &length, &type, &text);
        device->bytes += length * PRIV_SECTOR;
    }
    auto_task struct dm_task *status = task_new(DM_DEVICE_STATUS, name);
    sys = status ? task_run(status) : ENODEV;
    if (sys)
        return failed(sys, "look at", name, err);
    dm_get_next_target(status, NULL, &start, &length, &type, &text);
    device->works = text && text[0] >= '0' && text[0] <= '9';
    return 0;
}

/* Where the kernel's part is not there, whatever it could have made is not either. */
static bool is_absent(void)
{
    return access("/sys/class/misc/device-mapper", F_OK) < 0 && errno == ENOENT;
}

int dm_find(const char *name, struct dm_device *device, struct err *err)
{
    struct dm_info info;
    *device = (struct dm_device){0};
    auto_task struct dm_task *task = task_new(DM_DEVICE_INFO, name);
    int sys = task ? task_run(task) : ENODEV;
    if (sys == 0 && !dm_task_get_info(task, &info))
        sys = EIO;
    if (sys == ENXIO || (sys == 0 && !info.exists) || (sys != 0 && is_absent()))
        return err_set(err, ERR_NOT_FOUND, "device-mapper has no %s", name);
    if (sys)
        return failed(sys, "look at", name, err);
    device->number = makedev(info.major, (unsigned)info.minor);
    const char *uuid = dm_task_get_uuid(task);
    if (uuid && strlen(uuid) < sizeof(device->uuid))
        snprintf(device->uuid, sizeof(device->uuid), "%s", uuid);
    return info.live_table && !info.suspended ? find_more(name, device, err) : 0;
}

bool dm_has_node(const char *name, const struct dm_device *device, uint32_t uid)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
    return lstat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device->number &&
           st.st_uid == uid;
}

int dm_each(void (*fn)(void *arg, const char *name), void *arg, struct err *err)
{
    auto_task struct dm_task *task = task_new(DM_DEVICE_LIST, NULL);
    int sys = task ? task_run(task) : ENODEV;
    if (sys)
        return failed(sys, "list", "what device-mapper has", err);
    const struct dm_names *n = dm_task_get_names(task);
    while (n && n->dev) { /* one without a device: there are none */
        fn(arg, n->name);
        n = n->next ? (const struct dm_names *)((const char *)n + n->next) : NULL;
    }
    return 0;
}

/* Making and removing */

static bool set_table(struct dm_task *task, const struct dm_disk *d)
{
    char text[96];
    uint64_t base = d->base_bytes / PRIV_SECTOR, all = d->bytes / PRIV_SECTOR;
    snprintf(text, sizeof(text), "%u:%u %u:%u P %d", major(d->base), minor(d->base),
             major(d->store), minor(d->store), PRIV_COW_CHUNK / PRIV_SECTOR);
    if (!dm_task_add_target(task, 0, base, "snapshot", text))
        return false;
    if (all == base)
        return true;
    snprintf(text, sizeof(text), "%u:%u %llu", major(d->store), minor(d->store),
             (unsigned long long)(d->store_bytes / PRIV_SECTOR));
    return dm_task_add_target(task, base, all - base, "linear", text);
}

/* Without waiting for udev, which has nothing to do then. */
static bool set_alone(struct dm_task *task)
{
    uint32_t cookie = 0;
    return dm_task_set_cookie(task, &cookie,
                              DM_UDEV_DISABLE_DM_RULES_FLAG | DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
                                  DM_UDEV_DISABLE_DISK_RULES_FLAG |
                                  DM_UDEV_DISABLE_OTHER_RULES_FLAG);
}

int dm_create(const struct dm_disk *d, struct err *err)
{
    auto_task struct dm_task *task = task_new(DM_DEVICE_CREATE, d->name);
    if (!task || !dm_task_set_uuid(task, d->uuid) || !dm_task_set_uid(task, d->uid) ||
        !dm_task_set_gid(task, 0) || !dm_task_set_mode(task, 0600) || !set_alone(task) ||
        !set_table(task, d))
        return no_task("make", d->name, err);
    int sys = task_run(task);
    dm_task_update_nodes();
    return sys ? failed(sys, "make", d->name, err) : 0;
}

int dm_remove(const char *name, struct err *err)
{
    auto_task struct dm_task *task = task_new(DM_DEVICE_REMOVE, name);
    if (!task || !dm_task_retry_remove(task) || !set_alone(task))
        return no_task("remove", name, err);
    int sys = task_run(task);
    dm_task_update_nodes();
    return sys == 0 || sys == ENXIO ? 0 : failed(sys, "remove", name, err);
}
