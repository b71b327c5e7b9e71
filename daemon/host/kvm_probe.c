/* KVM tried and not assumed; see kvm_probe.h.
 *
 * The trial is what a VM would be: the microvm machine, -cpu host, the very kernel. It gets no
 * root, so it panics, which with panic=-1 and -no-reboot ends qemu with status 0; the panic on the
 * console proves that timers, interrupts and all of the boot worked. */
#include "daemon/host/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/process.h"
#include "daemon/host/run.h"

static const char qemu_verdict[] = "kvm-verdict.json";

enum { KVM_PROBE_CACHE_BYTES = 16384, KVM_PROBE_KEY_BYTES = 2 * PATH_MAX + 256 };

bool kvm_device_open(struct kvm_verdict *v)
{
    auto_fd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return true;
    *v = (struct kvm_verdict){.usable = false};
    if (errno == ENOENT)
        snprintf(v->reason, sizeof(v->reason),
                 "there is no /dev/kvm: enable virtualisation in the firmware, or nested "
                 "virtualisation in the hypervisor above");
    else if (errno == EACCES || errno == EPERM)
        snprintf(v->reason, sizeof(v->reason),
                 "no access to /dev/kvm: add this user to its group, usually kvm");
    else
        snprintf(v->reason, sizeof(v->reason), "/dev/kvm does not open: %s", strerror(errno));
    return false;
}

/* A verdict holds for this boot of the host, this qemu and this kernel. */
static int kvm_probe_key(const char *qemu, const char *vmlinux, char key[KVM_PROBE_KEY_BYTES],
                         struct err *err)
{
    char boot_id[PROCESS_BOOT_ID_BYTES];
    struct stat q, k;
    if (process_boot_id(boot_id, err) < 0)
        return -1;
    if (stat(qemu, &q) < 0)
        return err_sys(err, errno, "cannot look at %s", qemu);
    if (stat(vmlinux, &k) < 0)
        return err_sys(err, errno, "cannot look at the kernel %s", vmlinux);
    snprintf(key, KVM_PROBE_KEY_BYTES, "%s %s:%lld.%09ld:%lld %s:%lld.%09ld:%lld", boot_id, qemu,
             (long long)q.st_mtim.tv_sec, q.st_mtim.tv_nsec, (long long)q.st_size, vmlinux,
             (long long)k.st_mtim.tv_sec, k.st_mtim.tv_nsec, (long long)k.st_size);
    return 0;
}

static int kvm_probe_cache_path(const char *state_dir, const char *file, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/%s", state_dir, file) < PATH_MAX ? 0 : -1;
}

/* Anything but a whole, fitting verdict counts as none. key: the whole of it, or its beginning up
 * to a blank. */
static bool kvm_probe_load(const char *path, const char *key, struct kvm_verdict *v)
{
    size_t key_len = strlen(key);
    bool beginning = key_len > 0 && key[key_len - 1] == ' ';
    auto_free char *text = NULL;
    size_t len;
    if (fs_read_own(path, KVM_PROBE_CACHE_BYTES, &text, &len, NULL) < 0)
        return false;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *stored_key = NULL, *reason = NULL;
    int usable = 0;
    bool fits = root &&
                json_unpack(root, "{s:s, s:b, s:s}", "key", &stored_key, "usable", &usable,
                            "reason", &reason) == 0 &&
                strncmp(stored_key, key, key_len) == 0 && (beginning || !stored_key[key_len]);
    if (fits) {
        *v = (struct kvm_verdict){.usable = usable, .cached = true};
        snprintf(v->reason, sizeof(v->reason), "%s", reason);
    }
    json_decref(root);
    return fits;
}

bool kvm_probe_recall_of(const char *file, const char *state_dir, struct kvm_verdict *v)
{
    char path[PATH_MAX], boot_id[PROCESS_BOOT_ID_BYTES], key[PROCESS_BOOT_ID_BYTES + 1];
    *v = (struct kvm_verdict){.usable = false};
    if (!state_dir || process_boot_id(boot_id, NULL) < 0 ||
        kvm_probe_cache_path(state_dir, file, path) < 0)
        return false;
    snprintf(key, sizeof(key), "%s ", boot_id);
    return kvm_probe_load(path, key, v);
}

bool kvm_probe_recall(const char *state_dir, struct kvm_verdict *v)
{
    return !kvm_device_open(v) || kvm_probe_recall_of(qemu_verdict, state_dir, v);
}

