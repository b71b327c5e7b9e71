/* The composition root; see server.h.
 *
 * Order at start: lock the state folder, read the store, adopt what lives (reconcile), listen. At
 * the end: stop listening and let calls end, then close from the top down. */
#include "daemon/server.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/programs.h"
#include "base/version.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/supervise/host_info.h"
#include "daemon/core/supervise/reconcile.h"
#include "daemon/host/scope.h"
#include "daemon/notify.h"
#include "daemon/upkeep.h"
#include "daemon/reload.h"
#include "daemon/service/service.h"
#include "daemon/store/store.h"
#include "daemon/settings.h"
#include "daemon/priv/priv_call.h"
#include "daemon/state_dir.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/event/worker.h"

enum {
    LOCK_WAIT_MS = 11000, /* for a daemon that is ending: its commits, above both its graces */
    STATE_PATH_MAX = 72,  /* + /vms/ID/agent.sock must fit a Unix socket's 107 bytes */
    JOBS_QUEUED_MAX = 4096,
};

struct daemon {
    struct daemon_config config;
    struct core core;
    struct vmm_host vmm_host;
    struct host_info host_info;
    struct signal_watch term, interrupt, hangup;
    struct reload *reload;
    char agent_path[PROGRAM_PATH_BYTES];
    struct state_dir state;
    int given; /* socket of the service manager's, until it is listened on; -1 */
    struct notify *notify;
    struct upkeep *upkeep;
    bool stopping, failed;
    struct err failure;
};

static int open_state(struct daemon *d, struct err *err)
{
    const char *path = d->config.paths.state_dir;
    if (strlen(path) > STATE_PATH_MAX)
        return err_set(
            err, ERR_INVALID,
            "state folder %s: the path is %zu characters long, at most %d leave room for "
            "the sockets in it; choose a shorter --state-dir",
            path, strlen(path), STATE_PATH_MAX);
    return state_dir_open(&d->state, &d->config.paths, BANGER_VERSION,
                          LOCK_WAIT_MS + 2 * (int64_t)d->config.drain_ms, err);
}

/* --agent goes before what is found beside the program. */
static int find_agent(struct daemon *d, struct err *err)
{
    if (!*d->config.agent_path)
        return program_find(PROGRAM_AGENT, NULL, d->agent_path, err) < 0
                   ? err_wrap(err, "cannot find the guest agent (say --agent PATH)")
                   : 0;
    if (!realpath(d->config.agent_path, d->agent_path))
        return err_sys(err, errno, "no guest agent at %s", d->config.agent_path);
    return 0;
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
    d->vmm_host.quick = d->core.quick;
    d->vmm_host.slow = d->core.slow;
    d->vmm_host.agent_path = d->agent_path;
    d->vmm_host.state_dir = c->state_dir;
    d->vmm_host.boot_timeout_ms = &c->boot_timeout_ms;
    d->vmm_host.slirp = strcmp(d->config.user_network, "slirp") == 0;
    d->vmm_host.firecracker_jailed = d->config.firecracker_jailer;
    d->vmm_host.firecracker_first_uid = (uint32_t)d->config.firecracker_first_uid;
    d->vmm_host.load_hint = handles_load;
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
    /* And one each that is kept for what frees. */
    core->quick =
        workers_new(core->loop, "quick", (size_t)d->config.workers + 1, JOBS_QUEUED_MAX, err);
    core->slow = core->quick ? workers_new(core->loop, "slow", (size_t)d->config.slow_workers + 1,
                                           JOBS_QUEUED_MAX, err)
                             : NULL;
    core->privileged = core->slow ? workers_new(core->loop, "privileged",
                                                (size_t)d->config.workers + 1, JOBS_QUEUED_MAX, err)
                                  : NULL;
    if (!core->privileged)
        return -1;
    fill_core(d);
    if (priv_use(&(struct priv_config){.state_dir = core->config.state_dir,
                                       .socket = d->config.priv_socket,
                                       .pool = d->config.guest_network},
                 err) < 0)
        return -1;
    /* SQLite opens all three, and would wait for the other end of a FIFO. */
    static const char *const files[] = {"banger.db-wal", "banger.db-shm", "banger.db"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(database, sizeof(database), "%.480s/%s", core->config.state_dir, files[i]);
        if (fs_check_own(database, err) < 0)
            return -1;
    }
    host_scope_choose(d->config.scopes);
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
    notify_stopping();
    upkeep_ending(d->upkeep);
    log_info("bangerd", "stopping; VMs run on");
    rpc_server_drain(d->core.rpc_server, (int64_t)d->config.drain_ms, rpc_drained, d);
}

