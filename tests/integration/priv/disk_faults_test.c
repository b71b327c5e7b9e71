/* Every call that a disk of device-mapper's is made of fails in turn: without being done, and after
 * it was done. The error says of what and why; undoing leaves no device and no loop device, and the
 * next try works. Loop devices are the kernel's; device-mapper, which few hosts of tests have, is a
 * stand-in that keeps what it is made of open, as the kernel's does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/priv/priv_cow.h"
#include "daemon/priv/priv_dm.h"
#include "daemon/priv/priv_kind.h"
#include "tests/support/check.h"
#include "tests/support/failing_call.h"

#define MIB ((uint64_t)1 << 20)

/* The one device there is */

static struct {
    bool there;
    char name[PRIV_DM_BYTES];
    struct dm_device device;
    int open[2];
} made;

static int open_loop(dev_t number, int flags)
{
    char path[32];
    snprintf(path, sizeof(path), "/dev/loop%u", minor(number));
    return open(path, flags | O_CLOEXEC);
}

static int failed(const char *what, struct err *err)
{
    return err_sys(err, EIO, "cannot %s it", what);
}

/* __real_ and __wrap_ are the linker's names. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_dm_version(struct err *err);
bool __wrap_dm_has_node(const char *name, const struct dm_device *device, uint32_t uid);
int __wrap_dm_find(const char *name, struct dm_device *device, struct err *err);
int __wrap_dm_create(const struct dm_disk *disk, struct err *err);
int __wrap_dm_remove(const char *name, struct err *err);
int __wrap_dm_each(void (*fn)(void *arg, const char *name), void *arg, struct err *err);

int __wrap_open(const char *path, int flags, ...)
{
    return fails("open") ? -1 : __real_open(path, flags, 0);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
    bool f = fails("ioctl");
    return f && !fault.done ? -1 : (int)told(__real_ioctl(fd, request, arg), f);
}

int __wrap_dm_version(struct err *err)
{
    return fails("dm_version") ? failed("ask", err) : 0;
}

bool __wrap_dm_has_node(const char *name, const struct dm_device *device, uint32_t uid)
{
    (void)device, (void)uid;
    return made.there && strcmp(name, made.name) == 0;
}

int __wrap_dm_find(const char *name, struct dm_device *device, struct err *err)
{
    *device = (struct dm_device){0};
    if (fails("dm_find"))
        return failed("look at", err);
    if (!made.there || strcmp(name, made.name) != 0)
        return err_set(err, ERR_NOT_FOUND, "device-mapper has no %s", name);
    *device = made.device;
    return 0;
}

int __wrap_dm_create(const struct dm_disk *disk, struct err *err)
{
    bool f = fails("dm_create");
    if (f && !fault.done)
        return failed("make", err);
    CHECK(!made.there);
    made.there = true;
    snprintf(made.name, sizeof(made.name), "%s", disk->name);
    made.device = (struct dm_device){.works = true, .bytes = disk->bytes, .store = disk->store};
    snprintf(made.device.uuid, sizeof(made.device.uuid), "%s", disk->uuid);
    int left = fault.left;
    fault.left = -1;
    made.open[0] = open_loop(disk->base, O_RDONLY);
    made.open[1] = open_loop(disk->store, O_RDWR);
    fault.left = left;
    CHECK(made.open[0] >= 0 && made.open[1] >= 0);
    return f ? failed("make", err) : 0;
}

int __wrap_dm_remove(const char *name, struct err *err)
{
    bool f = fails("dm_remove");
    if (f && !fault.done)
        return failed("remove", err);
    if (made.there && strcmp(name, made.name) == 0) {
        close(made.open[0]);
        close(made.open[1]);
        made.there = false;
    }
    return f ? failed("remove", err) : 0;
}

int __wrap_dm_each(void (*fn)(void *arg, const char *name), void *arg, struct err *err)
{
    if (fails("dm_each"))
        return failed("list", err);
    if (made.there)
        fn(arg, made.name);
    return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* What is asked for */

