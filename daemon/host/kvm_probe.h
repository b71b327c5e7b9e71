/* Does KVM run a guest here? /dev/kvm being there says little: under some hypervisors it opens,
 * takes every ioctl and then never executes the guest. So a kernel is booted with it, to its end,
 * and the verdict is kept for this boot of the host. Blocking for up to KVM_PROBE_BOOT_MS (and
 * KVM_PROBE_SLOW_MS more where a kernel begins to boot but is slow): on a worker. */
#ifndef BANGER_DAEMON_HOST_KVM_PROBE_H
#define BANGER_DAEMON_HOST_KVM_PROBE_H

#include <stdbool.h>

struct err;

enum { KVM_PROBE_BOOT_MS = 5000, KVM_PROBE_SLOW_MS = 60000 };

struct kvm_verdict {
    bool usable;
    bool cached;      /* found in the state folder, nothing was booted */
    char reason[384]; /* what was seen, and what to do about it */
};

/* A VMM that is to boot the kernel, say its words on its output, and end with 0 when that panics.
 */
struct kvm_trial {
    const char *what;        /* for people */
    const char *file;        /* of the state folder: where the verdict is kept */
    const char *const *argv; /* an absolute path first */
    int boot_ms;             /* by then it has begun to speak, or never will */
};

/* vmlinux: an absolute path, of which the trial's argv knows. state_dir NULL: the verdict is not
 * kept. -1 only when cancelled (cancel_fd readable) or when the verdict could not be found; then
 * nothing is known. */
int kvm_probe_try(const struct kvm_trial *trial, const char *vmlinux, const char *state_dir,
                  int cancel_fd, struct kvm_verdict *verdict, struct err *err);
/* The same with qemu, where the device is there. qemu and vmlinux: absolute paths. state_dir NULL:
 * the verdict is not kept. -1 only when cancelled (cancel_fd readable) or when the verdict could
 * not be found; then nothing is known. */
int kvm_probe(const char *qemu, const char *vmlinux, const char *state_dir, int cancel_fd,
              struct kvm_verdict *verdict, struct err *err);
/* The cheap half: false with a reason where /dev/kvm is missing or closed to us. */
bool kvm_device_open(struct kvm_verdict *verdict);
/* What is known without booting anything: the device, else the latest verdict of this boot of the
 * host, whatever its kernel. False: nothing is. */
bool kvm_probe_recall(const char *state_dir, struct kvm_verdict *verdict);
/* The verdict alone, of the trial that keeps it in this file. */
bool kvm_probe_recall_of(const char *file, const char *state_dir, struct kvm_verdict *verdict);

#endif
