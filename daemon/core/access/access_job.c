/* What access does on its worker: one thread, so that files change one after the other. See
 * access_internal.h.
 *
 * access_init in order: the address is taken (nobody is served yet), then on the worker the files
 * are made, read, and the address kept; only then, back on the loop, all of it is in use. What
 * fails gives the address back, and leaves whole files, which the next time takes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/core.h"
#include "rpc/event/server.h"

enum { JOBS_MAX = 64, INIT_NAMES_MAX = 64, INIT_NAME_BYTES = 256 };

struct init {
    size_t n_names;
    char names[INIT_NAMES_MAX][INIT_NAME_BYTES];
    char listen[ACCESS_ADDRESS_BYTES]; /* "": as it is */
    bool bound;                        /* the address is taken for this */
    uint16_t port;
};

struct access_job {
    struct job job;
    struct access *access;
    char folder[PATH_BYTES];
    struct access_files files;
    int64_t now_s;
    struct init *init; /* owned; NULL: read only */
    struct access_credentials *read;
    struct err err;       /* of init */
    access_done_fn *done; /* NULL: nobody waits */
    void *arg;
};

/* On the worker. */
static int make(struct access_job *j)
{
    struct init *init = j->init;
    const char *names[INIT_NAMES_MAX];
    char path[PATH_BYTES + 16];
    for (size_t i = 0; i < init->n_names; i++)
        names[i] = init->names[i];
    if (pki_init(j->folder, names, init->n_names, j->now_s, &j->err) < 0)
        return -1;
    j->read = access_credentials_read(j->access, j->folder, &j->files, j->now_s);
    if (!j->read)
        return err_set(&j->err, ERR_LIMIT, "out of memory for certificates");
    if (!j->read->tls) {
        j->err = j->read->why;
        return -1;
    }
    snprintf(path, sizeof(path), "%s/listen", j->folder);
    return *init->listen ? fs_write_atomic(path, init->listen, strlen(init->listen), 0600, &j->err)
                         : 0;
}

static void run(struct job *job)
{
    struct access_job *j = container_of(job, struct access_job, job);
    if (!j->init)
        j->read = access_credentials_read(j->access, j->folder, &j->files, j->now_s);
    else if (make(j) < 0 && j->err.code == ERR_NONE)
        err_set(&j->err, ERR_INTERNAL, "certificates could not be made");
}

static void job_free(struct access_job *j)
{
    access_credentials_free(j->read);
    free(j->init);
    free(j);
}

static void finish_init(struct access_job *j)
{
    struct access *access = j->access;
    struct access_listen *l = &access->listen;
    l->initialising = false;
    if (j->err.code != ERR_NONE) {
        if (j->init->bound)
            rpc_server_close_tls(access->core->rpc_server);
        return;
    }
    access_listen_take(access, j->read);
    j->read = NULL;
    l->may_open = true;
    if (j->init->bound) {
        access_listen_adopt(access, j->init->listen, j->init->port);
        rpc_server_set_tls(access->core->rpc_server, access->now->tls);
    }
}

static void finish_read(struct access_job *j)
{
    struct access *access = j->access;
    const struct access_files before = access->files;
    access->files = j->files;
    access_listen_take(access, j->read);
    j->read = NULL;
    if (access->listen.failed.code == ERR_NONE)
        return;
    j->err = access->listen.failed;
    if (access->now && access->now->tls)
        access->files = before;
}

static void finish(struct job *job)
{
    struct access_job *j = container_of(job, struct access_job, job);
    struct access *access = j->access;
    access->listen.n_jobs--;
    if (access->closing) {
        if (j->err.code == ERR_NONE)
            err_set(&j->err, ERR_UNAVAILABLE, "the daemon ends");
    } else {
        if (j->init)
            finish_init(j);
        else
            finish_read(j);
        access_listen_decide(access);
        /* What was read is in use, and no good. */
        if (!j->init && j->err.code == ERR_NONE && access->now && !access->now->tls &&
            access->listen.address[0])
            j->err = access->now->why;
    }
    if (j->done)
        j->done(j->arg, j->err.code == ERR_NONE ? NULL : &j->err);
    job_free(j);
    if (access->listen.n_jobs == 0 && !access->closing)
        access_listen_settled(access);
}

static struct access_job *job_new(struct access *access, const struct access_files *files,
                                  access_done_fn *done, void *arg, struct err *err)
{
    struct access_job *j = calloc(1, sizeof(*j));
    if (!j) {
        err_sys(err, ENOMEM, "certificates");
        return NULL;
    }
    j->access = access;
    snprintf(j->folder, sizeof(j->folder), "%.500s/pki", access->core->config.state_dir);
    j->files = *files;
    j->now_s = clock_real_ns() / 1000000000;
    j->job.run = run;
    j->job.done = finish;
    j->done = done;
    j->arg = arg;
    return j;
}