/* Losing it costs another probe, so failing is fine. */
static void kvm_probe_store(const char *path, const char *key, const struct kvm_verdict *v)
{
    json_t *root =
        json_pack("{s:s, s:b, s:s}", "key", key, "usable", (int)v->usable, "reason", v->reason);
    auto_free char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    if (text)
        fs_write_atomic(path, text, strlen(text), 0600, NULL);
    json_decref(root);
}

static void kvm_probe_judge(const char *what, const struct run_result *r, struct kvm_verdict *v)
{
    *v = (struct kvm_verdict){.usable = r->code == 0 && strstr(r->out, "Kernel panic")};
    if (v->usable) {
        snprintf(v->reason, sizeof(v->reason), "a kernel booted under KVM");
        return;
    }
    const char *line = r->out;
    int n = (int)strcspn(line, "\r\n");
    if (r->signo)
        snprintf(v->reason, sizeof(v->reason), "%s was ended by signal %d: %.*s", what, r->signo,
                 n > 250 ? 250 : n, line);
    else
        snprintf(v->reason, sizeof(v->reason), "%s ended with code %d: %.*s", what, r->code,
                 n > 250 ? 250 : n, line);
}

static int kvm_probe_boot(const struct kvm_trial *t, int cancel_fd, struct kvm_verdict *v,
                          struct err *err)
{
    auto_free struct run_result *r = malloc(sizeof(*r));
    if (!r)
        return err_sys(err, ENOMEM, "cannot try KVM");
    struct err why = ERR_INIT;
    int rc = run_program(t->argv, t->boot_ms, cancel_fd, r, &why);
    /* It runs, but slowly: a KVM inside an emulated machine takes half a minute. */
    if (rc < 0 && why.code == ERR_DEADLINE && strstr(r->out, "Linux version")) {
        err_clear(&why);
        rc = run_program(t->argv, KVM_PROBE_SLOW_MS, cancel_fd, r, &why);
    }
    if (rc == 0) {
        kvm_probe_judge(t->what, r, v);
        return 0;
    }
    if (why.code != ERR_DEADLINE) {
        if (err)
            *err = why;
        return err_wrap(err, "cannot try KVM");
    }
    *v = (struct kvm_verdict){.usable = false};
    snprintf(v->reason, sizeof(v->reason), "/dev/kvm opens, but a kernel did not boot with it (%s)",
             r->out_len ? "it hung on the way" : "not one instruction seems to run");
    return 0;
}

int kvm_probe_try(const struct kvm_trial *t, const char *vmlinux, const char *state_dir,
                  int cancel_fd, struct kvm_verdict *v, struct err *err)
{
    char path[PATH_MAX];
    auto_free char *key = malloc(KVM_PROBE_KEY_BYTES);
    if (!key)
        return err_sys(err, ENOMEM, "cannot try KVM");
    if (kvm_probe_key(t->argv[0], vmlinux, key, err) < 0)
        return -1;
    bool keep = state_dir && kvm_probe_cache_path(state_dir, t->file, path) == 0;
    if (keep && kvm_probe_load(path, key, v))
        return 0;
    if (kvm_probe_boot(t, cancel_fd, v, err) < 0)
        return -1;
    if (keep)
        kvm_probe_store(path, key, v);
    return 0;
}

int kvm_probe(const char *qemu, const char *vmlinux, const char *state_dir, int cancel_fd,
              struct kvm_verdict *v, struct err *err)
{
    const char *argv[] = {qemu,
                          "-M",
                          "microvm,accel=kvm",
                          "-cpu",
                          "host",
                          "-m",
                          "128",
                          "-smp",
                          "1",
                          "-no-user-config",
                          "-nodefaults",
                          "-display",
                          "none",
                          "-no-reboot",
                          "-kernel",
                          vmlinux,
                          "-append",
                          "console=ttyS0 reboot=t panic=-1 loglevel=6 mitigations=off",
                          "-serial",
                          "stdio",
                          NULL};
    const struct kvm_trial trial = {
        .what = "qemu with KVM", .file = qemu_verdict, .argv = argv, .boot_ms = KVM_PROBE_BOOT_MS};
    if (!kvm_device_open(v))
        return 0;
    return kvm_probe_try(&trial, vmlinux, state_dir, cancel_fd, v, err);
}
