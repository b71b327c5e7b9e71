/* Probing qemu on a worker; see qemu_probe.h. */
#include "daemon/vmm/qemu_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/search_path.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/run.h"
#include "daemon/host/tsc.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

enum { QEMU_VERSION_MS = 5000 };

int qemu_find_program(const struct vmm_host *host, char path[PATH_BYTES], struct err *err)
{
    const char *name = host->qemu_path ? host->qemu_path : "qemu-system-x86_64";
    if (strchr(name, '/')) {
        snprintf(path, PATH_BYTES, "%s", name);
        if (access(path, X_OK) == 0)
            return 0;
        return err_sys(err, errno, "cannot run %s", path);
    }
    if (search_path(name, NULL, path, PATH_BYTES))
        return 0;
    err_set(err, ERR_NOT_FOUND, "%s is not installed: apt install qemu-system-x86", name);
    return err_tag(err, "QEMU_NOT_FOUND", NULL);
}

struct qemu_probe_job {
    struct job job;
    struct vmm_host *host; /* the loop's, but for its strings */
    void (*done)(void *arg, const struct vmm_probe_result *result);
    void *arg;
    bool kvm_known, kvm_usable;
    struct vmm_probe_result result;
    struct run_result run;
};

static int qemu_probe_version(struct qemu_probe_job *j, const char *program, struct err *err)
{
    const char *argv[] = {program, "--version", NULL};
    if (run_program(argv, QEMU_VERSION_MS, -1, &j->run, err) < 0)
        return -1;
    const char *at = strstr(j->run.out, "version ");
    if (j->run.code != 0 || !at)
        return err_set(err, ERR_UNAVAILABLE, "%s --version failed: %.200s", program, j->run.out);
    at += strlen("version ");
    snprintf(j->result.version, sizeof(j->result.version), "%.*s", (int)strcspn(at, " \n"), at);
    return 0;
}

static void qemu_probe_kvm(struct qemu_probe_job *j, const char *program)
{
    struct kvm_verdict v;
    struct err err = ERR_INIT;
    if (!j->host->probe_kernel) {
        j->kvm_known = !kvm_device_open(&v);
        if (!j->kvm_known)
            snprintf(v.reason, sizeof(v.reason), "there is /dev/kvm; the first start tries it");
    } else if (kvm_probe(program, j->host->probe_kernel, j->host->state_dir, -1, &v, &err) < 0) {
        snprintf(v.reason, sizeof(v.reason), "%.300s", err.message);
    } else {
        j->kvm_known = true;
        j->kvm_usable = v.usable;
    }
    snprintf(j->result.accelerator, sizeof(j->result.accelerator), "%s",
             j->kvm_usable ? "kvm" : "tcg");
    if (!j->kvm_usable)
        snprintf(j->result.explanation, sizeof(j->result.explanation),
                 "guests run emulated (TCG): %s", v.reason);
}

static void qemu_probe_run(struct job *job)
{
    struct qemu_probe_job *j = container_of(job, struct qemu_probe_job, job);
    char program[PATH_BYTES];
    struct err err = ERR_INIT;
    snprintf(j->result.accelerator, sizeof(j->result.accelerator), "none");
    if (qemu_find_program(j->host, program, &err) < 0 || qemu_probe_version(j, program, &err) < 0) {
        snprintf(j->result.explanation, sizeof(j->result.explanation), "%.500s", err.message);
        return;
    }
    j->result.usable = true;
    qemu_probe_kvm(j, program);
    tsc_khz(); /* measured here rather than in somebody's first start */
}

static void qemu_probe_back(struct job *job)
{
    struct qemu_probe_job *j = container_of(job, struct qemu_probe_job, job);
    if (j->kvm_known) {
        j->host->kvm_known = true;
        j->host->kvm_usable = j->kvm_usable;
    }
    j->done(j->arg, &j->result);
    free(j);
}

static void qemu_probe_refused(void *arg)
{
    qemu_probe_back(arg);
}

void qemu_probe(struct vmm_host *host,
                void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    struct qemu_probe_job *j = calloc(1, sizeof(*j));
    if (!j)
        abort(); /* at start-up, with nothing under way */
    j->job = (struct job){.run = qemu_probe_run, .done = qemu_probe_back};
    j->host = host;
    j->done = done;
    j->arg = arg;
    struct err err = ERR_INIT;
    if (workers_submit(host->slow, &j->job, &err) == 0)
        return;
    snprintf(j->result.explanation, sizeof(j->result.explanation), "%.500s", err.message);
    if (loop_post(host->loop, qemu_probe_refused, &j->job) < 0)
        abort();
}
