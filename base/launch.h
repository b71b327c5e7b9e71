/* Starts a program as posix_spawn does, and gives it the limit of open files that this process had
 * before open_files_raise: before its first instruction, which posix_spawn has no way to. */
#ifndef BANGER_BASE_LAUNCH_H
#define BANGER_BASE_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LAUNCH_FDS_MAX = 16 };

struct launch {
    const char *file; /* a path, or a name to be looked up in PATH; NULL: argv[0] */
    const char *const *argv;
    char *const *env;
    const char *cwd; /* NULL: ours */
    const int *fds;  /* become 0, 1, …; numbered n_fds or above. All others are closed */
    size_t n_fds;
    bool session; /* in a session of its own; else in a process group of its own */
    /* Called here while the child waits, before anything of its program: 0 lets it go, an errno is
     * launch's result, and the child is gone. One whose parent ends meanwhile ends with it. The
     * thread that is its parent ends with launch (PR_SET_PDEATHSIG goes by that). NULL: nobody
     * waits. */
    int (*hold)(void *arg, pid_t pid);
    void *hold_arg;
};

/* Every signal is at its default and unblocked. 0 with the pid, or the errno of the step that
 * failed. Any thread. */
int launch(const struct launch *l, pid_t *pid);

#endif
