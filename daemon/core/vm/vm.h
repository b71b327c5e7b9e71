/* VMs: registry, references, and the one setter of state. On the loop's thread.
 *
 * A vm_entry is what the daemon holds of a VM: the durable record, its machine (VMM) and its agent
 * client while it runs. Only vm.c changes vm.runtime.state; everybody else asks. The record is the
 * working copy that decisions are made by (vm_record); what others see of it is the version that is
 * on disk (vm_shown). Who changes it asks vm_edit for it before, and says vm_save after. See
 * vm_machine.h for the process, vm_agent.h for the guest, vm_ops.h for what users ask for. */
#ifndef BANGER_DAEMON_CORE_VM_VM_H
#define BANGER_DAEMON_CORE_VM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"

struct agent_client;
struct agent_session_status;
struct core;
struct err;
struct store_txn;
struct vm_condition;
struct vm_entry;

/* A reset that the guest asked for ends its process; the VM is started again. */
enum vm_reboot {
    VM_REBOOT_NONE,
    VM_REBOOT_BEGUN, /* that has been asked for */
    VM_REBOOT_OWED,  /* that was refused; supervise.h asks again */
};

struct vm_registry *vm_registry_new(struct core *core, struct err *err);
/* Closes machines and agent clients; processes stay. */
void vm_registry_free(struct vm_registry *r);

/* Exact id, exact name, or unique id prefix (see proto/banger/v1/common.proto). Borrowed; NULL with
 * ERR_NOT_FOUND (VM_NOT_FOUND) or ERR_INVALID (AMBIGUOUS_REFERENCE). */
struct vm_entry *vm_find(struct core *core, const char *ref, struct err *err);
/* As that among the VMs of a scope (scope.h) alone: others are as if they were not there. */
struct vm_entry *vm_find_within(struct core *core, const struct labels *scope, const char *ref,
                                struct err *err);
struct vm_entry *vm_find_id(struct core *core, const char *id);
/* In order of creation: vm_next(core, NULL) is the first. */
struct vm_entry *vm_next(struct core *core, const struct vm_entry *after);
size_t vm_count(const struct core *core);
/* By creation time, for pages: where those after that VM (which may be gone) begin, and the VM at
 * an index, NULL beyond the end. */
size_t vm_order_after(const struct core *core, int64_t created_ns, const char *id);
struct vm_entry *vm_at(const struct core *core, size_t index);

struct vm_entry *vm_ref(struct vm_entry *e);
void vm_unref(struct vm_entry *e);

/* "vm/ID": the resource of its operations and events. */
void vm_resource(const struct vm_entry *e, char resource[96]);

/* It is read soon: a record is read in a hundred places, and memory answers late, so the next one
 * is asked for while this one is packed. That halves the time that a list of thousands takes. NULL
 * is none. */
void vm_expect(const struct vm_entry *e);
struct core *vm_core(const struct vm_entry *e);
/* The working copy, by which decisions are made. */
const struct vm *vm_record(const struct vm_entry *e);
/* It has left the registry. */
bool vm_is_removed(const struct vm_entry *e);
/* Its VMM lives, as far as we know. */
bool vm_has_vmm(const struct vm_entry *e);
/* That, or a call on it is under way. */
bool vm_has_machine(const struct vm_entry *e);
/* That process is paused, whatever the state has become. */
bool vm_is_paused(const struct vm_entry *e);
/* Zeros while there is no process. */
const struct vm_handles *vm_handles(const struct vm_entry *e);
/* NULL while there is no process. */
struct agent_client *vm_agent(const struct vm_entry *e);
/* It is configured: sessions see the link. */
bool vm_guest_is_ready(const struct vm_entry *e);
/* Why that is not so; "" while it is not known. */
const char *vm_agent_error(const struct vm_entry *e);
/* By its agent, which may be out of reach now. */
const struct kept_output *vm_kept_output(const struct vm_entry *e);
/* A key that its guest has shown over SSH, and was refused for; "": none. */
const char *vm_offered_ssh_host_key(const struct vm_entry *e);
/* How often the rules of its tap were made anew while it ran. */
unsigned vm_rules_made(const struct vm_entry *e);
enum vm_reboot vm_reboot(const struct vm_entry *e);
void vm_set_reboot(struct vm_entry *e, enum vm_reboot reboot);

/* What rooms above keep of a VM, each for itself; NULL to begin with. */
enum vm_slot { VM_SLOT_RECONCILE, VM_SLOT_NAMES, VM_SLOT_PUBLISH, VM_SLOT_SUPERVISE, VM_SLOTS };

void *vm_slot(const struct vm_entry *e, enum vm_slot slot);
void vm_set_slot(struct vm_entry *e, enum vm_slot slot, void *data);

/* The record as it is on disk; NULL: none is yet. Borrowed until the next return to the loop. */
const struct vm *vm_shown(const struct vm_entry *e);
/* Adds a record (copied) to the registry; vm_save writes it, and until that is on disk nobody finds
 * it but by vm_find_id. ERR_EXISTS (VM_NAME_TAKEN). */
struct vm_entry *vm_add(struct core *core, const struct vm *vm, struct err *err);
/* Takes back a vm_add whose record has not come to the disk, and never will. */
void vm_withdraw(struct vm_entry *e);
/* Rows into txn; when they are gone from the disk it leaves the registry, with its sessions. Its
 * machine must have been closed. */
