/* What a VM may be; see vm_spec.h. Limits are those of proto/banger/v1/vm.proto. */
#include "daemon/core/vm/vm_spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/host/scope.h"
#include "daemon/model/vm_publish.h"
#include "daemon/vmm/vmm.h"

#define MIB ((uint64_t)1 << 20)
#define TIB ((uint64_t)1 << 40)

enum { CPUS_MAX = 64, MADE_NAME_TRIES = 32 };
static const uint64_t memory_min = 64 * MIB, memory_max = TIB;
static const uint64_t work_disk_min = 16 * MIB, work_disk_max = 16 * TIB;
static const uint64_t disk_max = 16 * TIB;
static const uint64_t lease_max_ms = (uint64_t)24 * 3600 * 1000;
static const uint64_t span_min_ms = 1000, span_max_ms = (uint64_t)3650 * 24 * 3600 * 1000;

static const uint32_t cpu_quota_max = 100 * 2 * CPUS_MAX, tasks_min = 16, tasks_most = 4194304;

static int vm_spec_invalid(struct err *err)
{
    return err_tag(err, "INVALID_SPEC", NULL);
}

int vm_cpus_check(uint32_t cpus, struct err *err)
{
    if (cpus >= 1 && cpus <= CPUS_MAX)
        return 0;
    err_set(err, ERR_INVALID, "cpus is %u; it can be 1 to %d", cpus, CPUS_MAX);
    return vm_spec_invalid(err);
}

static int vm_size_check(const char *what, uint64_t bytes, uint64_t min, uint64_t max,
                         struct err *err)
{
    if (bytes >= min && bytes <= max && bytes % MIB == 0)
        return 0;
    err_set(err, ERR_INVALID,
            "%s is %" PRIu64 " bytes; it can be %" PRIu64 " to %" PRIu64 " MiB, in whole MiB", what,
            bytes, min / MIB, max / MIB);
    return vm_spec_invalid(err);
}

int vm_memory_check(uint64_t memory_bytes, struct err *err)
{
    return vm_size_check("memory", memory_bytes, memory_min, memory_max, err);
}

/* More than that of a CPU or of threads nobody has; with fewer no VMM lives. */
static int vm_limits_check_bounds(const struct vm_spec *spec, struct err *err)
{
    const struct vm_limits *l = &spec->limits;
    if (l->memory_max_bytes > 0 && l->memory_max_bytes < spec->memory_bytes)
        err_set(err, ERR_INVALID,
                "its processes may use %" PRIu64 " bytes of memory, and its guest has %" PRIu64,
                l->memory_max_bytes, spec->memory_bytes);
    else if (l->memory_max_bytes > disk_max)
        err_set(err, ERR_INVALID, "memory_max_bytes is %" PRIu64 "; it can be 16 TiB at most",
                l->memory_max_bytes);
    else if (l->cpu_quota_percent > cpu_quota_max)
        err_set(err, ERR_INVALID, "cpu_quota_percent is %u; it can be 1 to %u, or 0: any",
                l->cpu_quota_percent, cpu_quota_max);
    else if (l->tasks_max > 0 && (l->tasks_max < tasks_min || l->tasks_max > tasks_most))
        err_set(err, ERR_INVALID, "tasks_max is %u; it can be %u to %u, or 0: any", l->tasks_max,
                tasks_min, tasks_most);
    else
        return 0;
    return vm_spec_invalid(err);
}

int vm_limits_check(const struct vm_spec *spec, struct err *err)
{
    if (vm_limits_check_bounds(spec, err) < 0)
        return -1;
    return host_scope_check_limits(&spec->limits, err);
}

static int vm_disks_check(const struct vm_spec *spec, const struct image *image, struct err *err)
{
    if (spec->work_disk_bytes > 0 && vm_size_check("the work disk", spec->work_disk_bytes,
                                                   work_disk_min, work_disk_max, err) < 0)
        return -1;
    if (spec->disk_bytes == 0)
        return 0;
    uint64_t min = image ? image->virtual_bytes : MIB;
    if (spec->disk_bytes >= min && spec->disk_bytes <= disk_max && spec->disk_bytes % 512 == 0)
        return 0;
    err_set(err, ERR_INVALID,
            "the system disk is %" PRIu64 " bytes; it can be %" PRIu64 " (the image's) to %" PRIu64
            ", a multiple of 512",
            spec->disk_bytes, min, disk_max);
    return vm_spec_invalid(err);
}

bool vm_boots(const struct vm_spec *spec)
{
    const struct vmm_driver *driver = vmm_find_driver(spec->driver, NULL);
    return !driver || driver->can.boots;
}

