/* Firecracker in a jail; see firecracker_jail.h. */
#include "daemon/vmm/firecracker_jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/host/object_priv.h"
#include "daemon/vmm/firecracker_parts.h"
#include "daemon/vmm/probe.h"

enum { UIDS_TRIED = 64 };

static const char kernel[] = "/kernel", initramfs[] = "/initramfs";

/* "VM/jail" and what is behind it; false: too long. */
static bool in_jail(const char *vm_dir, const char *rest, char path[PATH_BYTES])
{
    return snprintf(path, PATH_BYTES, "%s/jail%s", vm_dir, rest) < PATH_BYTES;
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') : path;
}

void firecracker_jail_inside(const struct vmm_config *c, struct vmm_config *inside)
{
    *inside = *c;
    inside->vm_dir[0] = '\0'; /* what is in it is in / */
    snprintf(inside->api_sock_path, sizeof(inside->api_sock_path), "%s", name_of(c->api_sock_path));
    snprintf(inside->channel.path, sizeof(inside->channel.path), "%s", name_of(c->channel.path));
    snprintf(inside->vmlinux_path, sizeof(inside->vmlinux_path), "%s", kernel);
    snprintf(inside->initramfs_path, sizeof(inside->initramfs_path), "%s", initramfs);
    for (size_t i = 0; i < c->n_disks; i++)
        snprintf(inside->disks[i].path, sizeof(inside->disks[i].path), "/%s.disk",
                 vmm_disk_role_name(c->disks[i].role));
}

int firecracker_jail_find(const struct vmm_host *host, char path[PATH_BYTES], struct err *err)
{
    if (geteuid() != 0) {
        err_set(err, ERR_PRECONDITION, "firecracker's jailer needs root (firecracker_jailer)");
        return err_tag(err, "JAILER_NEEDS_ROOT", NULL);
    }
    return probe_find_program(host->jailer_path, "jailer",
                              "it is in Firecracker's releases, beside it", "JAILER_NOT_FOUND",
                              path, err);
}

/* A user id for each VM */

static bool has_uid(const char *vms, const char *vm_id, uid_t uid)
{
    struct vmm_config other = {.vm_id = ""};
    char path[PATH_BYTES];
    struct stat st;
    if ((size_t)snprintf(other.vm_dir, sizeof(other.vm_dir), "%s/%s", vms, vm_id) >=
        sizeof(other.vm_dir))
        return false;
    firecracker_console_path(&other, path);
    return lstat(path, &st) == 0 && st.st_uid == uid;
}

/* Whether another VM of this state folder has it. The owner of the console's FIFO tells, which is
 * there from before the process until after it. */
static int is_taken(const struct vmm_config *c, uid_t uid, bool *taken, struct err *err)
{
    char vms[PATH_BYTES];
    snprintf(vms, sizeof(vms), "%s", c->vm_dir);
    dirname(vms);
    DIR *dir = opendir(vms);
    if (!dir)
        return err_sys(err, errno, "cannot read %s", vms);
    *taken = false;
    for (struct dirent *e; !*taken && (e = readdir(dir));)
        *taken = id_is_valid(e->d_name) && strcmp(e->d_name, c->vm_id) != 0 &&
                 has_uid(vms, e->d_name, uid);
    closedir(dir);
    return 0;
}

/* Takes it before looking whether it is free: of two that want the same neither has it. */
static int take_uid(const struct vmm_config *c, uint32_t first, uid_t *uid, struct err *err)
{
    char fifo[PATH_BYTES];
    uint64_t place = hash_text(HASH_START, c->vm_id);
    firecracker_console_path(c, fifo);
    for (int i = 0; i < UIDS_TRIED; i++) {
        bool taken = true;
        *uid = first + (uid_t)((place + (uint64_t)i) % FIRECRACKER_JAIL_UIDS);
        if (lchown(fifo, *uid, *uid) < 0)
            return err_sys(err, errno, "cannot give %s away", fifo);
        if (is_taken(c, *uid, &taken, err) < 0)
            return -1;
        if (!taken)
            return 0;
    }
    return err_set(err, ERR_LIMIT, "no user id is free for firecracker's jail");
}

/* Folders and links */

