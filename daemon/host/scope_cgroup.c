/* Scopes by hand, where no systemd has the tree: a cgroup per VM, BASE/banger/TAG-ID, in cgroup v2.
 *
 * For root BASE is the root of the tree, as far as we see it; for others the group that the daemon
 * was started in, if that was handed to its user. Limits need their controllers in the groups
 * below: those of cgroup v1 are not, nor those that are not passed on to us. The folder banger is
 * everybody's and stays. https://docs.kernel.org/admin-guide/cgroup-v2.html */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "daemon/host/scope_internal.h"

enum { CPU_PERIOD_US = 100000 };

static char cgroup_base[VM_PATH_BYTES]; /* …/banger; set by probe */

static int cgroup_write(const char *folder, const char *file, const char *text, struct err *err)
{
    char path[VM_PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
        return 0;
    return err_sys(err, errno, "cannot write \"%s\" to %s", text, path);
}

/* Choosing */

/* The daemon's own group in cgroup v2: the line "0::/…". */
static int cgroup_find_own(char path[VM_PATH_BYTES], struct err *err)
{
    char line[4096];
    auto_file FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        if (snprintf(path, VM_PATH_BYTES, "%s", line + 3) < VM_PATH_BYTES)
            return 0;
        break;
    }
    return err_set(err, ERR_PRECONDITION, "cannot tell the daemon's own cgroup");
}

static int cgroup_find_base(char base[VM_PATH_BYTES], struct err *err)
{
    char mount[VM_PATH_BYTES], own[VM_PATH_BYTES] = "";
    if (host_scope_find_mount(mount, err) < 0 || (geteuid() != 0 && cgroup_find_own(own, err) < 0))
        return -1;
    if (strcmp(own, "/") == 0)
        own[0] = '\0';
    if (snprintf(base, VM_PATH_BYTES, "%s%s", mount, own) >= VM_PATH_BYTES)
        return err_set(err, ERR_PRECONDITION, "the path of cgroup %.80s… is too long", own);
    if (access(base, W_OK) < 0)
        return err_sys(err, errno, "cgroup %s is not the daemon's to divide", base);
    return 0;
}

/* One that is not there, or not passed on, is told as lacking; a group with processes of its own
 * passes none on (EBUSY), unless it is the root. */
static void cgroup_pass_on(const char *folder)
{
    for (int i = 0; i < N_SCOPE_LIMITS; i++) {
        char word[16];
        snprintf(word, sizeof(word), "+%s", host_scope_limit_name((enum scope_limit)i));
        cgroup_write(folder, "cgroup.subtree_control", word, NULL);
    }
}

static int cgroup_probe(struct host_scope *host, struct err *err)
{
    char base[VM_PATH_BYTES], path[VM_PATH_BYTES + 32], lacking[64];
    if (access("/run/systemd/system", F_OK) == 0)
        return err_set(err, ERR_PRECONDITION, "systemd has the tree of cgroups to itself");
    if (cgroup_find_base(base, err) < 0)
        return -1;
    if (snprintf(cgroup_base, sizeof(cgroup_base), "%s/banger", base) >= (int)sizeof(cgroup_base))
        return err_set(err, ERR_PRECONDITION, "the path of cgroup %.80s… is too long", base);
    cgroup_pass_on(base);
    if (mkdir(cgroup_base, 0755) < 0 && errno != EEXIST)
        return err_sys(err, errno, "cannot make the cgroup %s", cgroup_base);
    cgroup_pass_on(cgroup_base);
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup_base);
    host->can = host_scope_read_controllers(path);
    host_scope_name_lacking(host->can, lacking);
    if (lacking[0])
        snprintf(host->why_not, sizeof(host->why_not),
                 "cgroup %.120s has no controller %s (cgroup v1 may have it)", cgroup_base,
                 lacking);
    return 0;
}

/* The object */

static int cgroup_derive_name(const char *tag, const char *vm_id, char name[VM_PATH_BYTES],
                              struct err *err)
{
    if (snprintf(name, VM_PATH_BYTES, "%s/%s-%s", cgroup_base, tag, vm_id) < VM_PATH_BYTES)
        return 0;
    return err_set(err, ERR_PRECONDITION, "the path of a cgroup below %.80s is too long",
                   cgroup_base);
}

