/* Looking at a VMM; see probe.h. */
#include "daemon/vmm/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/search_path.h"
#include "rpc/event/loop.h"

int probe_find_program(const char *configured, const char *name, const char *install,
                       const char *reason, char path[PATH_BYTES], struct err *err)
{
    if (configured)
        name = configured;
    if (strchr(name, '/')) {
        snprintf(path, PATH_BYTES, "%s", name);
        if (access(path, X_OK) == 0)
            return 0;
        return err_sys(err, errno, "cannot run %s", path);
    }
    if (search_path(name, NULL, path, PATH_BYTES))
        return 0;
    err_set(err, ERR_NOT_FOUND, "%s is not installed: %s", name, install);
    return err_tag(err, reason, NULL);
}

int probe_version(struct probe_job *j, const char *program, const char *word, struct err *err)
{
    const char *argv[] = {program, "--version", NULL};
    if (run_program(argv, PROBE_VERSION_MS, -1, &j->run, err) < 0)
        return -1;
    const char *at = strstr(j->run.out, word);
    if (j->run.code != 0 || !at)
        return err_set(err, ERR_UNAVAILABLE, "%s --version failed: %.200s", program, j->run.out);
    at += strlen(word);
    snprintf(j->result.version, sizeof(j->result.version), "%.*s", (int)strcspn(at, " \n"), at);
    return 0;
}

static void probe_run(struct job *job)
{
    struct probe_job *j = container_of(job, struct probe_job, job);
    j->look(j);
}

static void probe_back(struct job *job)
{
    struct probe_job *j = container_of(job, struct probe_job, job);
    if (j->kvm_known) {
        j->host->kvm_known = true;
        j->host->kvm_usable = j->kvm_usable;
    }
    j->done(j->arg, &j->result);
    free(j);
}

static void probe_refused(void *arg)
{
    probe_back(arg);
}

void probe_submit(struct vmm_host *host, void (*look)(struct probe_job *j),
                  void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    struct probe_job *j = calloc(1, sizeof(*j));
    if (!j)
        abort(); /* at start-up, with nothing under way */
    j->job = (struct job){.run = probe_run, .done = probe_back};
    j->host = host;
    j->look = look;
    j->done = done;
    j->arg = arg;
    snprintf(j->result.accelerator, sizeof(j->result.accelerator), "none");
    struct err err = ERR_INIT;
    if (workers_submit(host->slow, &j->job, &err) == 0)
        return;
    snprintf(j->result.explanation, sizeof(j->result.explanation), "%.500s", err.message);
    if (loop_post(host->loop, probe_refused, &j->job) < 0)
        abort();
}
