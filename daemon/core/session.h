/* Guest sessions: registry and lifecycle. A session belongs to a VM, its process to the guest's agent;
 * what is kept here is what was asked for and how it went.
 *
 * State is changed by one setter (session.c), which writes it to the store, tells watchers, and emits
 * an event. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_SESSION_H
#define BANGER_DAEMON_CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/guest/agent_client.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct vm_entry;

/* Loads the store's sessions. Those that were live stay in their state until their VM's agent, or the
 * lack of it, says what became of them. */
struct session_registry *session_registry_new(struct core *core, struct err *err);
void session_registry_free(struct session_registry *r);

/* Called by vm.c. The VM's agent was reached (again): statuses follow. */
void session_vm_link_up(struct core *core, struct vm_entry *vm);
void session_vm_synced(struct core *core, struct vm_entry *vm);
void session_vm_link_down(struct core *core, struct vm_entry *vm);
void session_vm_status(struct core *core, struct vm_entry *vm,
                       const struct agent_session_status *status);
void session_vm_deleted(struct core *core, struct vm_entry *vm, const char *session_id);
void session_vm_stdin_ack(struct core *core, struct vm_entry *vm, const char *session_id,
                          uint64_t offset, bool closed);
/* The VM stopped or died: live sessions are LOST(reason: "vm_stopped", "vm_lost"). */
void session_vm_gone(struct core *core, struct vm_entry *vm, const char *reason);
/* The VM's record goes: its sessions too (in the caller's transaction). */
struct store_txn;
void session_vm_removed(struct core *core, const char *vm_id, struct store_txn *txn);

#endif
