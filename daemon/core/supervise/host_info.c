/* What this host can do; see host_info.h. */
#include "daemon/core/supervise/host_info.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/err.h"
#include "base/programs.h"
#include "base/log.h"
#include "daemon/core/access/access.h"
#include "daemon/core/access/audit.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_capacity.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/host/run.h"
#include "daemon/host/scope.h"
#include "rpc/event/server.h"
#include "daemon/core/host/store_state.h"
#include "daemon/core/names/names.h"
#include "daemon/store/store.h"

static void probe_done(void *arg, const struct vmm_probe_result *result)
{
    struct host_driver *d = arg;
    d->result = *result;
    d->probed = true;
    log_info(d->driver->name, "%s: %s, accelerator %s%s%s",
             result->usable ? "usable" : "not usable", result->version, result->accelerator,
             *result->explanation ? ": " : "", result->explanation);
}

void host_info_probe(struct core *core, struct host_info *info)
{
    for (size_t i = 0; i < HOST_DRIVERS_MAX && vmm_drivers[i]; i++) {
        struct host_driver *d = &info->drivers[info->n_drivers++];
        d->driver = vmm_find_driver(vmm_drivers[i]->name, NULL);
        vmm_probe(d->driver, core->vmm_host, probe_done, d);
    }
}

/* What the host lacks without them. */
static const struct host_tool {
    const char *program, *package, *what;
    enum host_check_result without;
} host_tools[HOST_TOOLS] = {
    {"qemu-img", "qemu-utils", "makes disks", HOST_CHECK_FAILED},
    {"mke2fs", "e2fsprogs", "makes file systems", HOST_CHECK_FAILED},
    {"mmdebstrap", "mmdebstrap", "builds images", HOST_CHECK_WARNING},
};

static uint64_t own_rss_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    int n = fscanf(f, "%lu %lu", &size, &resident);
    fclose(f);
    return n == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void host_facts_gather(struct host_facts *f)
{
    struct sysinfo si;
    struct statvfs fs;
    gethostname(f->hostname, sizeof(f->hostname) - 1);
    f->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (sysinfo(&si) == 0)
        f->memory_bytes = (uint64_t)si.totalram * si.mem_unit;
    f->state_writable = access(f->state_dir, W_OK) == 0;
    if (statvfs(f->state_dir, &fs) == 0) {
        f->disk_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
        f->disk_used_bytes = (uint64_t)(fs.f_blocks - fs.f_bavail) * fs.f_frsize;
        f->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    }
    f->rss_bytes = own_rss_bytes();
    for (size_t i = 0; i < HOST_TOOLS; i++)
        f->tools[i] = run_finds(host_tools[i].program);
    char ssh[PROGRAM_PATH_BYTES];
    f->ssh = program_find(PROGRAM_SSH, NULL, ssh, NULL) == 0;
    if (f->asks_for_taps)
        tap_check_gather(&f->taps, f->has_names);
    f->kvm_known = kvm_probe_recall(f->state_dir, &f->kvm);
}

void host_capacity_total(const struct core *core, const struct host_facts *facts,
                         struct host_capacity *total)
{
    *total = (struct host_capacity){
        .cpus = facts->cpus,
        .vms = core->config.max_vms,
        .memory_bytes =
            core->config.max_memory_bytes ? core->config.max_memory_bytes : facts->memory_bytes,
        .disk_bytes = facts->disk_bytes,
    };
}

void host_capacity_used(const struct core *core, const struct host_facts *facts,
                        struct host_capacity *used)
{
    *used = (struct host_capacity){.vms = (uint32_t)vm_count(core),
                                   .disk_bytes = facts->disk_used_bytes};
    vm_count_use(core, &used->cpus, &used->memory_bytes);
}

struct report {
    struct host_check *checks;
    size_t n;
};

__attribute__((format(printf, 5, 6))) static void report(struct report *r, const char *name,
                                                         enum host_check_result result,
                                                         const char *fix, const char *fmt, ...)
{
    if (r->n == HOST_CHECKS_MAX)
        return;
    struct host_check *c = &r->checks[r->n++];
    *c = (struct host_check){.name = name, .result = result};
    snprintf(c->fix, sizeof(c->fix), "%s", result == HOST_CHECK_OK ? "" : fix);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->message, sizeof(c->message), fmt, ap);
    va_end(ap);
}

/* As it is now: a daemon runs for long, and access to the device comes and goes. */
static void check_kvm(struct report *r, const struct host_facts *facts)
{
    static const char fix[] =
        "VMs run without KVM, slower: use a host with /dev/kvm that you may open";
    if (!facts->kvm_known)
        report(r, "acceleration", HOST_CHECK_OK, "",
               "there is /dev/kvm; the first start of a VM tries it");
    else if (facts->kvm.usable)
        report(r, "acceleration", HOST_CHECK_OK, "", "kvm: %s", facts->kvm.reason);
    else
        report(r, "acceleration", HOST_CHECK_WARNING, fix, "tcg: guests run emulated (TCG): %s",
               facts->kvm.reason);
}

