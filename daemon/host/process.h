/* What /proc and pidfds say about processes that are not (or no longer) our children.
 *
 * A pid alone names nothing: it is reused. A process is recognised by evidence (owner, start time,
 * command line) that was read while a pidfd to it was open and the process still alive afterwards.
 * Everything here may block for a moment on a wedged process, so it belongs on a worker; only
 * process_gone, process_signal and process_reap are fit for the loop. */
#ifndef BANGER_DAEMON_HOST_PROCESS_H
#define BANGER_DAEMON_HOST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum {
    PROCESS_CMDLINE_BYTES = 32768, /* longer ones are cut; ours are far below */
    PROCESS_PATH_BYTES = 1024,
    PROCESS_BOOT_ID_BYTES = 40,
};

struct process_info {
    pid_t pid, ppid;
    uid_t uid;           /* effective */
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
    char exe[PROCESS_PATH_BYTES], cwd[PROCESS_PATH_BYTES]; /* "" where it cannot be read */
    size_t cmdline_len;
    char cmdline[PROCESS_CMDLINE_BYTES]; /* NUL-terminated strings, one after another */
};

/* Id of this boot of the host: pids mean something only within one. Read once; any thread. */
int process_boot_id(char id[PROCESS_BOOT_ID_BYTES], struct err *err);
/* ERR_NOT_FOUND: there is no such process (or it is a zombie). */
int process_read(pid_t pid, struct process_info *info, struct err *err);
int process_start_time(pid_t pid, uint64_t *start_time, struct err *err);
/* One variable of its environment as it was at exec; ERR_NOT_FOUND without it. */
int process_read_env(pid_t pid, const char *name, char *value, size_t size, struct err *err);

/* True if one argument equals arg. */
bool process_has_arg(const struct process_info *info, const char *arg);
/* The argument behind the one that equals option, or NULL. Borrowed. */
const char *process_arg_after(const struct process_info *info, const char *option);

/* Processes of our own user that could not be looked at. */
struct process_unread {
    size_t n;
    struct err first; /* which, and why */
};

/* Calls look for every live process of our own user until it returns false. One that cannot be read
 * is counted and passed over: whether it may be the one that is sought is the caller's to judge. -1
 * when processes could not be listed, or files or memory ran out. */
int process_each(bool (*look)(void *arg, const struct process_info *info), void *arg,
                 struct process_unread *unread, struct err *err);

/* Process pid, if it is our user's, began at start_time (0: whenever) and match recognises it. On
 * success *pidfd (the caller's) and *info belong together. ERR_NOT_FOUND: it certainly is not. */
int process_hold(pid_t pid, uint64_t start_time,
                 bool (*match)(void *arg, const struct process_info *info), void *arg, int *pidfd,
                 struct process_info *info, struct err *err);

/* Sends signo to every descendant of root, over and over until no new one turns up; root itself is
 * left alone. Bounded rounds; it costs time by their number, however many other processes there
 * are. */
int process_signal_descendants(pid_t root, int signo, struct err *err);

bool process_gone(int pidfd);
/* 0, or -1 with ERR_NOT_FOUND when it has ended. */
int process_signal(int pidfd, int signo, struct err *err);

struct process_exit {
    bool known; /* it was our child, so that the kernel told us */
    int code;   /* exit code, or -1 */
    int signo;  /* signal that ended it, or 0 */
};

/* For tests: from now on this process cannot be read, as if the host forbade it; 0: none. */
void process_hide(pid_t pid);

/* After process_gone: takes the exit status and the zombie where it is our child. */
void process_reap(int pidfd, struct process_exit *how);

#endif
