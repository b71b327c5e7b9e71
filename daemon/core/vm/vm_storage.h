/* What a VM's disks are made as: chosen once, at its creation, by its spec, what its driver can
 * open and what this host can make; kept in its record. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_STORAGE_H
#define BANGER_DAEMON_CORE_VM_VM_STORAGE_H

#include <stddef.h>

#include "daemon/host/object.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct vmm_driver;

/* Once, when the core opens: tries in the state folder what not every host can. Blocks for a
 * moment. */
void vm_storage_probe(struct core *core);
/* Fills spec->storage where it is 0, else checks it; image may be NULL. ERR_INVALID (INVALID_SPEC):
 * no such thing for this driver or image; ERR_PRECONDITION (STORAGE_UNAVAILABLE): not here. */
int vm_storage_choose(const struct core *core, struct vm_spec *spec, const struct image *image,
                      struct err *err);
/* Of a record from before there was a choice. */
enum storage vm_storage_once(const struct vm_spec *spec);
/* Whether a record can have it: of a VM that was made once. ERR_INVALID (INVALID_SPEC). */
int vm_storage_check_made(const struct vm_spec *spec, struct err *err);
/* Those that can be had for a driver here, best first; returns how many. */
size_t vm_storage_list(const struct core *core, const struct vmm_driver *driver,
                       enum storage list[N_STORAGES]);
/* "qcow2"; "?" for what is none. */
const char *vm_storage_name(enum storage storage);
/* The kind of host object that its disk of that role is. */
const char *vm_disk_kind(const struct vm_spec *spec, enum object_role role);
/* The kind of the file that its system disk keeps what is written in; NULL: the disk is that. */
const char *vm_cow_kind(const struct vm_spec *spec);
/* Why this host cannot make them; "": it can. */
void vm_storage_why_not(const struct core *core, enum storage storage, char *why, size_t size);

#endif
