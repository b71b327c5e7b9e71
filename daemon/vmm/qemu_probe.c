/* Probing qemu on a worker; see qemu_probe.h. */
#include "daemon/vmm/qemu_probe.h"

#include <stdio.h>

#include "base/err.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/tsc.h"
#include "daemon/vmm/probe.h"
#include "daemon/vmm/user_net.h"

int qemu_find_program(const struct vmm_host *host, char path[PATH_BYTES], struct err *err)
{
    return probe_find_program(host->qemu_path, "qemu-system-x86_64", "apt install qemu-system-x86",
                              "QEMU_NOT_FOUND", path, err);
}

static void qemu_probe_kvm(struct probe_job *j, const char *program)
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

static void qemu_look(struct probe_job *j)
{
    char program[PATH_BYTES];
    struct err err = ERR_INIT;
    if (qemu_find_program(j->host, program, &err) < 0 ||
        probe_version(j, program, "version ", &err) < 0) {
        snprintf(j->result.explanation, sizeof(j->result.explanation), "%.500s", err.message);
        return;
    }
    j->result.usable = true;
    j->result.network_safe = user_net_explain(j->host, j->result.network);
    qemu_probe_kvm(j, program);
    tsc_khz(); /* measured here rather than in somebody's first start */
}

void qemu_probe(struct vmm_host *host,
                void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    probe_submit(host, qemu_look, done, arg);
}