static int make_root(const struct vmm_config *c, const char *name, struct err *err)
{
    char root[PATH_BYTES], link[PATH_BYTES], target[PATH_BYTES];
    if (snprintf(target, sizeof(target), "%s/" FIRECRACKER_ID_PREFIX "%s/root", name, c->vm_id) >=
            PATH_BYTES ||
        snprintf(root, sizeof(root), "%s/jail/%s", c->vm_dir, target) >= PATH_BYTES ||
        !in_jail(c->vm_dir, "/root", link))
        return err_set(err, ERR_LIMIT, "the path of firecracker's jail is too long");
    if (fs_make_dirs(root, 0700, err) < 0)
        return -1;
    return symlink(target, link) == 0 ? 0 : err_sys(err, errno, "cannot make %s", link);
}

static int path_inside(const struct vmm_config *c, const char *inside, char to[PATH_BYTES],
                       struct err *err)
{
    char root[PATH_BYTES];
    if (in_jail(c->vm_dir, "/root", root) &&
        snprintf(to, PATH_BYTES, "%s%s", root, inside) < PATH_BYTES)
        return 0;
    return err_set(err, ERR_LIMIT, "the path of firecracker's jail is too long");
}

static int link_in(const struct vmm_config *c, const char *what, const char *from,
                   const char *inside, struct err *err)
{
    char to[PATH_BYTES];
    if (path_inside(c, inside, to, err) < 0)
        return -1;
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno == EXDEV)
        return err_set(err, ERR_PRECONDITION,
                       "the %s %s is on another file system than the VM's folder, and cannot be "
                       "linked into firecracker's jail",
                       what, from);
    return err_sys(err, errno, "cannot link the %s %s into firecracker's jail", what, from);
}

/* What VMs share is not given to any of them. */
static int link_shared(const struct vmm_config *c, const char *what, const char *from,
                       const char *inside, struct err *err)
{
    struct stat st;
    if (stat(from, &st) < 0)
        return err_sys(err, errno, "cannot read the %s %s", what, from);
    if (!(st.st_mode & S_IROTH))
        return err_set(err, ERR_PRECONDITION,
                       "the %s %s cannot be read by others, which firecracker in its jail is one "
                       "of: chmod o+r",
                       what, from);
    return link_in(c, what, from, inside, err);
}

/* It stays the daemon's: the jailed has it by its group. */
static int link_file(const struct vmm_config *c, const struct vmm_disk *d, const char *what,
                     const char *inside, gid_t gid, struct err *err)
{
    auto_fd int fd = fs_open_own(d->path, O_RDONLY, 0, err);
    if (fd < 0)
        return -1;
    if (fchown(fd, (uid_t)-1, gid) < 0 || fchmod(fd, d->read_only ? 0640 : 0660) < 0)
        return err_sys(err, errno, "cannot let firecracker's jail have the %s %s", what, d->path);
    return link_in(c, what, d->path, inside, err);
}

/* A node is on a file system of the host's own, so the jail gets another one of the same device, as
 * it does of /dev/kvm. It goes with the jail. */
