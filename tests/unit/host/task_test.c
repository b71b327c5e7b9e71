/* daemon/host/task: steps in order, failure, cancellation, finished exactly once. */
#include "daemon/host/task.h"

#include <time.h>

#include "tests/support/check.h"

struct fixture {
    struct loop *loop;
    struct workers *workers;
    struct task task;
    char trail[128]; /* what ran, a letter a step */
    int finished;
    bool cleanup_failed, cleaned;
    struct err err; /* finished's */
    struct timer deadline;
    bool cancel_in_spawn;
    const char *command; /* of the shell step */
};

static void note(struct fixture *f, const char *what)
{
    strncat(f->trail, what, sizeof(f->trail) - strlen(f->trail) - 1);
}

static int work_ok(void *self, struct err *err)
{
    (void)err;
    note(self, "w");
    return 0;
}

static int work_bad(void *self, struct err *err)
{
    note(self, "b");
    return err_set(err, ERR_LIMIT, "no more");
}

/* Ends only when it is told to. */
static int work_until_cancelled(void *self, struct err *err)
{
    struct fixture *f = self;
    note(f, "u");
    for (int64_t i = 0; i < 10000; i++) {
        if (atomic_load(&f->task.cancelled))
            return err_set(err, ERR_CANCELLED, "cancelled in work");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}

static int spawn_skip(void *self, struct err *err)
{
    struct fixture *f = self;
    (void)err;
    note(f, "k");
    return task_skip(&f->task);
}

static int spawn_bad(void *self, struct err *err)
{
    struct fixture *f = self;
    const char *argv[] = {"/nonexistent/program", NULL};
    return task_run(&f->task, argv, NULL, NULL, 0, err);
}

static void cancel_later(void *arg)
{
    struct fixture *f = arg;
    task_cancel(&f->task);
    task_cancel(&f->task);
}

static int spawn_shell(void *self, struct err *err)
{
    struct fixture *f = self;
    const char *argv[] = {"sh", "-c", f->command, NULL};
    note(f, "s");
    if (f->cancel_in_spawn)
        loop_post(f->loop, cancel_later, f);
    return task_run(&f->task, argv, NULL, NULL, 30000, err);
}

static void on_line(void *self, const char *line)
{
    note(self, line);
}

static void on_cleanup(void *self, bool failed)
{
    struct fixture *f = self;
    f->cleaned = true;
    f->cleanup_failed = failed;
}

static void on_finished(void *self, const struct err *err)
{
    struct fixture *f = self;
    f->finished++;
    if (err)
        f->err = *err;
    timer_stop(&f->deadline);
    loop_stop(f->loop);
}

static void on_deadline(void *arg)
{
    struct fixture *f = arg;
    CHECK(!"the task did not finish in time");
    loop_stop(f->loop);
}

static void run_steps(struct fixture *f, const struct task_step *steps, size_t n)
{
    struct err err = ERR_INIT;
    f->loop = loop_new(&err);
    f->workers = workers_new(f->loop, "test", 1, 8, &err);
    f->task = (struct task){
        .loop = f->loop,
        .workers = f->workers,
        .steps = steps,
        .n_steps = n,
        .self = f,
        .cleanup = on_cleanup,
        .finished = on_finished,
    };
    timer_init(&f->deadline, f->loop, on_deadline, f);
    timer_start(&f->deadline, 30000);
    CHECK_INT(task_start(&f->task, &err), 0);
    CHECK_INT(f->finished, 0);
    if (f->cancel_in_spawn && steps[0].work)
        loop_post(f->loop, cancel_later, f);
    loop_run(f->loop, &err);
    CHECK_INT(f->finished, 1);
    CHECK(f->cleaned);
    timer_done(&f->deadline);
    workers_close(f->workers);
    loop_free(f->loop);
}

static void test_all_steps(void)
{
    static const struct task_step steps[] = {
        {.name = "one", .work = work_ok},
        {.name = "two", .spawn = spawn_skip},
        {.name = "three", .spawn = spawn_shell, .line = on_line},
        {.name = "four", .work = work_ok},
    };
    struct fixture f = {.command = "echo A; printf 'B\\rC\\n'"};
    run_steps(&f, steps, 4);
    CHECK_STR(f.trail, "wksABCw");
    CHECK_INT(f.err.code, ERR_NONE);
    CHECK(!f.cleanup_failed);
}

static void test_failed_work(void)
{
    static const struct task_step steps[] = {{.name = "bad", .work = work_bad},
                                             {.name = "never", .work = work_ok}};
    struct fixture f = {.command = ""};
    run_steps(&f, steps, 2);
    CHECK_STR(f.trail, "b");
    CHECK_INT(f.err.code, ERR_LIMIT);
    CHECK_STR(f.err.stage, "bad");
    CHECK(f.cleanup_failed);
}

static void test_failed_child(void)
{
    static const struct task_step steps[] = {{.name = "shell", .spawn = spawn_shell},
                                             {.name = "never", .work = work_ok}};
    struct fixture f = {.command = "echo fine; echo 'E: the cause'; echo after; exit 3"};
    run_steps(&f, steps, 2);
    CHECK_STR(f.trail, "s");
    CHECK_STR(f.err.stage, "shell");
    CHECK_CONTAINS(f.err.message, "status 3: E: the cause");
}

static void test_failed_child_tells_the_first_cause(void)
{
    static const struct task_step steps[] = {{.name = "shell", .spawn = spawn_shell}};
    struct fixture f = {.command = "echo 'I: begins'; echo 'find: cannot go back: no'; "
                                   "echo 'E: hook failed'; echo 'E: setup failed'; exit 1"};
    run_steps(&f, steps, 1);
    CHECK_CONTAINS(f.err.message, "status 1: find: cannot go back: no; E: hook failed");
    struct fixture plain = {.command = "echo 'I: begins'; echo 'E: one'; echo 'E: two'; exit 1"};
    run_steps(&plain, steps, 1);
    CHECK_CONTAINS(plain.err.message, "status 1: E: one");
    struct fixture without = {.command = "echo first; echo last; exit 1"};
    run_steps(&without, steps, 1);
    CHECK_CONTAINS(without.err.message, "status 1: last");
}

static void test_no_such_program(void)
{
    static const struct task_step steps[] = {{.name = "spawn", .spawn = spawn_bad}};
    struct fixture f = {.command = ""};
    run_steps(&f, steps, 1);
    CHECK_INT(f.err.code, ERR_NOT_FOUND);
    CHECK_STR(f.err.stage, "spawn");
}

static void test_cancel_child(void)
{
    static const struct task_step steps[] = {{.name = "long", .spawn = spawn_shell},
                                             {.name = "never", .work = work_ok}};
    struct fixture f = {.command = "exec sleep 1000", .cancel_in_spawn = true};
    run_steps(&f, steps, 2);
    CHECK_STR(f.trail, "s");
    CHECK_INT(f.err.code, ERR_CANCELLED);
}

static void test_cancel_work(void)
{
    static const struct task_step steps[] = {{.name = "long", .work = work_until_cancelled},
                                             {.name = "never", .work = work_ok}};
    struct fixture f = {.command = "", .cancel_in_spawn = true};
    run_steps(&f, steps, 2);
    CHECK_STR(f.trail, "u");
    CHECK_INT(f.err.code, ERR_CANCELLED);
}

int main(void)
{
    RUN(test_all_steps);
    RUN(test_failed_work);
    RUN(test_failed_child);
    RUN(test_failed_child_tells_the_first_cause);
    RUN(test_no_such_program);
    RUN(test_cancel_child);
    RUN(test_cancel_work);
    return check_end();
}
