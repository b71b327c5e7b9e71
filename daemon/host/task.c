/* Steps on workers and children; see task.h.
 *
 * One thing is under way at any time: a child, a job, or a posted task_advance. Whichever ends
 * calls task_step_ended, which posts the next; so nothing recurses and nothing runs inside a
 * caller. */
#include "daemon/host/task.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "base/log.h"

enum { TASK_TERM_GRACE_MS = 10000, TASK_CAPTURE_BYTES = 64 * 1024 };

static void task_advance(void *arg);

static void task_report_stage(struct task *t, uint32_t percent, const char *message)
{
    if (t->progress && t->at < t->n_steps)
        t->progress(t->progress_arg, t->steps[t->at].name, percent, message);
}

void task_report(struct task *t, uint32_t percent, const char *message)
{
    task_report_stage(t, percent, message);
}

static void task_finish(struct task *t)
{
    timer_done(&t->kill_timer);
    struct err err = t->err;
    t->finished(t->self, t->failed ? &err : NULL);
}

static void task_fail(struct task *t, const struct err *err)
{
    if (t->failed)
        return;
    t->failed = true;
    t->err = *err;
    if (t->at < t->n_steps && !t->err.stage[0])
        snprintf(t->err.stage, sizeof(t->err.stage), "%s", t->steps[t->at].name);
}

/* rc is the step's result; the next one starts from the loop. */
static void task_step_ended(struct task *t, int rc, const struct err *err)
{
    if (rc < 0)
        task_fail(t, err);
    t->at = t->failed ? t->n_steps : t->at + 1;
    if (loop_post(t->loop, task_advance, t) < 0)
        task_advance(t); /* out of memory: going on at once is better than never */
}

static void task_job_run(struct job *job)
{
    struct task *t = container_of(job, struct task, job);
    if (t->cleaning)
        t->cleanup(t->self, t->failed);
    else if (t->steps[t->at].work(t->self, &t->err) < 0)
        t->failed = true;
}

static void task_job_done(struct job *job)
{
    struct task *t = container_of(job, struct task, job);
    t->job_busy = false;
    if (t->cleaning) {
        task_finish(t);
        return;
    }
    if (t->failed && !t->err.stage[0])
        snprintf(t->err.stage, sizeof(t->err.stage), "%s", t->steps[t->at].name);
    task_step_ended(t, 0, NULL);
}

static int task_submit(struct task *t, struct err *err)
{
    t->job = (struct job){.run = task_job_run, .done = task_job_done};
    list_init(&t->job.link);
    if (workers_submit(t->workers, &t->job, err) < 0)
        return -1;
    t->job_busy = true;
    return 0;
}

static void task_end(struct task *t)
{
    struct err err = ERR_INIT;
    t->cleaning = true;
    if (t->cleanup && task_submit(t, &err) == 0)
        return;
    if (t->cleanup)
        log_err(LOG_LEVEL_WARN, NULL, &err, "temporary files stay until the next start");
    task_finish(t);
}

static void task_advance(void *arg)
{
    struct task *t = arg;
    struct err err = ERR_INIT;
    if (!t->failed && t->at < t->n_steps && atomic_load(&t->cancelled)) {
        err_set(&err, ERR_CANCELLED, "cancelled");
        task_fail(t, &err);
        t->at = t->n_steps;
    }
    if (t->at >= t->n_steps) {
        task_end(t);
        return;
    }
    const struct task_step *step = &t->steps[t->at];
    task_report_stage(t, step->percent, "");
    t->skipped = false;
    t->line_len = 0;
    int rc = step->work ? task_submit(t, &err) : step->spawn(t->self, &err);
    if (rc < 0 || t->skipped)
        task_step_ended(t, rc, &err);
}