static int cgroup_set_limit(const char *name, const char *file, const char *value, bool asked,
                            struct err *err)
{
    char path[VM_PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", name, file);
    if (!asked && access(path, F_OK) < 0) /* no controller, no limit */
        return 0;
    return cgroup_write(name, file, value, err);
}

static int cgroup_set_limits(const char *name, const struct vm_limits *l, struct err *err)
{
    char memory[32] = "max", cpu[64], tasks[32] = "max";
    snprintf(cpu, sizeof(cpu), "max %d", CPU_PERIOD_US);
    if (l->memory_max_bytes)
        snprintf(memory, sizeof(memory), "%" PRIu64, l->memory_max_bytes);
    if (l->cpu_quota_percent)
        snprintf(cpu, sizeof(cpu), "%" PRIu64 " %d",
                 (uint64_t)l->cpu_quota_percent * (CPU_PERIOD_US / 100), CPU_PERIOD_US);
    if (l->tasks_max)
        snprintf(tasks, sizeof(tasks), "%" PRIu32, l->tasks_max);
    if (cgroup_set_limit(name, "memory.max", memory, l->memory_max_bytes, err) < 0 ||
        cgroup_set_limit(name, "cpu.max", cpu, l->cpu_quota_percent, err) < 0 ||
        cgroup_set_limit(name, "pids.max", tasks, l->tasks_max, err) < 0)
        return -1;
    return 0;
}

static int cgroup_find(const char *name, struct err *err)
{
    struct stat st;
    if (lstat(name, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", name);
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
        return 0;
    return err_set(err, ERR_PRECONDITION, "%s is no cgroup of ours", name);
}

static int cgroup_make(const char *name, const struct vm_limits *limits, struct err *err)
{
    bool made = mkdir(name, 0755) == 0;
    if (!made && errno != EEXIST)
        return err_sys(err, errno, "cannot make the cgroup %s", name);
    if (cgroup_find(name, err) < 0)
        return -1;
    if (cgroup_set_limits(name, limits, err) == 0)
        return 0;
    if (made)
        rmdir(name);
    return -1;
}

/* Who ends is not listed any more, and there until its memory is gone. The kernel says when the
 * group is as it has to be, and that it has changed (cgroup.events). */
static bool cgroup_wait_unpopulated(const char *name)
{
    char path[VM_PATH_BYTES + 32], text[128];
    int64_t deadline_ms = clock_mono_ms() + SCOPE_EMPTY_MS;
    snprintf(path, sizeof(path), "%s/cgroup.events", name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct pollfd p = {.fd = fd, .events = POLLPRI};
    for (;;) {
        ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
        int64_t left_ms = deadline_ms - clock_mono_ms();
        text[n > 0 ? n : 0] = '\0';
        if (n <= 0 || strstr(text, "populated 0"))
            return n > 0;
        if (left_ms <= 0 || poll(&p, 1, (int)left_ms) == 0)
            return false;
    }
}

static int cgroup_remove(const char *name, struct err *err)
{
    if (rmdir(name) == 0 || errno == ENOENT)
        return 0;
    int sys = errno;
    if (sys == EBUSY && cgroup_wait_unpopulated(name) && (rmdir(name) == 0 || errno == ENOENT))
        return 0;
    return err_sys(err, sys, "cannot remove the cgroup %s", name);
}

/* Whatever ended is not listed, if it was waited for or not. */
static int cgroup_first_process(const char *name, pid_t *pid, struct err *err)
{
    char path[VM_PATH_BYTES + 32], text[32];
    snprintf(path, sizeof(path), "%s/cgroup.procs", name);
    *pid = 0;
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n < 0 && errno == ENODEV) /* removed meanwhile */
        return 0;
    if (n < 0)
        return err_sys(err, errno, "cannot read %s", path);
    text[n] = '\0';
    *pid = (pid_t)strtol(text, NULL, 10);
    return 0;
}

static int cgroup_list(const char *tag,
                       void (*found)(void *arg, const char *name, const char *vm_id), void *arg,
                       struct err *err)
{
    size_t len = strlen(tag);
    auto_dir DIR *dir = opendir(cgroup_base);
    if (!dir)
        return errno == ENOENT ? 0 : err_sys(err, errno, "cannot list %s", cgroup_base);
    for (const struct dirent *e; (e = readdir(dir));) {
        char name[VM_PATH_BYTES];
        const char *vm_id = e->d_name + len + 1;
        if (strncmp(e->d_name, tag, len) != 0 || e->d_name[len] != '-' || !id_is_valid(vm_id) ||
            cgroup_derive_name(tag, vm_id, name, NULL) < 0 || cgroup_find(name, NULL) < 0)
            continue;
        found(arg, name, vm_id);
    }
    return 0;
}

static int cgroup_enter(const char *name, pid_t pid, struct err *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%d", (int)pid);
    return cgroup_write(name, "cgroup.procs", text, err);
}

const struct scope_backend scope_cgroup = {
    .name = "cgroup",
    .probe = cgroup_probe,
    .derive_name = cgroup_derive_name,
    .make = cgroup_make,
    .find = cgroup_find,
    .remove = cgroup_remove,
    .first_process = cgroup_first_process,
    .list = cgroup_list,
    .enter = cgroup_enter,
};
