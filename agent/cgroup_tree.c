/* Walks over cgroups; see cgroup_tree.h. How deep and how many is the guest's to choose: depth is
 * bounded here, and what one walk does not reach the next one does, as leaves are gone by then. */
#include "agent/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { MAX_DEPTH = 64 };

static DIR *open_dir(int dir_fd, const char *name)
{
    auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir)
        take_fd(&fd);
    return dir;
}

static bool is_child(const struct dirent *e)
{
    return e->d_type == DT_DIR && e->d_name[0] != '.';
}

static void signal_members(int dir_fd, int signo)
{
    int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    auto_file FILE *procs = fd < 0 ? NULL : fdopen(fd, "r");
    if (!procs) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (long pid; fscanf(procs, "%ld", &pid) == 1;)
        if (pid > 1)
            kill((pid_t)pid, signo);
}

static bool signal_below(int dir_fd, const char *name, int signo, int depth)
{
    auto_dir DIR *dir = open_dir(dir_fd, name);
    if (!dir)
        return false;
    signal_members(dirfd(dir), signo);
    for (struct dirent *e; depth > 0 && (e = readdir(dir));)
        if (is_child(e))
            signal_below(dirfd(dir), e->d_name, signo, depth - 1);
    return true;
}

bool cgroup_tree_signal(int dir_fd, const char *name, int signo)
{
    return signal_below(dir_fd, name, signo, MAX_DEPTH);
}

static bool remove_below(int dir_fd, const char *name, int depth)
{
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    auto_dir DIR *dir = depth > 0 ? open_dir(dir_fd, name) : NULL;
    if (!dir)
        return false;
    for (struct dirent *e; (e = readdir(dir));)
        if (is_child(e))
            remove_below(dirfd(dir), e->d_name, depth - 1);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool cgroup_tree_remove(int dir_fd, const char *name)
{
    return remove_below(dir_fd, name, MAX_DEPTH);
}