/* What boots needs an image and a kernel; a guest that is a process takes neither. */
static int vm_images_resolve(struct core *core, struct vm_spec *spec, const char *kernel_ref,
                             const struct image **image, struct err *err)
{
    bool boots = vm_boots(spec);
    *image = NULL;
    if (spec->image[0] || boots) {
        *image = spec->image[0] ? image_find(core, spec->image, err) : image_default(core, err);
        if (!*image)
            return -1;
        snprintf(spec->image_id, sizeof(spec->image_id), "%s", (*image)->id);
        if (!spec->image[0])
            snprintf(spec->image, sizeof(spec->image), "%s", (*image)->name);
    }
    const struct kernel *kernel = NULL;
    if (kernel_ref && *kernel_ref) {
        kernel = kernel_find(core, kernel_ref, err);
        if (!kernel)
            return -1;
    } else if (*image && (*image)->kernel_id[0]) {
        kernel = kernel_find_id(core, (*image)->kernel_id);
    }
    if (!kernel && boots && !(kernel = kernel_default(core, err)))
        return -1;
    if (kernel)
        snprintf(spec->kernel_id, sizeof(spec->kernel_id), "%s", kernel->id);
    return 0;
}

static int vm_span_check(const char *what, uint64_t ms, struct err *err)
{
    if (ms == 0 || (ms >= span_min_ms && ms <= span_max_ms))
        return 0;
    err_set(err, ERR_INVALID, "%s is %" PRIu64 " ms; it can be 1 s to 10 years, or 0: never", what,
            ms);
    return vm_spec_invalid(err);
}

int vm_policies_check(const struct vm_spec *spec, struct err *err)
{
    if (vm_span_check("expiry", spec->expire_after_ms, err) < 0 ||
        vm_span_check("idle stop", spec->idle_stop_after_ms, err) < 0)
        return -1;
    if (spec->lease_ms != 0 && (spec->lease_ms < span_min_ms || spec->lease_ms > lease_max_ms)) {
        err_set(err, ERR_INVALID, "lease is %" PRIu64 " ms; it can be 1 s to 1 day, or 0: none",
                spec->lease_ms);
        return vm_spec_invalid(err);
    }
    if (spec->restart < RESTART_NEVER || spec->restart > RESTART_ALWAYS) {
        err_set(err, ERR_INVALID, "restart policy %d is not one", (int)spec->restart);
        return vm_spec_invalid(err);
    }
    if (spec->ephemeral && (spec->restart != RESTART_NEVER || spec->autostart)) {
        err_set(err, ERR_INVALID, "an ephemeral VM is deleted when it ends: it has no %s",
                spec->autostart ? "autostart" : "restart policy");
        return vm_spec_invalid(err);
    }
    return 0;
}

void vm_spec_set_expiry(struct vm *vm, int64_t from_ns)
{
    uint64_t ms = vm->spec.expire_after_ms;
    vm->expires_ns = ms ? from_ns + (int64_t)ms * 1000000 : 0;
}

int vm_spec_check(struct core *core, struct vm_spec *spec, const char *kernel_ref, struct err *err)
{
    if (!spec->driver[0])
        snprintf(spec->driver, sizeof(spec->driver), "%s", core->config.default_driver);
    if (spec->cpus == 0)
        spec->cpus = 1;
    if (spec->memory_bytes == 0)
        spec->memory_bytes = VM_MEMORY_DEFAULT;
    if (spec->restart == 0)
        spec->restart = RESTART_NEVER;
    const struct vmm_driver *driver = vmm_find_driver(spec->driver, err);
    if (!driver) {
        err->code = ERR_INVALID;
        return vm_spec_invalid(err);
    }
    if (spec->net == 0)
        spec->net = vmm_net_of(driver);
    if (vm_cpus_check(spec->cpus, err) < 0 || vm_memory_check(spec->memory_bytes, err) < 0)
        return -1;
    if (vm_net_check(spec->net, err) < 0 || vm_policies_check(spec, err) < 0 ||
        vm_hook_check(&spec->stop_hook, err) < 0 || vm_limits_check(spec, err) < 0 ||
        vm_egress_check(core, spec, err) < 0 || vm_publish_check(&spec->publish, err) < 0)
        return -1;
    const struct image *image;
    if (vm_images_resolve(core, spec, kernel_ref, &image, err) < 0)
        return -1;
    if (vm_disks_check(spec, image, err) < 0 ||
        vm_ssh_resolve(core, spec, kernel_find_id(core, spec->kernel_id), err) < 0)
        return -1;
    return vm_storage_choose(core, spec, image, err);
}

