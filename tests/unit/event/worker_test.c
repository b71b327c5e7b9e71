/* Worker pools: order, where run() and done() happen, bounds, close. */
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/err.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"

static struct loop *loop;
static pthread_t loop_thread;

static void give_up(void *arg)
{
    (void)arg;
    CHECK(!"the test hung");
    loop_stop(loop);
}

static void run_loop(void)
{
    struct err err = ERR_INIT;
    struct timer limit = {0};
    timer_init(&limit, loop, give_up, NULL);
    timer_start(&limit, 10000);
    CHECK_INT(loop_run(loop, &err), 0);
    timer_done(&limit);
}

enum { JOBS = 200 };

struct numbered_job {
    struct job job;
    int number;
    int ran; /* order in which run() saw it */
};

static struct numbered_job jobs[JOBS];
static atomic_int runs;
static int dones, stop_at;
static bool in_submit;

static void job_run(struct job *job)
{
    struct numbered_job *j = container_of(job, struct numbered_job, job);
    j->ran = atomic_fetch_add(&runs, 1);
}

static void job_done(struct job *job)
{
    struct numbered_job *j = container_of(job, struct numbered_job, job);
    CHECK(!in_submit);
    CHECK(pthread_equal(pthread_self(), loop_thread));
    CHECK(j->ran >= 0);
    if (++dones == stop_at)
        loop_stop(loop);
}

static void submit_all(struct workers *w)
{
    struct err err = ERR_INIT;
    runs = dones = 0;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct numbered_job){
            .job = {.run = job_run, .done = job_done}, .number = i, .ran = -1};
        in_submit = true;
        CHECK_INT(workers_submit(w, &jobs[i].job, &err), 0);
        in_submit = false;
    }
}

static void test_one_thread_is_a_serial_queue(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "serial", 1, JOBS, &err);
    CHECK(w);
    stop_at = JOBS;
    submit_all(w);
    run_loop();
    CHECK_INT(dones, JOBS);
    for (int i = 0; i < JOBS; i++)
        CHECK_INT(jobs[i].ran, i);
    workers_close(w);
}

static void test_several_threads(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "several", 4, JOBS, &err);
    stop_at = JOBS;
    submit_all(w);
    run_loop();
    CHECK_INT(dones, JOBS);
    CHECK_INT(runs, JOBS);
    workers_close(w);
}

static void test_close_runs_what_is_queued(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "close", 2, JOBS, &err);
    stop_at = -1;
    submit_all(w);
    workers_close(w);
    CHECK_INT(runs, JOBS);
    CHECK_INT(dones, JOBS);
}

struct blocked_job {
    struct job job;
    sem_t started, go;
};

static void blocked_run(struct job *job)
{
    struct blocked_job *b = container_of(job, struct blocked_job, job);
    sem_post(&b->started);
    sem_wait(&b->go);
}

static struct workers *resubmit_to;
static int resubmit_rc;
static enum err_code resubmit_code;

/* Runs inside workers_close: the pool takes nothing more. */
static void blocked_done(struct job *job)
{
    struct err err = ERR_INIT;
    resubmit_rc = workers_submit(resubmit_to, job, &err);
    resubmit_code = err.code;
}

static void ignore_done(struct job *job)
{
    (void)job;
}

static void test_queue_is_bounded_and_closing_refuses(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "bounded", 1, 2, &err);
    resubmit_to = w;
    struct blocked_job first = {.job = {.run = blocked_run, .done = blocked_done}};
    sem_init(&first.started, 0, 0);
    sem_init(&first.go, 0, 0);
    CHECK_INT(workers_submit(w, &first.job, &err), 0);
    sem_wait(&first.started); /* it runs: no longer counted */
    struct numbered_job waiting[3];
    for (int i = 0; i < 3; i++) {
        waiting[i] = (struct numbered_job){.job = {.run = job_run, .done = ignore_done}};
        CHECK_INT(workers_submit(w, &waiting[i].job, &err), i < 2 ? 0 : -1);
    }
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.message, "bounded");
    sem_post(&first.go);
    workers_close(w);
    CHECK_INT(resubmit_rc, -1);
    CHECK_INT(resubmit_code, ERR_UNAVAILABLE);
    sem_destroy(&first.started);
    sem_destroy(&first.go);
}

