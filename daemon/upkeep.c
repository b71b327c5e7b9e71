/* See upkeep.h. One job at a time is on the worker, and the state folder is only touched there. */
#include "daemon/upkeep.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/config.h"
#include "daemon/state_dir.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/event/worker.h"

enum { LOOK_MS = 1000, JOBS_QUEUED_MAX = 4, SOCKETS_MAX = 2 };

/* A socket file: the configured one, and one in the state folder where that cannot be had. */
struct kept_socket {
    char path[HOLDER_SOCKET_BYTES];
    bool wanted;    /* we listen there, or try to */
    bool listening; /* as far as we know; dev and ino are its file's then */
    bool told;      /* that it cannot be listened on */
    dev_t dev;
    ino_t ino;
    bool gone; /* the job's answer */
};

struct upkeep {
    struct loop *loop;
    struct rpc_server *server;
    const struct daemon_config *config;
    struct state_dir *state;
    struct workers *workers;
    struct timer timer;
    struct kept_socket sockets[SOCKETS_MAX];
    void (*lost)(void *arg, const struct err *why);
    void *arg;
    bool ending;
    bool stale, running, again; /* stale: the note is; again: once more after the job under way */
    /* The job's while it runs. */
    struct job job;
    bool look, tell;
    char phase[HOLDER_WORD_BYTES], socket[HOLDER_SOCKET_BYTES];
    bool is_lost;
    struct err why;
};

/* On the worker */