static char top[] = "/tmp/banger-disk-XXXXXX";
static const struct priv_settings settings = {.disks = true};
static struct priv_thing thing = {.settings = &settings,
                                  .owner = {.state = "0badcafe"},
                                  .vm_id = "0123456789abcdef",
                                  .bytes = 8 * MIB};

/* Loop devices of our files, as the kernel says. */
static int count_loops(void)
{
    int n = 0;
    auto_dir DIR *dir = opendir("/sys/block");
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[300];
        auto_free char *text = NULL;
        snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", e->d_name);
        n += fs_read(path, 4096, &text, NULL, NULL) == 0 && strncmp(text, top, strlen(top)) == 0;
    }
    return n;
}

static void works(int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(call(&thing, &err), 0))
        fprintf(stderr, "  %s\n", err.message);
}

static bool fails_at(int n, bool done, int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    fault_begin(n, done);
    int rc = call(&thing, &err);
    if (!fault_end() || rc == 0) /* what cannot be told to be right was made anew */
        return fault.hit;
    CHECK(err.code != ERR_NOT_FOUND && err.code != ERR_EXISTS);
    bool of_what = strstr(err.message, "cannot ") || strstr(err.message, "no loop device");
    if (!CHECK(of_what && strstr(err.message, strerror(EIO))))
        fprintf(stderr, "  \"%s\"\n", err.message);
    return true;
}

/* is_made: before the call. At least so many calls are known to be made. */
static void in_turn(const char *what, bool is_made,
                    int (*call)(const struct priv_thing *t, struct err *err), int least)
{
    int n = 0;
    for (int done = 0; done < 2; done++) {
        for (n = 0; n < CALLS_MAX; n++) {
            int failures = check_failures;
            works(is_made ? priv_dm.make : priv_dm.remove);
            if (!fails_at(n, done, call))
                break;
            CHECK_INT(count_loops(), made.there ? 2 : 0);
            works(priv_dm.remove);
            CHECK(!made.there);
            CHECK_INT(count_loops(), 0);
            works(priv_dm.make);
            works(priv_dm.find);
            CHECK_INT(count_loops(), 2);
            works(priv_dm.remove);
            if (check_failures > failures)
                fprintf(stderr, "  (%s, call %d, %s%s)\n", what, n, fault.what,
                        done ? ", done" : "");
        }
    }
    printf("     %s: %d calls\n", what, n);
    CHECK(n >= least && n < CALLS_MAX);
    works(priv_dm.remove);
}

static void test_making_fails_at_every_call(void)
{
    in_turn("make", false, priv_dm.make, 9);
    in_turn("make again", true, priv_dm.make, 3);
}

static void test_removing_fails_at_every_call(void)
{
    in_turn("remove", true, priv_dm.remove, 2);
}

/* Never NOT_FOUND, which is certain. */
static void test_finding_fails_at_every_call(void)
{
    in_turn("find", true, priv_dm.find, 1);
}

static int n_listed;

static void count_found(void *arg, const char *vm_id, const char *name)
{
    (void)arg, (void)vm_id, (void)name;
    n_listed++;
}

static int list(const struct priv_thing *t, struct err *err)
{
    n_listed = 0;
    return priv_dm.list(&t->owner, count_found, NULL, err);
}

/* Never a list that is too short. */
static void test_listing_fails_at_every_call(void)
{
    in_turn("list", true, list, 2);
    CHECK_INT(n_listed, 1);
}

static int open_file(const char *name, int flags, uint64_t bytes)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", top, name);
    int fd = __real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
    return __real_open(path, flags | O_CLOEXEC);
}

int main(void)
{
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0)
        return check_skip("it needs root and /dev/loop-control");
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    thing.fds[0] = open_file("image", O_RDONLY, 4 * MIB);
    thing.fds[1] = open_file("cow", O_RDWR, priv_cow_bytes(4 * MIB, 8 * MIB));
    RUN(test_making_fails_at_every_call);
    RUN(test_removing_fails_at_every_call);
    RUN(test_finding_fails_at_every_call);
    RUN(test_listing_fails_at_every_call);
    close(thing.fds[0]);
    close(thing.fds[1]);
    fs_remove_tree(top, NULL);
    return check_end();
}