int task_start(struct task *t, struct err *err)
{
    atomic_store(&t->cancelled, false);
    if (loop_post(t->loop, task_advance, t) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    return 0;
}

static void task_kill_child(void *arg)
{
    struct task *t = arg;
    if (t->child)
        child_kill(t->child, 9);
}

void task_cancel(struct task *t)
{
    if (atomic_exchange(&t->cancelled, true) || !t->child)
        return;
    child_kill(t->child, 15);
    if (timer_init(&t->kill_timer, t->loop, task_kill_child, t) < 0)
        child_kill(t->child, 9);
    else
        timer_start(&t->kill_timer, TASK_TERM_GRACE_MS);
}

int task_skip(struct task *t)
{
    t->skipped = true;
    return 0;
}

/* Lines end at \n or \r (progress bars); what is longer than the buffer is cut. */
static void task_child_output(void *arg, const char *text, size_t len)
{
    struct task *t = arg;
    void (*line)(void *self, const char *line) = t->steps[t->at].line;
    if (!line)
        return;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n' && text[i] != '\r') {
            if (t->line_len < sizeof(t->line) - 1)
                t->line[t->line_len++] = text[i];
            continue;
        }
        t->line[t->line_len] = '\0';
        if (t->line_len > 0)
            line(t->self, t->line);
        t->line_len = 0;
    }
}

static void task_child_exited(void *arg, const struct child_exit *exit)
{
    struct task *t = arg;
    const struct task_step *step = &t->steps[t->at];
    struct err err = ERR_INIT;
    int rc = 0;
    t->child = NULL;
    timer_done(&t->kill_timer);
    memset(&t->kill_timer, 0, sizeof(t->kill_timer));
    if (atomic_load(&t->cancelled))
        rc = err_set(&err, ERR_CANCELLED, "cancelled");
    else if (step->exited)
        rc = step->exited(t->self, exit, &err);
    else if (exit->code != 0)
        rc = task_child_error(exit, step->name, &err);
    task_step_ended(t, rc, &err);
}

int task_run(struct task *t, const char *const *argv, const char *const *env, const char *cwd,
             int64_t deadline_ms, struct err *err)
{
    struct child_spec spec = {
        .argv = argv,
        .env = env,
        .cwd = cwd,
        .stdin_fd = -1,
        .log_fd = -1,
        .max_capture_bytes = TASK_CAPTURE_BYTES,
        .deadline_ms = deadline_ms,
        .output = task_child_output,
        .exited = task_child_exited,
        .arg = t,
    };
    t->child = child_start(t->loop, &spec, err);
    return t->child ? 0 : -1;
}

static bool task_line_is_error(const char *line, size_t len)
{
    return (len > 2 && strncmp(line, "E:", 2) == 0) ||
           (len > 6 && strncasecmp(line, "error:", 6) == 0);
}

/* "find: cannot …": what a program says of itself. apt and mmdebstrap begin all else with I: or W:.
 */
static bool task_line_is_program(const char *line, size_t len)
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_.+-/");
    return n > 1 && n + 2 < len && line[n] == ':' && line[n + 1] == ' ';
}

struct task_cause {
    const char *before, *line; /* in the output; before: of the program that failed, or NULL */
    size_t before_len, len;
};

/* Errors bring on others: the first is the cause. A tool that failed has often said why in the line
 * before. Without an error the last line has to do. */
static struct task_cause task_find_cause(const char *at)
{
    struct task_cause c = {.line = ""};
    while (*at) {
        size_t len = strcspn(at, "\r\n");
        bool is_error = task_line_is_error(at, len);
        if (is_error && task_line_is_program(c.line, c.len)) {
            c.before = c.line;
            c.before_len = c.len;
        }
        if (len > 0) {
            c.line = at;
            c.len = len;
        }
        if (is_error)
            break;
        at += len + strspn(at + len, "\r\n");
    }
    return c;
}

int task_child_error(const struct child_exit *exit, const char *what, struct err *err)
{
    struct task_cause c = task_find_cause(exit->out);
    char text[320];
    snprintf(text, sizeof(text), "%.*s%s%.*s", (int)(c.before_len < 200 ? c.before_len : 200),
             c.before ? c.before : "", c.before ? "; " : "", (int)(c.len < 300 ? c.len : 300),
             c.line);
    if (exit->timed_out)
        return err_set(err, ERR_DEADLINE, "%s took too long and was ended: %s", what, text);
    if (exit->signo)
        return err_set(err, ERR_UNKNOWN, "%s was ended by signal %d: %s", what, exit->signo, text);
    return err_set(err, ERR_UNKNOWN, "%s failed with status %d: %s", what, exit->code, text);
}