static void hung_up(void *arg, int signo)
{
    (void)signo;
    struct daemon *d = arg;
    struct err err = ERR_INIT;
    if (log_file_reopen(&err) < 0)
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "the log stays where it is");
    if (!d->stopping)
        reload_start(d->reload);
}

static void caught(void *arg, int signo)
{
    (void)signo;
    shut_down(arg);
}

/* The state folder is another daemon's, or gone: nothing more is changed, and VMs run on. */
static void state_lost(void *arg, const struct err *why)
{
    struct daemon *d = arg;
    log_err(LOG_LEVEL_ERROR, "bangerd", why, "cannot serve any more");
    d->failed = true;
    d->failure = *why;
    shut_down(d);
}

/* Now there is something true to say to clients. */
static void start_listening(void *arg)
{
    struct daemon *d = arg;
    if (d->stopping)
        return;
    int given = d->given;
    d->given = -1;
    if (upkeep_listen(d->upkeep, given, &d->failure) < 0) {
        d->failed = true;
        loop_stop(d->core.loop);
        return;
    }
    access_open(&d->core);
    notify_ready();
    log_info("bangerd", "version %s listens on %s, state in %s", BANGER_VERSION,
             d->config.paths.socket, d->core.config.state_dir);
    host_info_probe(&d->core, &d->host_info);
}

static void found_is_seen(void *arg, const struct err *err)
{
    struct daemon *d = arg;
    (void)err; /* what is shown meanwhile is what was true before */
    if (!d->stopping)
        access_settle(&d->core, start_listening, d);
}

/* What lived has been found again, and is seen when it is on disk: behind all that, unless the disk
 * refuses. */
static void reconciled(void *arg)
{
    struct daemon *d = arg;
    if (!d->stopping)
        store_propose(d->core.store, store_txn_new(), found_is_seen, d);
}

/* Who may come, and by which certificates. */
static void make_access(struct daemon *d)
{
    struct access_files files;
    settings_files(&d->config, &files);
    access_set_rules(&d->core, d->config.rules);
    d->config.rules = NULL;
    access_prepare(&d->core, d->config.listen, &files);
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
    d->given = notify_take_socket(config->paths.socket);
    d->state.dir_fd = d->state.lock_fd = -1;
    config->rules = NULL;
    if (open_state(d, err) < 0 || find_agent(d, err) < 0 || make_core(d, err) < 0 ||
        make_rpc(d, err) < 0)
        goto fail;
    make_access(d);
    d->upkeep =
        upkeep_new(d->core.loop, d->core.rpc_server, &d->config, &d->state, state_lost, d, err);
    if (!d->upkeep)
        goto fail;
    d->reload = reload_new(&d->core, &d->config, argc, argv, err);
    d->notify = d->reload ? notify_new(d->core.loop, err) : NULL;
    if (!d->notify)
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
    notify_free(d->notify);
    reload_free(d->reload);
    upkeep_free(d->upkeep);
    rpc_server_free(core->rpc_server);
    workers_stop(core->slow); /* what jobs bring back finds the core still there */
    workers_stop(core->quick);
    workers_stop(core->privileged);
    priv_end();
    core_close(core);
    store_close(core->store);
    workers_free(core->slow); /* the store's last answers may have come to submit, in vain */
    workers_free(core->quick);
    workers_free(core->privileged);
    loop_free(core->loop);
    state_dir_close(&d->state);
    if (d->given >= 0)
        close(d->given);
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
    d->state.dir_fd = d->state.lock_fd = -1;
    snprintf(database, sizeof(database), "%.480s/banger.db", config->paths.state_dir);
    int rc = open_state(d, err);
    if (rc == 0)
        rc = store_restore(database, config->restore_backup, err);
    state_dir_close(&d->state);
    free(d);
    return rc;
}
