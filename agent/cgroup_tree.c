/* Walks over cgroups; see cgroup_tree.h. How deep and how many is the guest's to choose: one is
 * open at a time, its parent is found again by "..", and a turn looks at so many only. What one
 * turn does not reach the next one does, as leaves are gone by then. */
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

enum {
    REMOVES_PER_TURN = 1000, /* tens of milliseconds */
    SIGNALS_PER_TURN = 10000,
};

/* The cgroup that is looked at, and where those above it go on: in front of the one that leads
 * here.
 */
struct walk {
    DIR *dir;
    long *above; /* owned */
    size_t depth, room;
};

static DIR *open_dir(int dir_fd, const char *name)
{
    auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir)
        take_fd(&fd);
    return dir;
}

static bool walk_open(struct walk *w, int dir_fd, const char *name)
{
    *w = (struct walk){.dir = open_dir(dir_fd, name)};
    return w->dir;
}

static void walk_close(struct walk *w)
{
    if (w->dir)
        closedir(w->dir);
    free(w->above);
}

static void walk_go(struct walk *w, DIR *dir)
{
    closedir(w->dir);
    w->dir = dir;
}

/* Into the one of that name, which was read at that place. */
static bool walk_down(struct walk *w, const char *name, long at)
{
    if (w->depth == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        long *more = realloc(w->above, room * sizeof(*more));
        if (!more)
            return false;
        w->above = more;
        w->room = room;
    }
    DIR *dir = open_dir(dirfd(w->dir), name);
    if (!dir)
        return false;
    w->above[w->depth++] = at;
    walk_go(w, dir);
    return true;
}

/* The next to be read is the one that we come from. False at the top, or where there is no way. */
static bool walk_up(struct walk *w)
{
    DIR *dir = w->depth > 0 ? open_dir(dirfd(w->dir), "..") : NULL;
    if (!dir)
        return false;
    walk_go(w, dir);
    seekdir(dir, w->above[--w->depth]);
    return true;
}

/* The next below, and where that is; NULL behind the last. */
static const char *walk_next(struct walk *w, long *at)
{
    for (;;) {
        *at = telldir(w->dir);
        const struct dirent *e = readdir(w->dir);
        if (!e)
            return NULL;
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            return e->d_name;
    }
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

bool cgroup_tree_signal(int dir_fd, const char *name, int signo)
{
    struct walk w;
    if (!walk_open(&w, dir_fd, name))
        return false;
    signal_members(dirfd(w.dir), signo);
    for (int left = SIGNALS_PER_TURN; left > 0;) {
        long at;
        const char *next = walk_next(&w, &at);
        if (next && walk_down(&w, next, at)) {
            signal_members(dirfd(w.dir), signo);
            left--;
        } else if (!next && walk_up(&w)) {
            walk_next(&w, &at); /* where we come from */
        } else if (!next) {
            break;
        }
    }
    walk_close(&w);
    return true;
}

static bool remove_one(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool cgroup_tree_remove(int dir_fd, const char *name)
{
    struct walk w;
    if (remove_one(dir_fd, name))
        return true;
    if (!walk_open(&w, dir_fd, name))
        return false;
    bool back = false; /* the next has been walked already */
    for (int left = REMOVES_PER_TURN; left > 0;) {
        long at;
        const char *next = walk_next(&w, &at);
        if (!next) {
            if (!walk_up(&w))
                break;
            back = true;
            continue;
        }
        if (remove_one(dirfd(w.dir), next) || back || !walk_down(&w, next, at))
            left--; /* the way down costs nothing, or what is deep would never be reached */
        back = false;
    }
    walk_close(&w);
    return remove_one(dir_fd, name);
}
