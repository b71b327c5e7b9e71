/* The KVM verdict with programs in qemu's place, and the TSC's frequency. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/tsc.h"
#include "tests/support/check.h"

static char dir[] = "/tmp/banger-kvm-XXXXXX";
static char kernel[64];

static const char *write_qemu(const char *name, const char *script)
{
    static char path[64];
    char text[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int n = snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    CHECK_INT(fs_write_atomic(path, text, (size_t)n, 0700, NULL), 0);
    return path;
}

static void check_verdict(const char *name, const char *script, bool usable, const char *reason)
{
    struct kvm_verdict v;
    struct err err = ERR_INIT;
    const char *qemu = write_qemu(name, script);
    CHECK_INT(kvm_probe(qemu, kernel, dir, -1, &v, &err), 0);
    CHECK_INT(v.usable, usable);
    CHECK(!v.cached);
    CHECK_CONTAINS(v.reason, reason);
    CHECK_INT(kvm_probe(qemu, kernel, dir, -1, &v, &err), 0);
    CHECK_INT(v.usable, usable);
    CHECK(v.cached);
    CHECK_CONTAINS(v.reason, reason);
}

static void test_verdicts(void)
{
    struct kvm_verdict v;
    if (!kvm_device_open(&v)) {
        printf("     no /dev/kvm to try: %s\n", v.reason);
        CHECK(v.reason[0]);
        return;
    }
    check_verdict("good", "echo 'Kernel panic - not syncing'; exit 0", true, "booted under KVM");
    check_verdict("silent", "exit 0", false, "ended with code 0");
    check_verdict("broken", "echo 'failed to set MSR' >&2; kill -6 $$", false, "failed to set MSR");
    check_verdict("refused", "echo 'no such machine' >&2; exit 1", false,
                  "code 1: no such machine");
}

static void test_hang_is_noticed(void)
{
    struct kvm_verdict v;
    struct err err = ERR_INIT;
    if (!kvm_device_open(&v))
        return;
    int64_t begun = clock_mono_ms();
    CHECK_INT(kvm_probe(write_qemu("hangs", "sleep 1000"), kernel, NULL, -1, &v, &err), 0);
    CHECK(!v.usable);
    CHECK_CONTAINS(v.reason, "not one instruction");
    CHECK(clock_mono_ms() - begun < KVM_PROBE_BOOT_MS + 3000);
}

static void test_broken_cache_is_no_verdict(void)
{
    struct kvm_verdict v;
    struct err err = ERR_INIT;
    char path[64];
    if (!kvm_device_open(&v))
        return;
    snprintf(path, sizeof(path), "%s/kvm-verdict.json", dir);
    static const char *const texts[] = {"", "{", "[]", "{\"key\": 1}",
                                        "{\"key\":\"x\",\"usable\":true}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        CHECK_INT(fs_write_atomic(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
        CHECK_INT(kvm_probe(write_qemu("silent", "exit 0"), kernel, dir, -1, &v, &err), 0);
        CHECK(!v.cached && !v.usable);
    }
}

static void test_tsc(void)
{
    uint32_t khz = tsc_khz();
    CHECK_INT(tsc_khz(), khz);
#ifdef __x86_64__
    CHECK(khz > 400 * 1000 && khz < 10 * 1000 * 1000);
    printf("     TSC %u kHz\n", khz);
#endif
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(kernel, sizeof(kernel), "%s/vmlinux", dir);
    CHECK_INT(fs_write_atomic(kernel, "", 0, 0600, NULL), 0);
    RUN(test_verdicts);
    RUN(test_hang_is_noticed);
    RUN(test_broken_cache_is_no_verdict);
    RUN(test_tsc);
    fs_remove_tree(dir, NULL);
    return check_end();
}