static void check_drivers(struct report *r, const struct core *core, const struct host_info *info,
                          const struct host_facts *facts)
{
    for (size_t i = 0; i < info->n_drivers; i++) {
        const struct host_driver *d = &info->drivers[i];
        const char *name = d->driver->name;
        bool is_default = strcmp(name, core->config.default_driver) == 0;
        if (!is_default)
            continue;
        if (!d->probed)
            report(r, "driver", HOST_CHECK_WARNING, "ask again in a moment",
                   "%s is still being probed", name);
        else if (!d->result.usable)
            report(r, "driver", HOST_CHECK_FAILED, d->driver->install, "%s cannot be used: %s",
                   name, d->result.explanation);
        else
            report(r, "driver", HOST_CHECK_OK, "", "%s %s", name, d->result.version);
        if (d->driver->can.uses_kvm)
            check_kvm(r, facts);
        if (*d->result.network)
            report(r, "network", d->result.network_safe ? HOST_CHECK_OK : HOST_CHECK_WARNING,
                   "apt install passt, with user_network: passt in bangerd.conf, then restart the "
                   "daemon",
                   "%s", d->result.network);
    }
}

static void check_tools(struct report *r, const struct host_facts *facts)
{
    for (size_t i = 0; i < HOST_TOOLS; i++) {
        char fix[128];
        const struct host_tool *t = &host_tools[i];
        snprintf(fix, sizeof(fix), "apt-get install %s", t->package);
        report(r, t->program, facts->tools[i] ? HOST_CHECK_OK : t->without, fix, "%s (%s)",
               facts->tools[i] ? "found" : "not found", t->what);
    }
}

static void check_ssh(struct report *r, const struct host_facts *facts)
{
    report(r, "SSH guests", facts->ssh ? HOST_CHECK_OK : HOST_CHECK_WARNING,
           "install banger-ssh, a part of banger, beside banger-agent", "%s",
           facts->ssh ? "banger-ssh is there"
                      : "banger-ssh is missing: guests that boot their own way are out of reach");
}

static void check_state(struct report *r, const struct core *core, const struct host_facts *facts)
{
    report(r, "state folder", facts->state_writable ? HOST_CHECK_OK : HOST_CHECK_FAILED,
           "make it writable for the daemon's user", "%s", core->config.state_dir);
    if (facts->disk_bytes > 0) {
        uint64_t free_mib = facts->disk_free_bytes >> 20;
        report(r, "disk space", free_mib > 2048 ? HOST_CHECK_OK : HOST_CHECK_WARNING,
               "images and overlays need room: free some, or choose another --state-dir",
               "%" PRIu64 " MiB free", free_mib);
    }
    bool image = image_next((struct core *)core, NULL) != NULL;
    report(r, "image", image ? HOST_CHECK_OK : HOST_CHECK_WARNING, "banger image build",
           image ? "there is one" : "there is none yet");
}

/* What VMs of the default driver are made on, and what else they could be. */
static void check_storage(struct report *r, const struct core *core)
{
    enum storage list[N_STORAGES];
    const struct vmm_driver *driver = vmm_find_driver(core->config.default_driver, NULL);
    size_t n = driver ? vm_storage_list(core, driver, list) : 0;
    char others[96] = "";
    for (size_t i = 1, at = 0; i < n && at < sizeof(others); i++)
        at += (size_t)snprintf(others + at, sizeof(others) - at, "%s%s", i > 1 ? ", " : "; also ",
                               vm_storage_name(list[i]));
    const char *why = core->storage.why_not[STORAGE_REFLINK];
    char no_dm[STORAGE_WHY_BYTES];
    vm_storage_why_not(core, STORAGE_DM_SNAPSHOT, no_dm, sizeof(no_dm));
    report(r, "storage", n ? HOST_CHECK_OK : HOST_CHECK_FAILED, "choose another driver",
           "%s%s%s%s%s%s%s%s", n ? vm_storage_name(list[0]) : "none", others,
           *why ? "; no reflink (" : "", why, *why ? ")" : "", *no_dm ? "; no dm-snapshot (" : "",
           no_dm, *no_dm ? ")" : "");
}

static void check_scopes(struct report *r)
{
    const struct host_scope *host = host_scope();
    report(r, "scopes", host->why_not[0] ? HOST_CHECK_WARNING : HOST_CHECK_OK,
           "see LIMITS_UNAVAILABLE in docs/configuration.md", "%s%s%s", host->by,
           host->why_not[0] ? ": " : "", host->why_not);
}

bool host_has_names(const struct core *core)
{
    for (struct vm_entry *e = NULL; (e = vm_next((struct core *)core, e));)
        if (vm_record(e)->spec.net == NET_TAP && vm_egress_has_names(vm_record(e)))
            return true;
    return false;
}

static bool has_taps(const struct core *core)
{
    for (struct vm_entry *e = NULL; (e = vm_next((struct core *)core, e));)
        if (vm_record(e)->spec.net == NET_TAP)
            return true;
    return false;
}

/* A host without taps is in order, as long as no VM has one. The forwarding is turned on with the
 * first. */
