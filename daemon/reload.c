/* The configuration while the daemon runs; see reload.h.
 *
 * A file with an error changes nothing of the configuration. Certificates, authorities and
 * revocation lists are read again all the same: a revocation must not wait for somebody to find a
 * typing error. */
#include "daemon/reload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "daemon/config.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "daemon/settings.h"
#include "rpc/event/server.h"
#include "rpc/event/worker.h"

struct reload {
    struct job job;
    struct core *core;            /* borrowed */
    struct daemon_config *config; /* borrowed: in use */
    int argc;
    char **argv; /* borrowed */
    /* The job's while it runs. */
    struct daemon_config next;
    struct config_errors errors;
    int result;
    struct workers *workers; /* one; made at the first time */
    bool running, again, closing;
    bool reading;     /* the certificates: access has us until it calls back */
    size_t n_changed; /* keys that took effect */
};

struct reload *reload_new(struct core *core, struct daemon_config *config, int argc, char **argv,
                          struct err *err)
{
    struct reload *r = calloc(1, sizeof(*r));
    if (!r) {
        err_sys(err, ENOMEM, "reload");
        return NULL;
    }
    r->core = core;
    r->config = config;
    r->argc = argc;
    r->argv = argv;
    return r;
}

void reload_free(struct reload *r)
{
    if (!r)
        return;
    r->closing = true;
    workers_close(r->workers);
    if (!r->reading)
        free(r);
}

/* It was freed while access had it. */
static void end(struct reload *r)
{
    if (r->result == 0)
        config_done(&r->next);
    free(r);
}

/* On the worker. */
static void read_config(struct job *job)
{
    struct reload *r = container_of(job, struct reload, job);
    r->errors.n = 0;
    r->result = config_read(&r->next, r->argc, r->argv, &r->errors);
}

static void tell_errors(const struct reload *r)
{
    for (size_t i = 0; i < r->errors.n && i < CONFIG_ERRORS_MAX; i++)
        log_error("bangerd", "%s", r->errors.text[i]);
    log_error("bangerd", "the configuration has %zu errors; the one in use stays", r->errors.n);
}

static void take_key(void *arg, const char *key, bool reloads)
{
    struct reload *r = arg;
    if (!reloads) {
        log_warn("bangerd", "%s has changed, which needs a restart", key);
        return;
    }
    config_copy_key(r->config, &r->next, key);
    r->n_changed++;
    log_info("bangerd", "%s has changed", key);
}

static void put_in_force(struct reload *r)
{
    struct rpc_server_config limits = {0};
    struct err err = ERR_INIT;
    r->n_changed = 0;
    config_compare(r->config, &r->next, take_key, r);
    settings_core(r->config, &r->core->config);
    settings_rpc(r->config, &limits);
    if (settings_log(r->config, &err) < 0)
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "the log stays where it is");
    rpc_server_set_limits(r->core->rpc_server, &limits);
}

static void take_rules(struct reload *r)
{
    struct access_rules *rules = r->next.rules;
    r->next.rules = NULL;
    size_t n = access_set_rules(r->core, rules);
    if (n > 0)
        log_info("bangerd", "%zu connections are cut: their users, groups or peers have changed",
                 n);
}

/* The last step, whatever came of the certificates. */
static void finish(struct reload *r)
{
    r->running = false;
    if (r->result == 0) {
        take_rules(r);
        config_done(&r->next);
        log_info("bangerd", "the configuration is read anew, %zu keys have changed", r->n_changed);
    }
    if (r->again)
        reload_start(r);
}

static void tell_certificates(const struct err *err)
{
    if (err)
        log_err(LOG_LEVEL_ERROR, "bangerd", err, "reload failed, the old certificates stay");
    else
        log_info("bangerd", "certificates are read anew");
}

static void certificates_read(void *arg, const struct err *err)
{
    struct reload *r = arg;
    r->reading = false;
    if (r->closing) {
        end(r);
        return;
    }
    tell_certificates(err);
    finish(r);
}

/* With the new files if they will do, else with the old ones. */
static void reload_certificates(struct reload *r)
{
    struct access_files files;
    struct err err = ERR_INIT;
    settings_files(r->config, &files);
    r->reading = access_reload(r->core, &files, certificates_read, r, &err) == 0;
    if (r->reading)
        return;
    tell_certificates(&err);
    finish(r);
}

static void config_is_read(struct job *job)
{
    struct reload *r = container_of(job, struct reload, job);
    if (r->closing) {
        if (r->result == 0)
            config_done(&r->next);
        return;
    }
    if (r->result < 0)
        tell_errors(r);
    else
        put_in_force(r);
    reload_certificates(r);
}

void reload_start(struct reload *r)
{
    struct err err = ERR_INIT;
    r->again = r->running;
    if (r->running)
        return;
    r->job.run = read_config;
    r->job.done = config_is_read;
    if (!r->workers)
        r->workers = workers_new(r->core->loop, "config", 1, 1, &err);
    r->running = r->workers && workers_submit(r->workers, &r->job, &err) == 0;
    if (!r->running)
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "cannot read the configuration again");
}
