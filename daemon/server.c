/* The composition root; see server.h.
 *
 * Order at start: lock the state folder, read the store, adopt what lives (reconcile), listen. At
 * the end: stop listening and let calls end, then close from the top down. */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/access.h"
#include "daemon/core/core.h"
#include "daemon/core/host_info.h"
#include "daemon/core/reconcile.h"
#include "daemon/reload.h"
#include "daemon/service/service.h"
#include "daemon/store/store.h"
#include "daemon/version.h"
#include "daemon/settings.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/event/worker.h"

enum {
    LOCK_WAIT_MS = 11000, /* for a daemon that is ending: its commits, above both its graces */
    LOCK_LOOK_MS = 20,
    STATE_PATH_MAX = 72, /* + /vms/ID/agent.sock must fit a Unix socket's 107 bytes */
    JOBS_QUEUED_MAX = 4096,
};

struct daemon {
    struct daemon_config config;
    struct core core;
    struct vmm_host vmm_host;
    struct host_info host_info;
    struct signal_watch term, interrupt, hangup;
    struct reload *reload;
    char agent_path[PATH_MAX];
    int lock_fd;
    bool stopping, failed;
    struct err failure;
};

static bool somebody_listens(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path))
        return false;
    strcpy(address.sun_path, socket_path);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* One daemon a state folder: the lock goes with the process, however it ends. One that has stopped
 * listening is about to end, and its successor waits for it: so `stop` and `start` follow each
 * other without a care. */
static int lock_state(struct daemon *d, struct err *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%.400s/lock", d->config.paths.state_dir);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    int64_t deadline_ms = clock_mono_ms() + LOCK_WAIT_MS + 2 * (int64_t)d->config.drain_ms;
    while (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_sys(err, errno, "cannot lock %s", path);
        if (somebody_listens(d->config.paths.socket) || clock_mono_ms() > deadline_ms)
            return err_set(err, ERR_EXISTS, "another bangerd uses %s", d->config.paths.state_dir);
        poll(NULL, 0, LOCK_LOOK_MS);
    }
    return 0;
}

/* What others own or may write to is not ours to keep secrets and disks in. */
static int check_owner(const char *folder, struct err *err)
{
    struct stat st;
    if (stat(folder, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", folder);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, "%s belongs to user %u: choose another --state-dir", folder,
                       (unsigned)st.st_uid);
    if (st.st_mode & S_IWOTH)
        return err_set(err, ERR_DENIED, "everyone may write to %s: chmod o-w it", folder);
    return 0;
}

static int make_folders(struct daemon *d, struct err *err)
{
    const struct paths *paths = &d->config.paths;
    if (strlen(paths->state_dir) > STATE_PATH_MAX)
        return err_set(
            err, ERR_INVALID,
            "state folder %s: the path is %zu characters long, at most %d leave room for "
            "the sockets in it; choose a shorter --state-dir",
            paths->state_dir, strlen(paths->state_dir), STATE_PATH_MAX);
    if (fs_make_dirs(paths->state_dir, 0700, err) < 0 || check_owner(paths->state_dir, err) < 0)
        return -1;
    char folder[PATHS_BYTES];
    snprintf(folder, sizeof(folder), "%s", paths->socket);
    return fs_make_dirs(dirname(folder), 0700, err);
}

/* As installed, then as built; --agent goes before both. */
static int find_agent(struct daemon *d, struct err *err)
{
    if (*d->config.agent_path) {
        if (!realpath(d->config.agent_path, d->agent_path))
            return err_sys(err, errno, "no guest agent at %s", d->config.agent_path);
        return 0;
    }
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return err_sys(err, errno, "cannot find my own program");
    self[n] = '\0';
    const char *folder = dirname(self);
    static const char *const places[] = {"../libexec/banger/banger-agent", "../agent/banger-agent",
                                         "banger-agent"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof(path), "%s/%s", folder, places[i]);
        if (realpath(path, d->agent_path))
            return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "banger-agent is not beside %s; say --agent PATH", folder);
}

static void fill_core(struct daemon *d)
{
    struct core_config *c = &d->core.config;
    snprintf(c->state_dir, sizeof(c->state_dir), "%.*s", STATE_PATH_MAX, d->config.paths.state_dir);
    settings_core(&d->config, c);
    c->version = BANGER_VERSION;
    snprintf(c->guest_agent_path, sizeof(c->guest_agent_path), "%.*s", PATH_BYTES - 1,
             d->agent_path);
    d->vmm_host.loop = d->core.loop;
    d->vmm_host.workers = d->core.workers;
    d->vmm_host.agent_path = d->agent_path;
    d->vmm_host.state_dir = c->state_dir;
    d->core.vmm_host = &d->vmm_host;
    d->core.host_info = &d->host_info;
    d->host_info.started_ns = clock_real_ns();
}

static int make_core(struct daemon *d, struct err *err)
{
    struct core *core = &d->core;
    char database[PATH_BYTES];
    core->loop = loop_new(err);
    if (!core->loop)
        return -1;
    core->workers =
        workers_new(core->loop, "work", (size_t)d->config.workers, JOBS_QUEUED_MAX, err);
    if (!core->workers)
        return -1;
    fill_core(d);
    snprintf(database, sizeof(database), "%.480s/banger.db", core->config.state_dir);
    core->store = store_open(core->loop, database, err);
    return core->store ? core_open(core, err) : -1;
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    struct daemon *d = arg;
    return access_identify(&d->core, peer, err);
}

static int make_rpc(struct daemon *d, struct err *err)
{
    struct rpc_server_config config = {.identify = identify, .arg = d};
    settings_rpc(&d->config, &config);
    d->core.rpc_server = rpc_server_new(d->core.loop, &config, err);
    if (!d->core.rpc_server)
        return -1;
    return services_register(d->core.rpc_server, &d->core, err);
}

