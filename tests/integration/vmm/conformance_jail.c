/* What a jailed process has, and that it has nothing else: conformance.c has run everything over it
 * before. */
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/vmm/firecracker_jail.h"
#include "tests/integration/vmm/conformance.h"
#include "tests/support/check.h"

static void of_root(const struct world *w, const char *name, struct stat *st)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/jail/root/%s", w->config.vm_dir, name);
    *st = (struct stat){0};
    CHECK_INT(lstat(path, st), 0);
}

static bool same(const struct stat *a, const char *path)
{
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* The owner of the jail's root folder; of it no file of the daemon's is. */
static uid_t look_at_jail(const struct world *w)
{
    struct stat root, st;
    of_root(w, "", &root);
    CHECK(root.st_uid - JAILED_FIRST_UID < FIRECRACKER_JAIL_UIDS);
    CHECK_INT(root.st_gid, root.st_uid);
    of_root(w, "kernel", &st);
    CHECK(same(&st, w->config.vmlinux_path) && st.st_uid == 0 && !(st.st_mode & 0022));
    of_root(w, "initramfs", &st);
    CHECK(same(&st, w->config.initramfs_path) && st.st_uid == 0 && !(st.st_mode & 0022));
    of_root(w, "work.disk", &st);
    CHECK(same(&st, w->config.disks[1].path));
    CHECK_INT(st.st_uid, 0);
    CHECK_INT(st.st_gid, root.st_gid);
    CHECK_INT(st.st_mode & 0777, 0660);
    of_root(w, "agent.sock", &st);
    CHECK(same(&st, w->config.channel.path) && st.st_uid == root.st_uid);
    of_root(w, "api,.sock", &st);
    CHECK(same(&st, w->config.api_sock_path) && st.st_uid == root.st_uid);
    return root.st_uid;
}

/* One that nobody else is in: not the test's, with nothing in it but a loopback that is down. */
static void look_at_network(const struct world *w)
{
    struct vm_handles h;
    char path[64], own[64] = "", its[64] = "";
    auto_free char *links = NULL;
    vmm_get_handles(w->m, &h);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)h.pid);
    CHECK(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
    CHECK(readlink(path, its, sizeof(its) - 1) > 0);
    CHECK(strcmp(own, its) != 0);
    snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)h.pid);
    CHECK_INT(fs_read(path, 65536, &links, NULL, NULL), 0);
    const char *first = links ? strchr(links, ':') : NULL;
    CHECK(first && !strchr(first + 1, ':') && strncmp(first - 2, "lo", 2) == 0);
}

static void test_what_is_in_a_jail(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    if (CHECK(world_up(&w))) {
        look_at_jail(&w);
        look_at_network(&w);
    }
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    check_no_remains(&w);
    world_done(&w);
}

static void refused(struct world *w, const char *why)
{
    CHECK_INT(world_do(w, W_START), ERR_PRECONDITION);
    CHECK_CONTAINS(world_error(), why);
    check_no_remains(w);
}

/* A loop device of the disk's file, which goes with the descriptor; -1: there are none here. */
static int make_device(struct vmm_disk *d)
{
    struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
    auto_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    auto_fd int file = open(d->path, O_RDWR | O_CLOEXEC);
    if (number < 0 || file < 0)
        return -1;
    snprintf(d->path, sizeof(d->path), "/dev/loop%d", number);
    config.fd = (unsigned)file;
    d->is_device = true;
    int fd = open(d->path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        CHECK_INT(ioctl(fd, LOOP_CONFIGURE, &config), 0);
    return fd;
}

/* A device has a node of its own there, whoever has the one outside. */
static void test_a_device_in_a_jail(void)
{
    struct world w;
    struct stat inside, outside;
    world_init(&w, driver, "stay");
    struct vmm_disk *d = world_disk(&w, VMM_DISK_WORK);
    auto_fd int device = make_device(d);
    if (device < 0) {
        printf("     left out: it needs loop devices\n");
        world_done(&w);
        return;
    }
    world_reopen(&w);
    if (CHECK(world_up(&w))) {
        of_root(&w, "work.disk", &inside);
        CHECK_INT(stat(d->path, &outside), 0);
        CHECK(S_ISBLK(inside.st_mode) && inside.st_rdev == outside.st_rdev);
        CHECK(!same(&inside, d->path));
        CHECK_INT(inside.st_uid, 0);
        CHECK(inside.st_gid - JAILED_FIRST_UID < FIRECRACKER_JAIL_UIDS);
        CHECK_INT(inside.st_mode & 0777, 0660);
        CHECK(outside.st_gid != inside.st_gid);
    }
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    check_no_remains(&w);
    CHECK_INT(stat(d->path, &outside), 0);
    snprintf(world_disk(&w, VMM_DISK_WORK)->path, PATH_BYTES, "%s", w.config.vmlinux_path);
    world_reopen(&w);
    refused(&w, "is no device");
    world_done(&w);
}

/* Where the place of its id is taken the next one is free. */
static void test_no_two_have_one_user(void)
{
    struct world w;
    char other[PATH_BYTES], fifo[PATH_BYTES + 16];
    world_init(&w, driver, "stay");
    snprintf(other, sizeof(other), "%s/vms/aaaaaaaaaaaaaaaa", w.dir);
    snprintf(fifo, sizeof(fifo), "%s/console.fifo", other);
    if (CHECK(world_up(&w))) {
        uid_t first = look_at_jail(&w);
        CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
        CHECK_INT(mkdir(other, 0700), 0);
        CHECK_INT(mkfifo(fifo, 0600), 0);
        CHECK_INT(chown(fifo, first, first), 0);
        if (CHECK(world_up(&w)))
            CHECK(look_at_jail(&w) != first);
    }
    world_done(&w);
}

/* A daemon without the key takes up what one with it has started. */
static void test_found_without_the_key(void)
{
    struct world w;
    struct vm_handles h;
    world_init(&w, driver, "stay");
    if (CHECK(world_up(&w))) {
        w.host.firecracker_jailed = false;
        world_reopen(&w);
        CHECK_INT(world_adopt(&w, NULL), ERR_NONE);
        CHECK_INT(world_do(&w, W_PAUSE), ERR_NONE);
        CHECK_INT(world_do(&w, W_RESUME), ERR_NONE);
        vmm_get_handles(w.m, &h);
        CHECK_INT(kill(h.pid, SIGKILL), 0);
        world_wait_exit(&w);
        check_no_remains(&w);
        CHECK_INT(world_do(&w, W_START), ERR_NONE);
    }
    world_done(&w);
}

static void test_what_cannot_be_jailed(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    CHECK_INT(chmod(w.config.initramfs_path, 0600), 0);
    refused(&w, "cannot be read by others");
    CHECK_INT(chmod(w.config.initramfs_path, 0644), 0);
    CHECK_INT(seteuid(65534), 0);
    struct err err = ERR_INIT;
    char path[PATH_BYTES];
    CHECK_INT(firecracker_jail_find(&w.host, path, &err), -1);
    CHECK_STR(err.reason, "JAILER_NEEDS_ROOT");
    CHECK_INT(seteuid(0), 0);
    err_clear(&err);
    w.host.jailer_path = "no-such-jailer";
    CHECK_INT(firecracker_jail_find(&w.host, path, &err), -1);
    CHECK_STR(err.reason, "JAILER_NOT_FOUND");
    world_done(&w);
}

void conformance_jail(void)
{
    RUN(test_what_is_in_a_jail);
    RUN(test_a_device_in_a_jail);
    RUN(test_no_two_have_one_user);
    RUN(test_found_without_the_key);
    RUN(test_what_cannot_be_jailed);
}
