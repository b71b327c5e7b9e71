/* Worker threads; see worker.h.
 *
 * A job is always on exactly one list: a queue (waits for a thread), none (runs), or finished
 * (waits for the loop). Finishing allocates nothing and so cannot fail: the thread links the job
 * and rings an eventfd that the loop watches. */
#include "rpc/event/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "rpc/event/loop.h"

enum { WORKERS_MAX_THREADS = 65, DONE_AT_ONCE = 16 };

struct workers_queue {
    struct list jobs;
    size_t n;
};

struct workers {
    char name[16]; /* of the threads; what the kernel keeps */
    pthread_t *threads;
    size_t n_threads, max_threads; /* begun, as jobs need them; the loop's thread's */
    struct watch watch;            /* of done_fd */
    int done_fd;                   /* owned; eventfd */
    bool in_done;                  /* loop's thread: a done() is on the stack */

    pthread_mutex_t lock;
    pthread_cond_t wake;               /* a queue grew, or closing */
    struct workers_queue takes, frees; /* what waits, by job.frees */
    struct list finished;
    size_t n_idle;               /* threads without a job */
    size_t n_taking, max_taking; /* threads that run a job of takes, at most so many */
    size_t max_queued;           /* of each queue */
    bool closing;
};

static void workers_ring(struct workers *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->done_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: readable anyway */
}

static void workers_finish(struct workers *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    bool was_empty = list_empty(&w->finished);
    list_add_tail(&w->finished, &job->link);
    w->n_idle++;
    pthread_mutex_unlock(&w->lock);
    if (was_empty)
        workers_ring(w);
}

/* With the lock held, as are the next three. */
static struct workers_queue *workers_queue_of(struct workers *w, const struct job *job)
{
    return job->frees ? &w->frees : &w->takes;
}

static void workers_enqueue(struct workers *w, struct job *job)
{
    struct workers_queue *q = workers_queue_of(w, job);
    list_add_tail(&q->jobs, &job->link);
    q->n++;
    job->waits = true;
    pthread_cond_signal(&w->wake);
}

static void workers_dequeue(struct workers *w, struct job *job)
{
    list_remove(&job->link);
    workers_queue_of(w, job)->n--;
    job->waits = false;
}

static struct job *workers_pick(struct workers *w)
{
    struct list *first = list_first(&w->frees.jobs);
    if (!first && w->n_taking < w->max_taking)
        first = list_first(&w->takes.jobs);
    return first ? container_of(first, struct job, link) : NULL;
}

/* took: the thread's last job was one that takes. A job that must wait for that is found by the
 * very thread that ends one, so nobody is woken for it. */