/* Takes the job; -1: it is freed, done never comes. */
static int submit(struct access_job *j, struct err *err)
{
    struct access *access = j->access;
    if (!access->workers)
        access->workers = workers_new(access->core->loop, "access", 1, JOBS_MAX, err);
    if (access->workers && workers_submit(access->workers, &j->job, err) == 0) {
        access->listen.n_jobs++;
        return 0;
    }
    job_free(j);
    return -1;
}

void access_job_refresh(struct access *access)
{
    struct err err = ERR_INIT;
    if (access->closing || access->listen.n_jobs > 0)
        return; /* its end decides */
    struct access_job *j = job_new(access, &access->files, NULL, NULL, &err);
    if (j && submit(j, &err) == 0)
        return;
    log_err(LOG_LEVEL_ERROR, "bangerd", &err, "cannot read certificates");
    timer_start(&access->listen.look, ACCESS_RETRY_MAX_MS);
}

void access_prepare(struct core *core, const char *listen, const struct access_files *files)
{
    struct access *access = core->access;
    snprintf(access->listen.address, sizeof(access->listen.address), "%s", listen);
    access->files = *files;
    access_job_refresh(access);
}

void access_settle(struct core *core, void (*done)(void *arg), void *arg)
{
    struct access_listen *l = &core->access->listen;
    l->settled = done;
    l->settled_arg = arg;
    if (l->n_jobs > 0)
        timer_start(&l->settle, ACCESS_SETTLE_MS);
    else
        access_listen_settled(core->access);
}

void access_open(struct core *core)
{
    core->access->listen.may_open = true;
    if (core->access->now)
        access_listen_decide(core->access);
}

int access_reload(struct core *core, const struct access_files *files, access_done_fn *done,
                  void *arg, struct err *err)
{
    struct access *access = core->access;
    struct access_job *j = job_new(access, files, done, arg, err);
    if (!j)
        return -1;
    access->listen.retry_ms = ACCESS_RETRY_FIRST_MS;
    return submit(j, err);
}

static struct init *init_new(const char *const *names, size_t n_names, const char *listen,
                             struct err *err)
{
    if (n_names > INIT_NAMES_MAX) {
        err_set(err, ERR_INVALID, "more than %d names", INIT_NAMES_MAX);
        return NULL;
    }
    struct init *init = calloc(1, sizeof(*init));
    if (!init) {
        err_sys(err, ENOMEM, "certificates");
        return NULL;
    }
    for (size_t i = 0; i < n_names; i++) {
        if (strlen(names[i]) >= INIT_NAME_BYTES) {
            err_set(err, ERR_INVALID, "\"%.80s…\" is no host name: it is too long", names[i]);
            free(init);
            return NULL;
        }
        strcpy(init->names[i], names[i]);
    }
    init->n_names = n_names;
    strcpy(init->listen, listen);
    return init;
}

/* The address for this init alone, so that its failure is known before anything is made. */
static int bind_for(struct access_job *j, struct err *err)
{
    struct access_listen *l = &j->access->listen;
    if (!*j->init->listen || l->open)
        return 0;
    if (rpc_server_listen_tls(j->access->core->rpc_server, j->init->listen, NULL, &j->init->port,
                              err) < 0)
        return -1;
    j->init->bound = true;
    return 0;
}

int access_init(struct core *core, const char *const *names, size_t n_names, const char *listen,
                access_done_fn *done, void *arg, struct err *err)
{
    struct access *access = core->access;
    struct access_listen *l = &access->listen;
    if (strlen(listen) >= sizeof(l->address))
        return err_set(err, ERR_INVALID, "the address to listen on is too long");
    if (l->initialising)
        return err_set(err, ERR_ABORTED, "another \"banger auth init\" is on its way");
    if (*listen && l->open && strcmp(listen, l->address) != 0)
        return err_set(err, ERR_PRECONDITION,
                       "the daemon listens on %s already; to change that, restart it with --listen",
                       l->address);
    struct access_job *j = job_new(access, &access->files, done, arg, err);
    if (!j)
        return -1;
    j->init = init_new(names, n_names, listen, err);
    if (!j->init || bind_for(j, err) < 0) {
        job_free(j);
        return -1;
    }
    bool bound = j->init->bound;
    if (submit(j, err) < 0) {
        if (bound)
            rpc_server_close_tls(core->rpc_server);
        return -1;
    }
    l->initialising = true;
    l->retry_ms = ACCESS_RETRY_FIRST_MS;
    return 0;
}
