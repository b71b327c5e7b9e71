/* How this machine runs the test host (scripts/test-host): prints arguments for qemu and for the
 * kernel that it boots, a line each.
 *
 *   test_host VMLINUX
 *
 * With KVM where that runs guests here and gives them KVM in turn; else emulated, with SVM, and
 * with the frequency of a counter that the kernel cannot measure then. */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/tsc.h"

static const char qemu_path[] = "/usr/bin/qemu-system-x86_64";

static bool says_yes(const char *path)
{
    auto_free char *text = NULL;
    return fs_read(path, 16, &text, NULL, NULL) == 0 && (text[0] == 'Y' || text[0] == '1');
}

static bool kvm_nests(const char *vmlinux)
{
    struct err err = ERR_INIT;
    struct kvm_verdict verdict;
    if (!says_yes("/sys/module/kvm_amd/parameters/nested") &&
        !says_yes("/sys/module/kvm_intel/parameters/nested"))
        return false;
    if (kvm_probe(qemu_path, vmlinux, NULL, -1, &verdict, &err) < 0) {
        fprintf(stderr, "test_host: %s\n", err.message);
        return false;
    }
    return verdict.usable;
}

int main(int argc, char **argv)
{
    char vmlinux[PATH_MAX];
    if (argc != 2 || !realpath(argv[1], vmlinux)) {
        fprintf(stderr, "usage: test_host VMLINUX\n");
        return 2;
    }
    bool kvm = kvm_nests(vmlinux);
    puts(kvm ? "-accel kvm -cpu host" : "-accel tcg,thread=multi,tb-size=512 -cpu max,+svm,+npt");
    if (!kvm && tsc_khz())
        printf("tsc_early_khz=%u ", tsc_khz());
    puts("tsc=reliable");
    return 0;
}
