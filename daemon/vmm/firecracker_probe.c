/* Probing Firecracker on a worker; see firecracker_probe.h. */
#include "daemon/vmm/firecracker_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/vmm/firecracker_jail.h"
#include "daemon/vmm/probe.h"

#define FIRECRACKER_INSTALL                                                                        \
    "put a release of https://github.com/firecracker-microvm/firecracker into PATH"

/* A busy host is no reason to do without it until it is booted anew; nobody waits for this. */
enum { TRIAL_MS = 20000 };

static const char verdict_file[] = "kvm-verdict-firecracker.json";

int firecracker_find_program(const struct vmm_host *host, char path[PATH_BYTES], struct err *err)
{
    return probe_find_program(host->firecracker_path, "firecracker", FIRECRACKER_INSTALL,
                              "FIRECRACKER_NOT_FOUND", path, err);
}

bool firecracker_is_old(const char *version)
{
    static const unsigned good[] = {1, 16, 2};
    unsigned have[3];
    if (sscanf(version, "%u.%u.%u", &have[0], &have[1], &have[2]) != 3)
        return true;
    for (int i = 0; i < 3; i++)
        if (have[i] != good[i])
            return have[i] < good[i];
    return false;
}

/* What the trial's guest is made of, for --config-file. */
static int write_trial(const char *vmlinux, char path[PATH_BYTES], struct err *err)
{
    static const char line[] = "console=ttyS0 reboot=k panic=-1 loglevel=6 pci=off "
                               "8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.dumbkbd";
    const char *dir = getenv("TMPDIR");
    snprintf(path, PATH_BYTES, "%s/banger-trial-XXXXXX", dir ? dir : "/tmp");
    auto_fd int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot make %s", path);
    json_t *root = json_pack("{s:{s:s, s:s}, s:{s:i, s:i}, s:[]}", "boot-source",
                             "kernel_image_path", vmlinux, "boot_args", line, "machine-config",
                             "vcpu_count", 1, "mem_size_mib", 128, "drives");
    int rc = root ? json_dumpfd(root, fd, JSON_COMPACT) : -1;
    json_decref(root);
    if (rc == 0)
        return 0;
    unlink(path);
    return err_sys(err, errno ? errno : ENOMEM, "cannot write %s", path);
}

/* Whatever /dev/kvm says: a kernel is booted with it, to its end. */
static int try_it(const struct vmm_host *host, const char *program, struct kvm_verdict *verdict,
                  struct err *err)
{
    char path[PATH_BYTES];
    if (write_trial(host->probe_kernel, path, err) < 0)
        return -1;
    const char *argv[] = {program, "--no-api", "--config-file", path, "--id", "banger-trial", NULL};
    const struct kvm_trial trial = {
        .what = "firecracker", .file = verdict_file, .argv = argv, .boot_ms = TRIAL_MS};
    int rc = kvm_probe_try(&trial, host->probe_kernel, host->state_dir, -1, verdict, err);
    unlink(path);
    return rc;
}

int firecracker_check(const struct vmm_host *host, struct err *err)
{
    struct kvm_verdict v;
    if (!kvm_probe_recall_of(verdict_file, host->state_dir, &v) || v.usable)
        return 0;
    err_set(err, ERR_PRECONDITION, "firecracker runs no guest on this host: %s", v.reason);
    return err_tag(err, "KVM_UNUSABLE", NULL);
}

/* What people have to know of one that works. */
static void warn_of_age(struct vmm_probe_result *r)
{
    if (firecracker_is_old(r->version))
        snprintf(r->explanation, sizeof(r->explanation),
                 "version %s is older than 1.16.2: guests may get out of it (CVE-2026-122192, "
                 "CVE-2026-1386)",
                 r->version);
}

static void look_at_kvm(struct probe_job *j, const char *program)
{
    struct kvm_verdict v = {.usable = false};
    struct err err = ERR_INIT;
    struct vmm_probe_result *r = &j->result;
    if (!j->host->probe_kernel) {
        r->usable = kvm_device_open(&v);
        if (r->usable)
            snprintf(v.reason, sizeof(v.reason), "there is /dev/kvm; the first start tries it");
    } else if (try_it(j->host, program, &v, &err) < 0) {
        snprintf(v.reason, sizeof(v.reason), "%.300s", err.message);
    } else {
        r->usable = v.usable;
    }
    if (r->usable)
        snprintf(r->accelerator, sizeof(r->accelerator), "kvm");
    if (r->usable && v.usable)
        warn_of_age(r);
    else
        snprintf(r->explanation, sizeof(r->explanation), "%s", v.reason);
}

/* A jailer goes with the Firecracker of its release, and with no other. */
static int look_at_jailer(struct probe_job *j, struct err *err)
{
    char jailer[PATH_BYTES], version[sizeof(j->result.version)];
    if (!j->host->firecracker_jailed)
        return 0;
    memcpy(version, j->result.version, sizeof(version));
    if (firecracker_jail_find(j->host, jailer, err) < 0 ||
        probe_version(j, jailer, "Jailer v", err) < 0)
        return -1;
    if (strcmp(version, j->result.version) == 0)
        return 0;
    err_set(err, ERR_PRECONDITION, "%s is of version %s, firecracker of %s", jailer,
            j->result.version, version);
    memcpy(j->result.version, version, sizeof(version));
    return -1;
}

static void look(struct probe_job *j)
{
    char program[PATH_BYTES];
    struct err err = ERR_INIT;
    if (firecracker_find_program(j->host, program, &err) == 0 &&
        probe_version(j, program, "Firecracker v", &err) == 0 && look_at_jailer(j, &err) == 0)
        look_at_kvm(j, program);
    else
        snprintf(j->result.explanation, sizeof(j->result.explanation), "%.500s", err.message);
}

void firecracker_probe(struct vmm_host *host,
                       void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    probe_submit(host, look, done, arg);
}
