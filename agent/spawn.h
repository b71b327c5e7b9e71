/* Starts one process: its own session, pipes or a terminal, user, folder, and exec. What goes wrong
 * between fork and exec comes back through a pipe that exec closes. */
#ifndef BANGER_AGENT_SPAWN_H
#define BANGER_AGENT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct user;

struct spawn_plan {
    char *const *argv, *const *envp;
    const char *path; /* PATH to look argv[0] up in */
    const char *cwd;
    bool cwd_optional;       /* "/" where cwd cannot be entered */
    const struct user *user; /* to become; NULL: stay who we are */
    mode_t umask;
    int fds[3];    /* become 0, 1 and 2 */
    bool tty;      /* fds are a terminal, which becomes the controlling one */
    int cgroup_fd; /* to start in; -1: none */
};

enum spawn_stage { SPAWN_EXEC = 1, SPAWN_USER, SPAWN_CWD, SPAWN_FDS };

/* What the child reports; nothing at all means that exec has succeeded. */
struct spawn_report {
    int stage; /* enum spawn_stage */
    int sys;   /* errno */
};

/* The child's pid, and the reading end of the report pipe (non-blocking, owned by the caller).
 * -1 with errno. */
pid_t spawn_start(const struct spawn_plan *plan, int *report_fd);
/* 1: *report is set, the child is ending. 0: exec has succeeded. -1: not known yet. */
int spawn_read_report(int report_fd, struct spawn_report *report);

/* For a process that starts others and must outlive their excesses: as many files as allowed and,
 * in a guest, out of the OOM killer's sight. Children do not inherit either, and in a guest get the
 * limits that processes in a container have. */
void spawn_protect_self(bool in_guest);

/* True where name is an executable file, in PATH or with a slash as it is. */
bool spawn_can_find(const char *name, const char *path);

#endif
