/* Capacity; see vm_capacity.h. */
#include "daemon/core/vm/vm_capacity.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_internal.h"
#include "rpc/event/server.h"

#define MIB ((uint64_t)1 << 20)

static uint16_t vm_driver_place(const char *name)
{
    uint16_t i = 0;
    while (vmm_drivers[i] && strcmp(vmm_drivers[i]->name, name) != 0)
        i++;
    assert(i < VM_DRIVERS_MAX);
    return i;
}

void vm_recount(struct vm_uses *uses, struct vm_entry *e)
{
    const struct vm_spec *spec = &e->vm.spec;
    struct vm_share *share = &e->share;
    struct vm_use *use = &uses->by_driver[share->driver];
    use->vms -= share->vms;
    use->cpus -= share->cpus;
    use->memory_bytes -= share->memory_bytes;
    *share = (struct vm_share){.vms = 0};
    if (e->removed || !vm_state_is_active(e->vm.runtime.state))
        return;
    *share = (struct vm_share){.vms = 1,
                               .cpus = spec->cpus,
                               .memory_bytes = spec->memory_bytes,
                               .driver = vm_driver_place(spec->driver)};
    use = &uses->by_driver[share->driver];
    use->vms += share->vms;
    use->cpus += share->cpus;
    use->memory_bytes += share->memory_bytes;
}

static uint64_t vm_overhead_bytes(const struct core *core, const char *name)
{
    const struct vmm_driver *driver = vmm_find_driver(name, NULL);
    return driver ? vmm_overhead_bytes(driver, core->vmm_host) : 0;
}

uint64_t vm_memory_promised(const struct core *core, const struct vm_spec *spec)
{
    return spec->memory_bytes + vm_overhead_bytes(core, spec->driver);
}

void vm_count_use(const struct core *core, uint32_t *cpus, uint64_t *memory_bytes)
{
    const struct vm_use *by_driver = vm_uses(core)->by_driver;
    *cpus = 0;
    *memory_bytes = 0;
    VM_TELL(core, add_use, cpus, memory_bytes);
    for (size_t i = 0; i < VM_DRIVERS_MAX; i++) {
        *cpus += by_driver[i].cpus;
        *memory_bytes += by_driver[i].memory_bytes;
    }
    for (size_t i = 0; vmm_drivers[i]; i++)
        *memory_bytes += by_driver[i].vms * vm_overhead_bytes(core, vmm_drivers[i]->name);
}

uint64_t vm_files_fit(const struct core *core, size_t n_connections)
{
    uint64_t taken = DAEMON_FILES + n_connections, all = core->config.max_files;
    return all == 0 ? UINT64_MAX : all <= taken ? 0 : (all - taken) / VM_FILES;
}

static int vm_files_check(struct core *core, struct err *err)
{
    size_t n = core->rpc_server ? rpc_server_connections(core->rpc_server) : 0;
    uint64_t run = 0;
    for (size_t i = 0; i < VM_DRIVERS_MAX; i++)
        run += vm_uses(core)->by_driver[i].vms;
    if (run < vm_files_fit(core, n))
        return 0;
    err_set(
        err, ERR_LIMIT,
        "%" PRIu64 " VMs run and %zu connections are open: the %" PRIu64
        " files that the daemon may have open are not enough for one more, which takes %d; stop "
        "a VM, or start the daemon with a higher hard limit (ulimit -Hn, LimitNOFILE=)",
        run, n, core->config.max_files, VM_FILES);
    return err_tag(err, "FILES_LIMIT", NULL);
}

int vm_capacity_check(struct core *core, uint64_t memory_bytes, bool new_vm, struct err *err)
{
    if (new_vm && core->config.max_vms > 0 && vm_count(core) >= core->config.max_vms) {
        err_set(err, ERR_LIMIT, "this host takes %u VMs; delete one, or raise max_vms",
                core->config.max_vms);
        return err_tag(err, "CAPACITY_EXCEEDED", NULL);
    }
    if (memory_bytes > 0 && vm_files_check(core, err) < 0)
        return -1;
    uint64_t limit = core->config.max_memory_bytes, used;
    uint32_t cpus;
    if (limit == 0 || memory_bytes == 0)
        return 0;
    vm_count_use(core, &cpus, &used);
    if (used + memory_bytes <= limit)
        return 0;
    err_set(err, ERR_LIMIT,
            "%" PRIu64 " MiB are asked for, its VMM included, and %" PRIu64
            " of this host's %" PRIu64 " MiB are free; stop a VM",
            memory_bytes / MIB, used < limit ? (limit - used) / MIB : 0, limit / MIB);
    return err_tag(err, "CAPACITY_EXCEEDED", NULL);
}