int vm_spec_check_made(const struct vm_spec *spec, struct err *err)
{
    bool ids = (!spec->image_id[0] || id_is_valid(spec->image_id)) &&
               (!spec->kernel_id[0] || id_is_valid(spec->kernel_id));
    if (!vmm_find_driver(spec->driver, err) || vm_cpus_check(spec->cpus, err) < 0 ||
        vm_memory_check(spec->memory_bytes, err) < 0 || vm_disks_check(spec, NULL, err) < 0 ||
        vm_net_check(spec->net, err) < 0 || vm_policies_check(spec, err) < 0 ||
        vm_storage_check_made(spec, err) < 0 || vm_hook_check_made(&spec->stop_hook, err) < 0 ||
        vm_ssh_check_made(spec, err) < 0 || vm_limits_check_bounds(spec, err) < 0 ||
        vm_egress_read(&spec->egress, &(struct vm_allow){0}, err) < 0 ||
        vm_publish_check(&spec->publish, err) < 0)
        return -1;
    if (ids)
        return 0;
    err_set(err, ERR_INVALID, "the id of its image or kernel is none");
    return vm_spec_invalid(err);
}

int vm_name_check(const char *name, struct err *err)
{
    if (name_is_valid(name))
        return 0;
    err_set(err, ERR_INVALID,
            "\"%.80s\" cannot be a VM's name: 1 to 63 of a-z 0-9 -, beginning and ending with a "
            "letter or digit",
            name);
    return err_tag(err, "INVALID_NAME", NULL);
}

void vm_name_make(struct core *core, char name[NAME_BYTES])
{
    static const char *const how[] = {
        "amber", "brisk", "calm",   "clever", "cosy",  "dapper", "eager", "fleet",
        "fond",  "frank", "gentle", "glad",   "keen",  "lucid",  "merry", "mild",
        "neat",  "noble", "plain",  "proud",  "quick", "quiet",  "rapid", "ready",
        "royal", "sharp", "sleek",  "solid",  "spry",  "still",  "sunny", "swift"};
    static const char *const who[] = {
        "badger", "beaver", "bison", "crane",  "curlew", "dingo", "falcon", "ferret",
        "finch",  "gecko",  "heron", "ibis",   "jackal", "koala", "lemur",  "lynx",
        "marten", "mole",   "newt",  "ocelot", "otter",  "panda", "plover", "puffin",
        "quail",  "raven",  "robin", "stoat",  "swan",   "tapir", "vole",   "wren"};
    for (int i = 0; i < MADE_NAME_TRIES; i++) {
        uint8_t at[2] = {0};
        if (getrandom(at, sizeof(at), 0) != (ssize_t)sizeof(at))
            break;
        snprintf(name, NAME_BYTES, "%s-%s", how[at[0] % 32], who[at[1] % 32]);
        if (vm_name_check_free(core, NULL, name, NULL) == 0)
            return;
    }
    char id[ID_BYTES];
    id_make(id);
    snprintf(name, NAME_BYTES, "vm-%s", id);
}

static int vm_disk_path(const struct core *core, const struct vm *vm, enum object_role role,
                        char path[VM_PATH_BYTES], struct err *err)
{
    struct object o;
    if (object_init(&o, vm_disk_kind(&vm->spec, role), core->config.state_dir, vm->id, role, err) <
        0)
        return -1;
    snprintf(path, VM_PATH_BYTES, "%s", o.name);
    return 0;
}

int vm_paths_make(const struct core *core, struct vm *vm, struct err *err)
{
    struct vm_runtime *rt = &vm->runtime;
    char dir[PATH_BYTES];
    int n = snprintf(dir, sizeof(dir), "%s/vms/%s", core->config.state_dir, vm->id);
    if (n < 0 || (size_t)n + sizeof("/agent.sock") > SOCKET_PATH_BYTES) {
        err_set(err, ERR_PRECONDITION, "the state folder's path is too long for sockets: %s",
                core->config.state_dir);
        return err_tag(err, "STATE_DIR_TOO_LONG", NULL);
    }
    int len = (int)(SOCKET_PATH_BYTES - sizeof("/agent.sock")); /* as was just checked */
    snprintf(rt->vm_dir, sizeof(rt->vm_dir), "%s", dir);
    snprintf(rt->api_sock_path, sizeof(rt->api_sock_path), "%.*s/api.sock", len, dir);
    snprintf(rt->agent_sock_path, sizeof(rt->agent_sock_path), "%.*s/agent.sock", len, dir);
    snprintf(rt->log_path, sizeof(rt->log_path), "%.*s/console.log", len, dir);
    if (vm_disk_path(core, vm, OBJECT_SYSTEM_DISK, rt->system_overlay, err) < 0 ||
        (vm->spec.work_disk_bytes > 0 &&
         vm_disk_path(core, vm, OBJECT_WORK_DISK, rt->work_disk_path, err) < 0))
        return -1;
    snprintf(rt->dns_name, sizeof(rt->dns_name), "%s.vm", vm->name);
    return vm_net_give_address(core, vm, err);
}
