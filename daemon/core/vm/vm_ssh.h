/* VMs whose guests boot their own way and are reached over SSH: what they may be, the keys of both
 * sides, and the channel. On the loop's thread; for the files of VMs.
 *
 * The guest's key is a fact of the record, pinned when it is first seen: vm.ssh_host_key. Another
 * one that it shows is refused (its guest is then BROKEN) and kept in memory, to be accepted. */
#ifndef BANGER_DAEMON_CORE_VM_VM_SSH_H
#define BANGER_DAEMON_CORE_VM_VM_SSH_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/model/model.h"

struct channel_config;
struct core;
struct err;
struct kernel;
struct vm_entry;
struct vmm_config;

static inline bool vm_is_over_ssh(const struct vm_spec *spec)
{
    return spec->ssh.user[0] != '\0';
}

/* Fills in what was left open, and checks; kernel NULL: none. ERR_INVALID. */
int vm_ssh_resolve(const struct core *core, struct vm_spec *spec, const struct kernel *kernel,
                   struct err *err);
/* Of a spec that was made already: of what its texts are. */
int vm_ssh_check_made(const struct vm_spec *spec, struct err *err);
/* "TYPE SHA256:…", or "". */
int vm_ssh_host_key_check(const char *host_key, struct err *err);
/* Whether it has a key of its own: the host object "ssh_key". */
bool vm_ssh_has_own_key(const struct vm_spec *spec);
/* What a driver has to know; nothing for other VMs. */
void vm_ssh_config(const struct vm_entry *e, struct vmm_config *c);
/* Of the channel to a live machine; the entry has it. */
int vm_ssh_channel(struct vm_entry *e, struct channel_config *channel, struct err *err);
/* The record's key is another: the next channel goes by it, and a guest that was refused for it is
 * tried again. */
void vm_ssh_trusted(struct vm_entry *e);
/* How much longer such a guest may take for its boot, and to go. */
int64_t vm_ssh_patience(const struct vm_spec *spec, int64_t ms);
void vm_ssh_free(struct vm_entry *e);

#endif
