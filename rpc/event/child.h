/* Child processes as events: start without a shell, bounded capture of output, deadline, exit once.
 *
 * A detached child (a VMM) gets its own session and outlives the daemon; it is still reaped while
 * the daemon lives. Every fd not named here is closed in the child, whose limit of open files is
 * the one that we were started with. */
#ifndef BANGER_RPC_EVENT_CHILD_H
#define BANGER_RPC_EVENT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct err;
struct loop;

struct child_exit {
    int code;        /* exit code, or -1 */
    int signo;       /* signal that ended it, or 0 */
    bool timed_out;  /* killed because deadline_ms passed */
    const char *out; /* captured stdout+stderr, NUL-terminated; "" without capture */
    size_t out_len;
    bool truncated; /* there was more than max_capture_bytes; the tail is kept */
};

struct child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH */
    const char *const *env;  /* NULL-terminated; NULL: the daemon's */
    const char *cwd;         /* NULL: the daemon's */
    int stdin_fd, log_fd;    /* borrowed; -1: /dev/null. log_fd takes stdout+stderr; capture wins */
    const int *keep_fds;     /* inherited under the same numbers 3, 4, … in this order */
    size_t n_keep_fds;
    size_t max_capture_bytes;          /* 0: no capture */
    int64_t deadline_ms;               /* SIGKILL to its process group after this; 0: none */
    bool detached;                     /* setsid, no deadline, survives us */
    int (*hold)(void *arg, pid_t pid); /* see base/launch.h; with arg. NULL: none */
    void (*output)(void *arg, const char *text, size_t len);  /* each piece as it comes, or NULL */
    void (*exited)(void *arg, const struct child_exit *exit); /* exactly once; the child is gone */
    void *arg;
};

/* Starts a detached child that the caller watches by its pidfd (the caller's). Any thread. */
int child_start_unwatched(const struct child_spec *spec, pid_t *pid, int *pidfd, struct err *err);
/* NULL with err when the program cannot be started (exec's errno is reported). */
struct child *child_start(struct loop *loop, const struct child_spec *spec, struct err *err);
pid_t child_pid(const struct child *c);
/* A pidfd, borrowed. */
int child_pidfd(const struct child *c);
/* To its process group. */
void child_kill(struct child *c, int signo);
/* Forget the child without ending it, at our own end: exited() will not be called, nobody reaps it
 * while we live. Allowed inside output() and exited(). */
void child_abandon(struct child *c);

#endif
