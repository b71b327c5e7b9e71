/* Cgroups of sessions; see cgroup.h. */
#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cgroup_tree.h"
#include "base/cleanup.h"

enum { PATH_BYTES = 320, PROCS_BYTES = 64 * 1024 };

static bool write_file(int dir_fd, const char *path, const char *text)
{
    auto_fd int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static ssize_t read_file(int dir_fd, const char *path, char *out, size_t size)
{
    auto_fd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    out[n < 0 ? 0 : n] = '\0';
    return n;
}

void cgroups_init(struct cgroups *c, const char *path)
{
    c->dir_fd = -1;
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return;
    c->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir_fd < 0)
        return;
    /* the attributes exist only in a real cgroup2 */
    if (faccessat(c->dir_fd, "cgroup.procs", F_OK, 0) < 0) {
        cgroups_done(c);
        return;
    }
    static const char *const controllers[] = {"+cpu", "+memory", "+pids"};
    for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++) {
        write_file(c->dir_fd, "../cgroup.subtree_control", controllers[i]);
        write_file(c->dir_fd, "cgroup.subtree_control", controllers[i]);
    }
}

void cgroups_done(struct cgroups *c)
{
    if (c->dir_fd >= 0)
        close(c->dir_fd);
    c->dir_fd = -1;
}

int cgroup_make(const struct cgroups *c, const char *id)
{
    if (c->dir_fd < 0 || (mkdirat(c->dir_fd, id, 0755) < 0 && errno != EEXIST))
        return -1;
    return openat(c->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool cgroup_signal(const struct cgroups *c, const char *id, int signo)
{
    if (c->dir_fd < 0)
        return false;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/cgroup.kill", id);
    if (signo == SIGKILL && write_file(c->dir_fd, path, "1"))
        return true;
    return cgroup_tree_signal(c->dir_fd, id, signo);
}

bool cgroup_saw_oom(const struct cgroups *c, const char *id)
{
    if (c->dir_fd < 0)
        return false;
    char path[PATH_BYTES], text[512];
    snprintf(path, sizeof(path), "%s/memory.events", id);
    if (read_file(c->dir_fd, path, text, sizeof(text)) <= 0)
        return false;
    const char *line = strstr(text, "oom_kill ");
    return line && strtol(line + strlen("oom_kill "), NULL, 10) > 0;
}

uint32_t cgroup_count(const struct cgroups *c, const char *id)
{
    char path[PATH_BYTES], events[512];
    auto_free char *text = malloc(PROCS_BYTES);
    uint32_t n = 0;
    snprintf(path, sizeof(path), "%s/cgroup.procs", id);
    if (text && read_file(c->dir_fd, path, text, PROCS_BYTES) > 0)
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            n++;
    snprintf(path, sizeof(path), "%s/cgroup.events", id);
    if (n == 0 && read_file(c->dir_fd, path, events, sizeof(events)) > 0)
        n = strstr(events, "populated 1") != NULL;
    return n;
}

bool cgroup_remove(const struct cgroups *c, const char *id)
{
    return c->dir_fd < 0 || cgroup_tree_remove(c->dir_fd, id);
}

bool cgroup_remove_empty(const struct cgroups *c, const char *id)
{
    char path[PATH_BYTES], text[256];
    if (c->dir_fd < 0)
        return false;
    if (unlinkat(c->dir_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    snprintf(path, sizeof(path), "%s/cgroup.events", id);
    return read_file(c->dir_fd, path, text, sizeof(text)) > 0 && strstr(text, "populated 0") &&
           cgroup_tree_remove(c->dir_fd, id);
}

bool cgroups_purge(const struct cgroups *c, bool (*keep)(void *arg, const char *id), void *arg)
{
    if (c->dir_fd < 0)
        return true;
    int fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    bool clean = true;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || keep(arg, e->d_name))
            continue;
        if (cgroup_remove(c, e->d_name))
            continue;
        cgroup_signal(c, e->d_name, SIGKILL);
        clean = cgroup_remove(c, e->d_name) && clean;
    }
    return clean;
}