static struct job *workers_next(struct workers *w, bool *took)
{
    pthread_mutex_lock(&w->lock);
    w->n_taking -= *took;
    struct job *job;
    while (!(job = workers_pick(w)) && !w->closing)
        pthread_cond_wait(&w->wake, &w->lock);
    if (job) {
        workers_dequeue(w, job);
        w->n_idle--;
    }
    *took = job && !job->frees;
    w->n_taking += *took;
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *workers_thread(void *arg)
{
    struct workers *w = arg;
    bool took = false;
    pthread_setname_np(pthread_self(), w->name);
    for (struct job *job; (job = workers_next(w, &took));) {
        job->run(job);
        workers_finish(w, job);
    }
    return NULL;
}

static struct job *workers_take_finished(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    struct list *first = list_first(&w->finished);
    if (first)
        list_remove(first);
    pthread_mutex_unlock(&w->lock);
    return first ? container_of(first, struct job, link) : NULL;
}

static void workers_deliver(struct workers *w)
{
    w->in_done = true;
    for (struct job *job; (job = workers_take_finished(w));)
        job->done(job);
    w->in_done = false;
}

/* A few at a time: when a thousand come together, others have their turns in between. */
static void workers_deliver_some(struct workers *w)
{
    struct job *job = NULL;
    w->in_done = true;
    for (int i = 0; i < DONE_AT_ONCE && (job = workers_take_finished(w)); i++)
        job->done(job);
    w->in_done = false;
    if (job)
        workers_ring(w);
}

static void workers_on_finished(void *arg, int events)
{
    (void)events;
    struct workers *w = arg;
    uint64_t count;
    ssize_t n = read(w->done_fd, &count, sizeof(count));
    (void)n;
    workers_deliver_some(w);
}

/* Threads start with every signal blocked: signals belong to the loop's thread. */
static int workers_start_threads(struct workers *w, size_t n_threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    while (w->n_threads < n_threads && rc == 0) {
        rc = pthread_create(&w->threads[w->n_threads], NULL, workers_thread, w);
        w->n_threads += rc == 0;
        w->n_idle += rc == 0;
    }
    pthread_mutex_unlock(&w->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct workers *workers_new(struct loop *loop, const char *name, size_t n_threads,
                            size_t max_queued, struct err *err)
{
    if (n_threads == 0 || n_threads > WORKERS_MAX_THREADS) {
        err_set(err, ERR_INVALID, "worker pool %s: %zu threads, want 1 to %d", name, n_threads,
                WORKERS_MAX_THREADS);
        return NULL;
    }
    struct workers *w = calloc(1, sizeof(*w));
    if (!w) {
        err_sys(err, ENOMEM, "worker pool %s", name);
        return NULL;
    }
    snprintf(w->name, sizeof(w->name), "%s", name);
    w->max_queued = max_queued;
    w->max_threads = n_threads;
    w->max_taking = n_threads > 1 ? n_threads - 1 : 1;
    list_init(&w->takes.jobs);
    list_init(&w->frees.jobs);
    list_init(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    int rc = ENOMEM;
    w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->done_fd < 0) {
        rc = errno;
        goto fail;
    }
    w->threads = calloc(n_threads, sizeof(*w->threads));
    if (!w->threads || watch_init(&w->watch, loop, w->done_fd, workers_on_finished, w) < 0)
        goto fail;
    watch_want(&w->watch, WATCH_READ);
    /* One that takes and one that frees: a pool that cannot have more of them still does its work.
     */
    rc = workers_start_threads(w, n_threads > 1 ? 2 : 1);
    if (rc == 0)
        return w;
fail:
    workers_close(w);
    err_sys(err, rc, "worker pool %s", name);
    return NULL;
}

int workers_submit(struct workers *w, struct job *job, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool closing = w->closing;
    bool full = workers_queue_of(w, job)->n >= w->max_queued;
    if (!closing && !full)
        workers_enqueue(w, job);
    bool short_of_threads = w->takes.n + w->frees.n > w->n_idle;
    pthread_mutex_unlock(&w->lock);
    if (!closing && short_of_threads && w->n_threads < w->max_threads)
        workers_start_threads(w, w->n_threads + 1);
    if (closing)
        return err_set(err, ERR_UNAVAILABLE, "worker pool %s is closing", w->name);
    if (full)
        return err_set(err, ERR_UNAVAILABLE, "worker pool %s: %zu jobs wait already", w->name,
                       w->max_queued);
    return 0;
}

void workers_hurry(struct workers *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    if (job->waits && !job->frees) {
        workers_dequeue(w, job);
        job->frees = true;
        workers_enqueue(w, job);
    }
    pthread_mutex_unlock(&w->lock);
}

void workers_stop(struct workers *w)
{
    if (!w)
        return;
    assert(!w->in_done && "workers_stop from inside done()");
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    w->n_threads = 0;
    workers_deliver(w);
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    assert(w->n_threads == 0 && "workers_free before workers_stop");
    watch_done(&w->watch);
    if (w->done_fd >= 0)
        close(w->done_fd);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w->threads);
    free(w);
}

void workers_close(struct workers *w)
{
    workers_stop(w);
    workers_free(w);
}