static int make_node(const struct vmm_config *c, const struct vmm_disk *d, const char *what,
                     const char *inside, gid_t gid, struct err *err)
{
    struct stat st;
    char to[PATH_BYTES];
    if (path_inside(c, inside, to, err) < 0)
        return -1;
    if (lstat(d->path, &st) < 0)
        return err_sys(err, errno, "cannot look at the %s %s", what, d->path);
    if (!S_ISBLK(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "the %s %s is no device", what, d->path);
    if (mknod(to, S_IFBLK, st.st_rdev) == 0 && lchown(to, 0, gid) == 0 &&
        chmod(to, d->read_only ? 0640 : 0660) == 0)
        return 0;
    return err_sys(err, errno, "cannot let firecracker's jail have the %s %s", what, d->path);
}

static int give_disk(const struct vmm_config *c, const struct vmm_disk *d, const char *inside,
                     gid_t gid, struct err *err)
{
    char what[32];
    snprintf(what, sizeof(what), "%s disk", vmm_disk_role_name(d->role));
    return d->is_device ? make_node(c, d, what, inside, gid, err)
                        : link_file(c, d, what, inside, gid, err);
}

static int link_all(const struct vmm_config *c, const struct vmm_config *inside, gid_t gid,
                    struct err *err)
{
    char fifo[PATH_BYTES];
    firecracker_console_path(c, fifo);
    if (link_in(c, "console", fifo, name_of(fifo), err) < 0 ||
        link_shared(c, "kernel", c->vmlinux_path, inside->vmlinux_path, err) < 0 ||
        link_shared(c, "initramfs", c->initramfs_path, inside->initramfs_path, err) < 0)
        return -1;
    for (size_t i = 0; i < c->n_disks; i++)
        if (give_disk(c, &c->disks[i], inside->disks[i].path, gid, err) < 0)
            return -1;
    return 0;
}

/* A machine without a network gets a namespace of it with nothing in it. One with a tap opens that
 * by its name, which has to be in the same namespace, so in the host's. The jailer's own option
 * (--netns) wants a namespace that has a path, so one that has to be taken away again. */
static int leave_network(struct monitor_argv *a, const struct vmm_config *c, struct err *err)
{
    char unshare[PATH_BYTES];
    if (c->n_nics > 0)
        return 0;
    if (probe_find_program(NULL, "unshare", "apt install util-linux", "JAILER_NOT_FOUND", unshare,
                           err) < 0)
        return -1;
    monitor_argv_add(a, "%s", unshare);
    monitor_argv_add(a, "--net");
    monitor_argv_add(a, "--");
    return 0;
}

/* cgroups of version 2 without a value: no group is made, and nothing has to be removed. Not
 * daemonized and without a namespace of pids, so that the process is the one that is started. */
static void build_args(struct monitor_argv *a, const struct vmm_config *c,
                       const struct vmm_config *inside, const char *jailer, const char *program,
                       uid_t uid)
{
    monitor_argv_add(a, "%s", jailer);
    monitor_argv_add(a, "--id");
    monitor_argv_add(a, FIRECRACKER_ID_PREFIX "%s", c->vm_id);
    monitor_argv_add(a, "--exec-file");
    monitor_argv_add(a, "%s", program);
    monitor_argv_add(a, "--uid");
    monitor_argv_add(a, "%u", (unsigned)uid);
    monitor_argv_add(a, "--gid");
    monitor_argv_add(a, "%u", (unsigned)uid);
    monitor_argv_add(a, "--chroot-base-dir");
    monitor_argv_add(a, "%s/jail", c->vm_dir);
    monitor_argv_add(a, "--cgroup-version");
    monitor_argv_add(a, "2");
    monitor_argv_add(a, "--");
    firecracker_args_options(a, inside);
}

static int make_all(struct monitor_launch *l, const char *program, struct err *err)
{
    const struct vmm_config *c = l->config;
    struct vmm_config inside;
    char jailer[PATH_BYTES];
    uid_t uid;
    auto_free char *real = realpath(program, NULL); /* by whose name the jailer names the folder */
    if (!real)
        return err_sys(err, errno, "cannot find %s", program);
    firecracker_jail_inside(c, &inside);
    if (firecracker_jail_find(l->host, jailer, err) < 0 ||
        take_uid(c, l->host->firecracker_first_uid, &uid, err) < 0 ||
        make_root(c, name_of(real) + 1, err) < 0 || link_all(c, &inside, uid, err) < 0)
        return -1;
    for (size_t i = 0; i < c->n_nics; i++)
        if (c->nics[i].backend == NET_TAP && object_tap_give(c->vm_id, (uint32_t)uid, err) < 0)
            return -1;
    if (leave_network(&l->args, c, err) < 0)
        return -1;
    build_args(&l->args, c, &inside, jailer, real, uid);
    return 0;
}

int firecracker_jail_make(struct monitor_launch *l, const char *program, struct err *err)
{
    int rc = make_all(l, program, err);
    if (rc < 0)
        firecracker_jail_remove(l->config);
    return rc;
}

void firecracker_jail_remove(const struct vmm_config *c)
{
    char path[PATH_BYTES];
    struct err err = ERR_INIT;
    if (in_jail(c->vm_dir, "", path) && fs_remove_tree(path, &err) < 0)
        log_err(LOG_LEVEL_WARN, c->vm_id, &err, "firecracker's jail stays");
}

enum evidence firecracker_jail_evidence(const struct process_info *info, const char *folder)
{
    char root[PATH_BYTES];
    return in_jail(folder, "/root", root) ? evidence_works_in(info, root, false) : EVIDENCE_NONE;
}

void firecracker_jail_show(const struct vmm_config *c, const char *path)
{
    char root[PATH_BYTES], inside[PATH_BYTES];
    struct stat st;
    if (in_jail(c->vm_dir, "/root", root) &&
        snprintf(inside, sizeof(inside), "%s%s", root, name_of(path)) < PATH_BYTES &&
        lstat(inside, &st) == 0 && link(inside, path) < 0 && errno != EEXIST)
        log_warn(c->vm_id, "cannot link %s out of its jail: %s", inside, strerror(errno));
}