static void core_drained(void *arg)
{
    struct daemon *d = arg;
    loop_stop(d->core.loop);
}

/* No calls are left: builds are cancelled, their children end. */
static void rpc_drained(void *arg)
{
    struct daemon *d = arg;
    core_drain(&d->core, (int64_t)d->config.drain_ms, core_drained, d);
}

static void shut_down(void *arg)
{
    struct daemon *d = arg;
    if (d->stopping)
        return;
    d->stopping = true;
    log_info("bangerd", "stopping; VMs run on");
    rpc_server_drain(d->core.rpc_server, (int64_t)d->config.drain_ms, rpc_drained, d);
}

static void hung_up(void *arg, int signo)
{
    (void)signo;
    struct daemon *d = arg;
    if (!d->stopping)
        reload_start(d->reload);
}

static void caught(void *arg, int signo)
{
    (void)signo;
    shut_down(arg);
}

/* The socket's folder lets others through where its mode does; they still see nothing in it. */
static int open_folder(const struct daemon *d, struct err *err)
{
    char folder[PATHS_BYTES];
    struct stat st;
    snprintf(folder, sizeof(folder), "%s", d->config.paths.socket);
    dirname(folder);
    if ((d->config.socket_mode & 0066) == 0 || stat(folder, &st) < 0 || st.st_uid != geteuid() ||
        (st.st_mode & 0011) == 0011)
        return 0;
    return chmod(folder, (st.st_mode & 07777) | 0011) == 0
               ? 0
               : err_sys(err, errno, "cannot open %s to those of socket_mode", folder);
}

static int listen_unix(struct daemon *d, struct err *err)
{
    const char *path = d->config.paths.socket;
    if (open_folder(d, err) < 0 ||
        rpc_server_listen_unix(d->core.rpc_server, path, (mode_t)d->config.socket_mode, err) < 0)
        return -1;
    if (*d->config.socket_group && chown(path, (uid_t)-1, d->config.socket_gid) < 0)
        return err_sys(err, errno, "cannot give %s to group %s", path, d->config.socket_group);
    return 0;
}

/* What lived has been found again: now there is something true to say to clients. */
static void reconciled(void *arg)
{
    struct daemon *d = arg;
    if (d->stopping)
        return;
    if (listen_unix(d, &d->failure) < 0 || access_open(&d->core, &d->failure) < 0) {
        d->failed = true;
        loop_stop(d->core.loop);
        return;
    }
    log_info("bangerd", "version %s listens on %s, state in %s", BANGER_VERSION,
             d->config.paths.socket, d->core.config.state_dir);
    host_info_probe(&d->core, &d->host_info);
}

/* Who may come, and by which certificates. */
static int make_access(struct daemon *d, struct err *err)
{
    struct access_files files;
    settings_files(&d->config, &files);
    access_set_files(&d->core, &files);
    access_set_rules(&d->core, d->config.rules);
    d->config.rules = NULL;
    return access_prepare(&d->core, d->config.listen, err);
}

struct daemon *daemon_new(struct daemon_config *config, int argc, char **argv, struct err *err)
{
    struct daemon *d = calloc(1, sizeof(*d));
    if (!d) {
        config_done(config);
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    d->config = *config;
    d->lock_fd = -1;
    config->rules = NULL;
    if (make_folders(d, err) < 0 || lock_state(d, err) < 0 || find_agent(d, err) < 0 ||
        make_core(d, err) < 0 || make_rpc(d, err) < 0 || make_access(d, err) < 0)
        goto fail;
    d->reload = reload_new(&d->core, &d->config, argc, argv, err);
    if (!d->reload)
        goto fail;
    d->core.shut_down = shut_down;
    d->core.shut_down_arg = d;
    if (signal_watch_init(&d->term, d->core.loop, SIGTERM, caught, d) < 0 ||
        signal_watch_init(&d->interrupt, d->core.loop, SIGINT, caught, d) < 0 ||
        signal_watch_init(&d->hangup, d->core.loop, SIGHUP, hung_up, d) < 0) {
        err_set(err, ERR_LIMIT, "cannot watch signals");
        goto fail;
    }
    return d;
fail:
    daemon_free(d);
    return NULL;
}

int daemon_run(struct daemon *d, struct err *err)
{
    reconcile_start(&d->core, reconciled, d);
    if (loop_run(d->core.loop, err) < 0)
        return -1;
    if (d->failed) {
        *err = d->failure;
        return -1;
    }
    return 0;
}

void daemon_free(struct daemon *d)
{
    if (!d)
        return;
    struct core *core = &d->core;
    signal_watch_done(&d->term);
    signal_watch_done(&d->interrupt);
    signal_watch_done(&d->hangup);
    reload_free(d->reload);
    rpc_server_free(core->rpc_server);
    workers_close(core->workers); /* what jobs bring back finds the core still there */
    core_close(core);
    store_close(core->store);
    loop_free(core->loop);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    config_done(&d->config);
    free(d);
}

int daemon_restore(const struct daemon_config *config, struct err *err)
{
    struct daemon *d = calloc(1, sizeof(*d));
    char database[PATH_BYTES];
    if (!d)
        return err_set(err, ERR_LIMIT, "out of memory");
    d->config = *config;
    d->lock_fd = -1;
    int rc = make_folders(d, err) < 0 || lock_state(d, err) < 0 ? -1 : 0;
    snprintf(database, sizeof(database), "%.480s/banger.db", d->config.paths.state_dir);
    if (rc == 0)
        rc = store_restore(database, config->restore_backup, err);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    free(d);
    return rc;
}
