/* All below a process, by the kernel's lists of children; see process.h.
 *
 * The signal is one that ends or stops them. A round reads the lists of those that have had it, the
 * last one found first: what a process leaves behind as it ends goes to an ancestor of it, which
 * was found earlier and so is read later. So a round that finds no new one has missed none. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/process.h"

enum { TREE_MAX = 4096, TREE_ROUNDS = 8 };

struct process_tree {
    size_t n;
    pid_t pids[TREE_MAX]; /* root first, then descendants in order of finding */
};

static bool process_tree_has(const struct process_tree *t, pid_t pid)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->pids[i] == pid)
            return true;
    return false;
}

/* Those of one thread; one that has ended has none. */
static int process_tree_read(struct process_tree *t, pid_t pid, const char *thread, struct err *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, thread);
    auto_file FILE *f = fopen(path, "re");
    int child;
    if (!f)
        return errno == ENOENT || errno == ESRCH ? 0 : err_sys(err, errno, "cannot read %s", path);
    while (t->n < TREE_MAX && fscanf(f, "%d", &child) == 1)
        if (!process_tree_has(t, child))
            t->pids[t->n++] = child;
    return 0;
}

static int process_tree_look(struct process_tree *t, pid_t pid, struct err *err)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    auto_dir DIR *threads = opendir(path);
    if (!threads)
        return errno == ENOENT || errno == ESRCH ? 0 : err_sys(err, errno, "cannot list %s", path);
    for (const struct dirent *e; (e = readdir(threads));)
        if (e->d_name[0] != '.' && process_tree_read(t, pid, e->d_name, err) < 0)
            return -1;
    return 0;
}

int process_signal_descendants(pid_t root, int signo, struct err *err)
{
    if (access("/proc/thread-self/children", F_OK) < 0)
        return err_sys(err, errno, "this kernel keeps no lists of children (PROC_CHILDREN)");
    auto_free struct process_tree *t = malloc(sizeof(*t));
    if (!t)
        return err_sys(err, ENOMEM, "cannot signal the processes below %d", (int)root);
    t->n = 1;
    t->pids[0] = root;
    for (int round = 0; round < TREE_ROUNDS; round++) {
        size_t known = t->n;
        for (size_t i = known; i-- > 0;)
            if (process_tree_look(t, t->pids[i], err) < 0)
                return -1;
        if (t->n == known)
            break;
        for (size_t i = known; i < t->n; i++)
            kill(t->pids[i], signo);
    }
    return 0;
}
