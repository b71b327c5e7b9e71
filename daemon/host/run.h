/* Runs a program to its end from a worker thread: no shell, bounded output, deadline, cancel.
 *
 * For the steps of disk and image work, which read best as straight code. The loop's thread uses
 * rpc/event/child.h instead. */
#ifndef BANGER_DAEMON_HOST_RUN_H
#define BANGER_DAEMON_HOST_RUN_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

enum { RUN_OUTPUT_BYTES = 16384 };

struct run_result {
    int code;  /* exit code, or -1 */
    int signo; /* signal that ended it, or 0 */
    size_t out_len;
    char out[RUN_OUTPUT_BYTES]; /* the last of stdout and stderr, NUL-terminated */
};

/* argv[0] is searched in PATH. cancel_fd (or -1) becoming readable ends it with ERR_ABORTED, the
 * deadline with ERR_DEADLINE; its process group is gone then and *result holds the output so far.
 * 0: it ended by itself, result says how. */
int run_program(const char *const *argv, int64_t deadline_ms, int cancel_fd,
                struct run_result *result, struct err *err);
/* The same, with stdin_fd (borrowed; -1: /dev/null) as its stdin. */
int run_program_on(const char *const *argv, int stdin_fd, int64_t deadline_ms, int cancel_fd,
                   struct run_result *result, struct err *err);
/* As run_program, and anything but exit code 0 is an error with the last output in its message. */
int run_checked(const char *const *argv, int64_t deadline_ms, int cancel_fd, struct err *err);

/* Whether run_program would find it: in PATH, else in /usr/sbin. */
bool run_finds(const char *program);

#endif