/* Pools that end one after the other: what one brings back may still come to the other. */
static void test_a_stopped_pool_refuses_what_another_brings(void)
{
    struct err err = ERR_INIT;
    struct workers *gone = workers_new(loop, "gone", 1, 2, &err);
    struct workers *last = workers_new(loop, "last", 1, 2, &err);
    struct numbered_job queued = {.job = {.run = job_run, .done = ignore_done}, .ran = -1};
    struct blocked_job from = {.job = {.run = blocked_run, .done = blocked_done}};
    sem_init(&from.started, 0, 0);
    sem_init(&from.go, 0, 1);
    resubmit_to = gone;
    resubmit_rc = 0;
    resubmit_code = ERR_NONE;
    CHECK_INT(workers_submit(gone, &queued.job, &err), 0);
    CHECK_INT(workers_submit(last, &from.job, &err), 0);
    workers_stop(gone);
    CHECK(queued.ran >= 0);
    workers_stop(last);
    CHECK_INT(resubmit_rc, -1);
    CHECK_INT(resubmit_code, ERR_UNAVAILABLE);
    workers_stop(gone); /* again, and no harm */
    workers_free(gone);
    workers_free(last);
    sem_destroy(&from.started);
    sem_destroy(&from.go);
}

static struct blocked_job blockers[8];
static struct numbered_job late;

static void block_all(struct workers *w, int n_running)
{
    struct err err = ERR_INIT;
    for (int i = 0; i < 8; i++) {
        blockers[i] = (struct blocked_job){.job = {.run = blocked_run, .done = ignore_done}};
        sem_init(&blockers[i].started, 0, 0);
        sem_init(&blockers[i].go, 0, 0);
        CHECK_INT(workers_submit(w, &blockers[i].job, &err), 0);
    }
    for (int i = 0; i < n_running; i++)
        sem_wait(&blockers[i].started);
}

static void unblock_all(void)
{
    for (int i = 0; i < 8; i++)
        sem_post(&blockers[i].go);
}

/* However many jobs that take are there, one that frees runs. */
static void test_what_frees_never_waits_for_what_takes(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "kept", 3, 8, &err);
    block_all(w, 2);
    runs = dones = 0;
    stop_at = 1;
    late = (struct numbered_job){.job = {.run = job_run, .done = job_done, .frees = true}};
    CHECK_INT(workers_submit(w, &late.job, &err), 0); /* though the other queue may be full */
    run_loop();
    CHECK_INT(dones, 1);
    unblock_all();
    workers_close(w);
}

static int count_threads(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *d; tasks && (d = readdir(tasks));)
        n += d->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* An idle thread has a stack too: there are as many as have had something to do at once. */
static void test_threads_are_begun_as_jobs_need_them(void)
{
    struct err err = ERR_INIT;
    int before = count_threads();
    struct workers *w = workers_new(loop, "few", 8, JOBS, &err);
    CHECK_INT(count_threads() - before, 2);
    for (int i = 0; i < 5; i++) { /* one after another */
        runs = dones = 0;
        stop_at = 1;
        late = (struct numbered_job){.job = {.run = job_run, .done = job_done}};
        CHECK_INT(workers_submit(w, &late.job, &err), 0);
        run_loop();
    }
    CHECK_INT(count_threads() - before, 2);
    block_all(w, 4);
    CHECK(count_threads() - before >= 4);
    unblock_all();
    workers_close(w);
    CHECK_INT(count_threads(), before);
}

static void test_what_waits_can_be_hurried(void)
{
    struct err err = ERR_INIT;
    struct workers *w = workers_new(loop, "hurried", 3, 9, &err);
    block_all(w, 2);
    runs = dones = 0;
    stop_at = 1;
    late = (struct numbered_job){.job = {.run = job_run, .done = job_done}};
    CHECK_INT(workers_submit(w, &late.job, &err), 0);
    workers_hurry(w, &late.job);
    run_loop();
    CHECK_INT(dones, 1);
    workers_hurry(w, &late.job); /* too late, and no harm */
    unblock_all();
    workers_close(w);
}

static void test_bad_thread_counts(void)
{
    struct err err = ERR_INIT;
    CHECK(!workers_new(loop, "none", 0, 1, &err));
    CHECK_INT(err.code, ERR_INVALID);
    CHECK(!workers_new(loop, "many", 100000, 1, &err));
    CHECK_INT(err.code, ERR_INVALID);
    workers_close(NULL);
    workers_stop(NULL);
    workers_free(NULL);
}

int main(void)
{
    struct err err = ERR_INIT;
    loop = loop_new(&err);
    if (!loop)
        return 1;
    loop_thread = pthread_self();
    RUN(test_one_thread_is_a_serial_queue);
    RUN(test_several_threads);
    RUN(test_close_runs_what_is_queued);
    RUN(test_queue_is_bounded_and_closing_refuses);
    RUN(test_a_stopped_pool_refuses_what_another_brings);
    RUN(test_what_frees_never_waits_for_what_takes);
    RUN(test_threads_are_begun_as_jobs_need_them);
    RUN(test_what_waits_can_be_hurried);
    RUN(test_bad_thread_counts);
    loop_free(loop);
    return check_end();
}
