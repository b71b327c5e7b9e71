/* Starts one process: its own session, pipes or a terminal, user, folder, and exec. What goes wrong
 * between fork and exec is in memory that it shares with us, and known when the pipe that exec
 * closes has ended: also to another agent than the one that started it. */
#ifndef BANGER_AGENT_SPAWN_H
#define BANGER_AGENT_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct limits;
struct user;

struct spawn_plan {
    char *const *argv, *const *envp;
    const char *path; /* PATH to look argv[0] up in */
    const char *cwd;
    bool cwd_optional;       /* "/" where cwd cannot be entered */
    const struct user *user; /* to become; NULL: stay who we are */
    mode_t umask;
    const struct limits *limits;
    int fds[3];    /* become 0, 1 and 2 */
    bool tty;      /* fds are a terminal, which becomes the controlling one */
    int cgroup_fd; /* to start in; -1: none */
    bool tool;     /* argv is a tool's, see tool.h: the agent's own program runs it */
    int report_fd; /* writing end of the report pipe */
    /* In shared memory: set, stage last, where the child ends without exec. */
    uint32_t *stage; /* enum spawn_stage */
    int32_t *sys;    /* errno */
    int32_t *what;   /* SPAWN_LIMITS: see limits_name */
    /* The child's first step; it ends at once where this is false. */
    bool (*claim)(void *arg, pid_t pid);
    void *claim_arg;
    bool as_sibling; /* it is our parent's child, which waits for it, and ends with that */
};

enum { SPAWN_TOOL_ARGS = 32 }; /* of a tool, its name included */

enum spawn_stage { SPAWN_EXEC = 1, SPAWN_USER, SPAWN_CWD, SPAWN_FDS, SPAWN_LIMITS };

/* The two ends of a report pipe, reading (non-blocking) and writing. 0, or -1 with errno. */
int spawn_open_report(int ends[2]);
/* The child's pid; -1 with errno. */
pid_t spawn_start(const struct spawn_plan *plan);
/* 0: exec has succeeded, or *stage says why not. -1: not known yet. */
int spawn_read_report(int report_fd);

/* For a process that starts others, some of them tools, and must outlive their excesses: as many
 * files as allowed and, in a guest, out of the OOM killer's sight. Children do not inherit either,
 * and in a guest get the limits that processes in a container have. */
void spawn_protect_self(bool in_guest);
/* Before exec of a program that is to find the limit of open files as it was. */
void spawn_restore_files(void);

/* True where name is an executable file, in PATH or with a slash as it is. */
bool spawn_can_find(const char *name, const char *path);

#endif
