/* Long work on the host as a table of steps: each runs on a worker or is a child process, one after
 * another, with progress, cancellation, and clean-up at the end whatever happened.
 *
 * Embedded in its owner (kernel import, image build). All functions are called on the loop's thread
 * except the steps' work(), which is on a worker while the loop's thread keeps its hands off self.
 * finished() comes exactly once for every task that started, never from inside task_start or
 * task_cancel; self may be freed in it. Cancel and await finished() before the workers are closed.
 */
#ifndef BANGER_DAEMON_HOST_TASK_H
#define BANGER_DAEMON_HOST_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rpc/event/child.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct task;

/* message is one line for people, borrowed for the call. */
typedef void task_progress_fn(void *arg, const char *stage, uint32_t percent, const char *message);

struct task_step {
    const char *name; /* the stage that people see and errors carry */
    uint32_t percent; /* when it begins */
    /* One of the two. work: on a worker. spawn: calls task_run once, or task_skip. */
    int (*work)(void *self, struct err *err);
    int (*spawn)(void *self, struct err *err);
    /* After spawn's child: its verdict. NULL: a status other than 0 is an error. */
    int (*exited)(void *self, const struct child_exit *exit, struct err *err);
    void (*line)(void *self, const char *line); /* each line of its output, or NULL */
};

struct task {
    struct loop *loop;
    struct workers *workers;
    const struct task_step *steps;
    size_t n_steps;
    void *self;                               /* for the steps */
    void (*cleanup)(void *self, bool failed); /* last, on a worker; NULL: none */
    void (*finished)(void *self, const struct err *err);
    task_progress_fn *progress; /* NULL: nobody looks */
    void *progress_arg;
    /* Private. */
    size_t at;
    bool failed, cleaning, skipped, job_busy;
    struct err err;
    atomic_bool cancelled; /* work() may look */
    struct child *child;
    struct timer kill_timer; /* SIGTERM was not enough */
    struct job job;
    char line[512];
    size_t line_len;
};

/* Fill the public part of a zeroed task first. */
int task_start(struct task *t, struct err *err);
/* Asks: a child gets SIGTERM and 10 s later SIGKILL, work() ends at its next look. */
void task_cancel(struct task *t);
/* From spawn(): the child of this step. env NULL: ours. */
int task_run(struct task *t, const char *const *argv, const char *const *env, const char *cwd,
             int64_t deadline_ms, struct err *err);
/* From spawn(): there is nothing to do. */
int task_skip(struct task *t);
/* From line() or exited(): progress inside the step. */
void task_report(struct task *t, uint32_t percent, const char *message);
/* What a failed child said: its first line that begins with E: or error, behind what a program said
 * of itself right before; else its last line. */
int task_child_error(const struct child_exit *exit, const char *what, struct err *err);

#endif
