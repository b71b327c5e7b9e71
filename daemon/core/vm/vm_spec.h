/* What a VM may be: names, sizes, defaults, and the deterministic paths that follow from its id. */
#ifndef BANGER_DAEMON_CORE_VM_VM_SPEC_H
#define BANGER_DAEMON_CORE_VM_VM_SPEC_H

#include "daemon/model/model.h"

struct core;
struct err;

#define VM_MEMORY_DEFAULT ((uint64_t)256 << 20)

/* Fills what is left out (zeros, "") and checks the rest against the limits in vm.proto; resolves
 * image and kernel references into image_id and kernel_id. ERR_INVALID (INVALID_SPEC),
 * ERR_NOT_FOUND (IMAGE_NOT_FOUND, KERNEL_NOT_FOUND). */
int vm_spec_check(struct core *core, struct vm_spec *spec, const char *kernel_ref, struct err *err);
/* A spec that was accepted once, of a VM that is to be listed again: image and kernel are those of
 * its ids, and may be missing. */
int vm_spec_check_made(const struct vm_spec *spec, struct err *err);
int vm_cpus_check(uint32_t cpus, struct err *err);
int vm_memory_check(uint64_t memory_bytes, struct err *err);
/* Bounds, and whether this host holds a VM to its limits (LIMITS_UNAVAILABLE). */
int vm_limits_check(const struct vm_spec *spec, struct err *err);
/* Expiry, idle stop, restart policy, autostart: their bounds, and that they go together. */
int vm_policies_check(const struct vm_spec *spec, struct err *err);
/* expires_ns, as spec.expire_after_ms has it from from_ns on. */
void vm_spec_set_expiry(struct vm *vm, int64_t from_ns);
/* A DNS label. ERR_INVALID (INVALID_NAME) with what is wrong. */
int vm_name_check(const char *name, struct err *err);
/* A free name such as "brisk-otter". */
void vm_name_make(struct core *core, char name[NAME_BYTES]);
/* Its guest is a system of its own, by what its driver can do (vmm_capabilities); so is one whose
 * driver is not known. */
bool vm_boots(const struct vm_spec *spec);
/* vm_dir, sockets, disks, log, addresses: from the state folder, the id and the spec alone. */
int vm_paths_make(const struct core *core, struct vm *vm, struct err *err);

#endif