static void check_taps(struct report *r, const struct core *core, const struct host_facts *facts)
{
    const struct tap_check *t = &facts->taps;
    bool any = has_taps(core);
    if (!t->usable) {
        report(r, "taps", any ? HOST_CHECK_WARNING : HOST_CHECK_OK,
               "sudo banger doctor --fix, where it is /dev/net/tun; else as it says", "none: %s",
               t->why_not);
        return;
    }
    if (t->managed[0])
        report(r, "taps", HOST_CHECK_WARNING,
               "leave bg* alone: for systemd-networkd \"[Match]\", \"Name=bg*\", \"[Link]\", "
               "\"Unmanaged=yes\" in /etc/systemd/network/05-banger.network; for NetworkManager "
               "\"[keyfile]\", \"unmanaged-devices=interface-name:bg*\" in "
               "/etc/NetworkManager/conf.d/banger.conf",
               "%s as its own, and may take its address away", t->managed);
    else
        report(r, "taps", HOST_CHECK_OK, "", "guests can have a network of their own (--net tap)");
    if (any && !t->forwards)
        report(r, "forwarding", HOST_CHECK_WARNING,
               "sudo banger doctor --fix, or sysctl net.ipv4.ip_forward=1",
               "net.ipv4.ip_forward is off: guests with taps reach nothing beyond this host");
    else if (t->dropped[0])
        report(r, "forwarding", HOST_CHECK_WARNING,
               "sudo banger doctor --fix lets it through, until that firewall is loaded anew; for "
               "good: accept what comes from and answers that go to bg* there",
               "%s", t->dropped);
    else if (t->full)
        report(
            r, "forwarding", HOST_CHECK_WARNING,
            "raise net.netfilter.nf_conntrack_max, and see in conntrack -L who has so many",
            "the kernel's table of connections is full, or soon: new ones of guests are dropped");
    else
        report(r, "forwarding", HOST_CHECK_OK, "", "no firewall is in the way of guests with taps");
}

static void check_files(struct report *r, const struct core *core)
{
    uint64_t fit = vm_files_fit(core, rpc_server_connections(core->rpc_server));
    report(r, "open files", fit >= core->config.max_vms ? HOST_CHECK_OK : HOST_CHECK_WARNING,
           "start the daemon with a higher hard limit (ulimit -Hn, LimitNOFILE=), or lower max_vms",
           "%" PRIu64 " allowed, %d for each VM that runs: enough for %" PRIu64
           " of the %u of max_vms",
           core->config.max_files, VM_FILES,
           fit < core->config.max_vms ? fit : (uint64_t)core->config.max_vms,
           (unsigned)core->config.max_vms);
}

static void check_backup(struct report *r, const struct core *core)
{
    struct err err = ERR_INIT;
    const char *newest = store_backup_newest(core->store, &err);
    if (err.code != ERR_NONE)
        report(r, "backup", HOST_CHECK_WARNING, "it is tried again within the hour", "%.300s",
               err.message);
    else
        report(r, "backup", HOST_CHECK_OK, "", "%s of the database%s%s",
               *newest ? "the newest copy" : "the first copy", *newest ? " is backups/" : " is due",
               newest);
}

static void check_unlisted(struct report *r, const struct core *core)
{
    uint32_t unlisted, aside;
    recover_count(core, &unlisted, &aside);
    if (unlisted > 0)
        report(r, "database", HOST_CHECK_FAILED,
               "banger host recover lists them again (--dry-run: what there is)",
               "%u VMs, images or kernels in the state folder are not in it; they are left alone",
               unlisted);
    if (aside > 0)
        report(r, "lost+found", HOST_CHECK_WARNING,
               "look at them, then remove them with banger host recover --discard",
               "%u folders that nothing knows of are in %s/lost+found", aside,
               core->config.state_dir);
    if (garbage_count(core) > 0)
        report(r, "leftovers", HOST_CHECK_WARNING,
               "banger host audit names them; they go by themselves, or at once with "
               "banger host gc --min-age 0s",
               "%zu things on this host are of VMs that have no record", garbage_count(core));
}

size_t host_diagnose(const struct core *core, const struct host_info *info,
                     const struct host_facts *facts, struct host_check checks[HOST_CHECKS_MAX])
{
    struct report r = {checks, 0};
    check_drivers(&r, core, info, facts);
    check_tools(&r, facts);
    check_ssh(&r, facts);
    check_state(&r, core, facts);
    check_storage(&r, core);
    check_scopes(&r);
    check_taps(&r, core, facts);
    check_files(&r, core);
    r.n += names_check(core, &r.checks[r.n]);
    store_state_check(core, &r.checks[r.n++]);
    if (audit_lost(core) > 0)
        report(&r, "audit log", HOST_CHECK_WARNING, "look for the reason in the daemon's log",
               "%" PRIu64 " entries could not be written since the daemon started",
               audit_lost(core));
    r.n += access_diagnose(core, r.checks + r.n, HOST_CHECKS_MAX - r.n);
    check_backup(&r, core);
    check_unlisted(&r, core);
    return r.n;
}