static bool socket_is_gone(const struct kept_socket *s)
{
    struct stat st;
    if (lstat(s->path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR;
    return st.st_dev != s->dev || st.st_ino != s->ino;
}

static void upkeep_look(struct job *job)
{
    struct upkeep *k = container_of(job, struct upkeep, job);
    struct err err = ERR_INIT;
    if (k->look && state_dir_look(k->state, &k->why) < 0) {
        k->is_lost = true;
        return;
    }
    if (k->tell && state_dir_tell(k->state, k->phase, k->socket, &err) < 0)
        log_err(LOG_LEVEL_WARN, "bangerd", &err, "the lock file does not say who holds it");
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        k->sockets[i].gone = k->sockets[i].listening && socket_is_gone(&k->sockets[i]);
}

/* On the loop */

/* The socket's folder lets others through where its mode does; they still see nothing in it. */
static int open_folder(const struct daemon_config *config, const char *folder, struct err *err)
{
    struct stat st;
    if ((config->socket_mode & 0066) == 0 || stat(folder, &st) < 0 || st.st_uid != geteuid() ||
        (st.st_mode & 0011) == 0011)
        return 0;
    return chmod(folder, (st.st_mode & 07777) | 0011) == 0
               ? 0
               : err_sys(err, errno, "cannot open %s to those of socket_mode", folder);
}

static int make_folder(const struct daemon_config *config, const char *path, struct err *err)
{
    char copy[HOLDER_SOCKET_BYTES];
    snprintf(copy, sizeof(copy), "%s", path);
    const char *folder = dirname(copy);
    if (fs_make_dirs(folder, 0700, err) < 0)
        return -1;
    if (fs_check_folder(folder, true, err) < 0)
        return err_wrap(err, "the socket's folder is not safe (--socket names another)");
    return open_folder(config, folder, err);
}

static int upkeep_keep(struct kept_socket *s, struct err *err)
{
    struct stat st;
    if (lstat(s->path, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", s->path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->wanted = s->listening = true;
    s->told = s->gone = false;
    return 0;
}

static int upkeep_listen_at(struct upkeep *k, struct kept_socket *s, struct err *err)
{
    const struct daemon_config *config = k->config;
    if (make_folder(config, s->path, err) < 0 ||
        rpc_server_listen_unix_again(k->server, s->path, (mode_t)config->socket_mode, err) < 0)
        return -1;
    if (*config->socket_group && chown(s->path, (uid_t)-1, config->socket_gid) < 0)
        return err_sys(err, errno, "cannot give %s to group %s", s->path, config->socket_group);
    return upkeep_keep(s, err);
}

/* Who may connect there, the manager has seen to. */
static int upkeep_listen_given(struct upkeep *k, struct kept_socket *s, int fd, struct err *err)
{
    if (rpc_server_listen_given(k->server, s->path, fd, err) < 0)
        return -1;
    return upkeep_keep(s, err);
}

static void upkeep_submit(struct upkeep *k)
{
    struct err err = ERR_INIT;
    if (k->running) {
        k->again = true;
        return;
    }
    k->again = k->is_lost = false;
    k->look = !k->ending;
    k->tell = k->stale;
    snprintf(k->phase, sizeof(k->phase), "%s", k->ending ? HOLDER_ENDING : HOLDER_SERVING);
    const struct kept_socket *at = k->sockets[0].listening ? &k->sockets[0] : &k->sockets[1];
    snprintf(k->socket, sizeof(k->socket), "%s", at->listening ? at->path : "");
    if (workers_submit(k->workers, &k->job, &err) < 0) {
        timer_start(&k->timer, LOOK_MS);
        return;
    }
    k->running = true;
    k->stale = false;
}

static void upkeep_tell(struct upkeep *k)
{
    k->stale = true;
    upkeep_submit(k);
}

/* Listens again where it was lost; true if something is other than it was. */
static bool upkeep_mend(struct upkeep *k, struct kept_socket *s)
{
    struct err err = ERR_INIT;
    bool lost = s->gone;
    s->listening = s->listening && !s->gone;
    s->gone = false;
    if (!s->wanted || s->listening)
        return false;
    if (upkeep_listen_at(k, s, &err) == 0) {
        log_info("bangerd", "listens again on %s", s->path);
        return true;
    }
    if (!s->told)
        log_err(LOG_LEVEL_WARN, "bangerd", &err, "the socket is gone, and cannot be made again");
    s->told = true;
    return lost;
}

static void upkeep_looked(struct job *job)
{
    struct upkeep *k = container_of(job, struct upkeep, job);
    bool again = k->again, other = false;
    k->running = false;
    if (k->is_lost) {
        if (!k->ending)
            k->lost(k->arg, &k->why);
        return;
    }
    if (!k->ending) {
        other = upkeep_mend(k, &k->sockets[0]);
        if (!k->sockets[0].listening)
            k->sockets[1].wanted = k->sockets[1].path[0];
        other |= upkeep_mend(k, &k->sockets[1]);
        timer_start(&k->timer, LOOK_MS);
    }
    if (other)
        upkeep_tell(k);
    else if (again)
        upkeep_submit(k);
}

static void upkeep_due(void *arg)
{
    upkeep_submit(arg);
}

struct upkeep *upkeep_new(struct loop *loop, struct rpc_server *server,
                          const struct daemon_config *config, struct state_dir *state,
                          void (*lost)(void *arg, const struct err *why), void *arg,
                          struct err *err)
{
    struct upkeep *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    k->loop = loop;
    k->server = server;
    k->config = config;
    k->state = state;
    k->lost = lost;
    k->arg = arg;
    k->job = (struct job){.run = upkeep_look, .done = upkeep_looked};
    k->workers = workers_new(loop, "upkeep", 1, JOBS_QUEUED_MAX, err);
    if (k->workers && timer_init(&k->timer, loop, upkeep_due, k) == 0)
        return k;
    if (k->workers)
        err_set(err, ERR_LIMIT, "out of memory");
    upkeep_free(k);
    return NULL;
}

int upkeep_listen(struct upkeep *k, int given, struct err *err)
{
    const struct paths *paths = &k->config->paths;
    struct kept_socket *usual = &k->sockets[0], *spare = &k->sockets[1];
    if ((size_t)snprintf(usual->path, sizeof(usual->path), "%s", paths->socket) >=
        sizeof(usual->path))
        return err_set(err, ERR_INVALID, "the socket path %s is too long", paths->socket);
    if ((size_t)snprintf(spare->path, sizeof(spare->path), "%s/run/bangerd.sock", k->state->path) >=
            sizeof(spare->path) ||
        strcmp(spare->path, usual->path) == 0)
        spare->path[0] = '\0';
    if (given >= 0 ? upkeep_listen_given(k, usual, given, err) < 0
                   : upkeep_listen_at(k, usual, err) < 0)
        return -1;
    upkeep_tell(k);
    return 0;
}

void upkeep_ending(struct upkeep *k)
{
    k->ending = true;
    timer_stop(&k->timer);
    upkeep_tell(k);
}

void upkeep_free(struct upkeep *k)
{
    if (!k)
        return;
    k->ending = true;
    workers_close(k->workers);
    timer_done(&k->timer);
    free(k);
}