void vm_remove(struct vm_entry *e, struct store_txn *txn);
/* ERR_EXISTS (VM_NAME_TAKEN) when a VM has it; says which to whom the scope shows it. */
int vm_name_check_free(const struct core *core, const struct labels *scope, const char *name,
                       struct err *err);
/* ERR_EXISTS (VM_NAME_TAKEN) when another VM has it. The old name stays taken, and is the one that
 * the VM is found by, until the record with the new one (vm_save) is on disk. */
int vm_rename(struct vm_entry *e, const char *name, struct err *err);
/* For vm_save: the record with the present name is on disk, and none with another is on its way. */
void vm_name_settled(struct vm_entry *e);
/* Before a change of the record, which is what comes back; harmless again and again. */
struct vm *vm_edit(struct vm_entry *e);
/* The record as it is, into txn or, where NULL, a transaction of its own. Watchers are told when it
 * is on disk. */
void vm_save(struct vm_entry *e, struct store_txn *txn);

/* The one setter of state: checks the move against the table, writes the record (txn as in
 * vm_save), emits "vm.state", tells watchers later in this turn of the loop. stage: what failed
 * (VM_FAILED only, else NULL). reason: for people, becomes last_error (NULL: cleared, but kept
 * while STOPPING, DELETING or UNKNOWN). A move that the table lacks is refused, logged, and -1; to
 * the same state it is 0 and nothing happens. */
int vm_set_state(struct vm_entry *e, enum vm_state state, const char *stage, const char *reason,
                 struct store_txn *txn);
bool vm_state_may_move(enum vm_state from, enum vm_state to);
/* It promises memory: everything but STOPPED and FAILED. */
bool vm_state_is_active(enum vm_state state);

/* Told after changes of state, guest, record, removal; never from inside vm_watch. The entry
 * is referenced meanwhile. */
struct vm_watch {
    struct list link;
    struct vm_entry *vm;
    void (*changed)(void *arg, struct vm_entry *vm);
    void *arg;
};

void vm_watch(struct vm_entry *e, struct vm_watch *w,
              void (*changed)(void *arg, struct vm_entry *vm), void *arg);
/* Harmless on a closed or zeroed watch; allowed inside changed(). */
void vm_unwatch(struct vm_watch *w);
void vm_notify(struct vm_entry *e);

/* What is told of every VM to whoever builds on VMs; NULL: not wanted. `changed` comes as
 * vm_watch's does, also for the VMs that there are once they are listened for. The others come at
 * once, from inside of what happens, in this order: */
struct vm_events {
    void (*changed)(void *arg, struct vm_entry *vm);
    /* Its agent was reached (again): statuses follow, then synced, and down once; see
     * agent_client.h for the rest. vm->agent is there meanwhile. */
    void (*link_up)(void *arg, struct vm_entry *vm);
    void (*session_status)(void *arg, struct vm_entry *vm,
                           const struct agent_session_status *status);
    void (*synced)(void *arg, struct vm_entry *vm);
    void (*session_deleted)(void *arg, struct vm_entry *vm, const char *session_id);
    void (*stdin_ack)(void *arg, struct vm_entry *vm, const char *session_id, uint64_t offset,
                      bool closed);
    void (*writable)(void *arg, struct vm_entry *vm);
    /* Its guest ends its sessions and goes, as it was told to or by itself. */
    void (*shutting_down)(void *arg, struct vm_entry *vm);
    void (*link_down)(void *arg, struct vm_entry *vm);
    /* Its machine has ended: "vm_stopped", "vm_lost", "guest_panic". vm->agent may have been closed
     * before, or is closed after; it is not to be used again. */
    void (*gone)(void *arg, struct vm_entry *vm, const char *reason);
    /* Its record goes when txn is on disk: what belongs to it goes along. */
    void (*removing)(void *arg, struct vm_entry *vm, struct store_txn *txn);
    /* It leaves the registry, or that ends: nobody may wait for it any more. */
    void (*leaving)(void *arg, struct vm_entry *vm);
    /* Adds what of the host is taken by what is no VM of the registry. */
    void (*add_use)(void *arg, uint32_t *cpus, uint64_t *memory_bytes);
};

struct vm_listener {
    struct list link;
    const struct vm_events *events;
    void *arg;
};

/* Listens until vm_unlisten, or as long as there is the registry. */
void vm_listen(struct core *core, struct vm_listener *l);
/* Harmless on a zeroed listener. */
void vm_unlisten(struct vm_listener *l);
/* For what calls the listeners: VM_TELL in vm_internal.h. */
const struct list *vm_listeners(const struct core *core);

/* Someone looks at it or works with it, other than by a session that runs: a viewer, a reader of
 * its console. Used: by something that has just ended. */
void vm_used(struct vm_entry *e);
void vm_use_begin(struct vm_entry *e);
void vm_use_end(struct vm_entry *e);
bool vm_is_in_use(const struct vm_entry *e);
/* Monotonic: when the last use ended. */
int64_t vm_used_ms(const struct vm_entry *e);

/* What is true of a VM besides its state; texts are borrowed from the entry. */
struct vm_condition {
    const char *type; /* "AgentReady", "RestartRequired", "Restarting", "Published" */
    bool status;
    const char *reason, *message;
    int64_t changed_ns;
};

enum { VM_CONDITIONS_MAX = 4 };

/* One more of them, a room's own, borrowed; NULL: none. */
void vm_set_condition(struct vm_entry *e, enum vm_slot slot, const struct vm_condition *condition);
/* Fills out and returns how many. */
size_t vm_get_conditions(const struct vm_entry *e, struct vm_condition out[VM_CONDITIONS_MAX]);

#endif
