/* What the files of VMs share, and nobody else. */
#ifndef BANGER_DAEMON_CORE_VM_VM_INTERNAL_H
#define BANGER_DAEMON_CORE_VM_VM_INTERNAL_H

#include <jansson.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"

struct handles_save;
struct vm_ssh_link;
struct vm_kill;

/* Whether there is a VMM, the process. vm_machine.c moves it. */
enum vm_machine_state {
    VM_MACHINE_NONE,    /* no process, and no call on one: entry->machine is NULL */
    VM_MACHINE_OPENING, /* one is looked for, or made */
    VM_MACHINE_LIVE,    /* started or adopted, and not seen to end */
    VM_MACHINE_ENDED,   /* seen to end; it is closed when no call on it is under way */
};

/* How far we are with its guest. vm_agent.c moves it. */
enum vm_guest_state {
    VM_GUEST_DOWN,   /* no link, or its agent has not told what it knows */
    VM_GUEST_SYNCED, /* it has, and is being configured */
    VM_GUEST_READY,  /* configured: sessions see the link */
    VM_GUEST_BROKEN, /* it said that it cannot be used; vm_entry.agent_error has why */
};

/* The call on its machine that is under way; vm_machine_call.c has it. */
struct vm_call {
    vmm_done_fn *done; /* NULL: none */
    void *arg;
    /* Of a stop: */
    int64_t grace_ms;
    bool shutdown_sent;
    struct vm_watch watch;
};

/* What VMs take of the host: sums that follow them, as each creation asks for them, and a walk
 * would take longer the more there are. */

enum { VM_DRIVERS_MAX = 8 };

/* Of VMs by one driver, whose VMMs' own memory comes on top: that may become known later. */
struct vm_use {
    uint32_t vms, cpus;
    uint64_t memory_bytes; /* their guests' */
};

/* The registry's: by the driver's place among vmm_drivers, behind them those whose driver is not
 * known. */
struct vm_uses {
    struct vm_use by_driver[VM_DRIVERS_MAX];
    /* vm_network.c's: entries with a tap, by guest_ip; how far behind the first address of the
     * pool the next one is looked for. */
    struct map addresses;
    uint32_t next_address;
};

/* What of them is an entry's; all zero while it is not active. */
struct vm_share {
    uint64_t memory_bytes;
    uint32_t cpus;
    uint16_t vms, driver;
};

struct vm_entry {
    struct core *core;
    struct vm vm;
    /* What lists show besides, in one place: thousands are looked at in a row. */
    struct vm *shown; /* the version on disk, while a newer one is on its way; else NULL */
    bool committed;   /* some version of the record is on disk: it may be seen */
    bool removed;
    enum vm_machine_state machine_state;
    enum vm_guest_state guest;
    bool restart_required;    /* the spec changed under the running machine */
    int64_t agent_changed_ns; /* of whether it is ready */
    int64_t restart_changed_ns;
    const struct vm_condition *conditions[VM_SLOTS]; /* borrowed: vm_set_condition */
    struct kept_output kept; /* by its agent, which may be out of reach now */
    struct vm_ssh_link *ssh; /* owned: vm_ssh.c's; NULL */
    char agent_error[256];   /* why it is not ready; "" while that is not known */

    struct vmm_machine *machine;    /* NULL while there is no process, and no call on one */
    struct agent_client *agent;     /* NULL while there is no live machine */
    struct vm_new_agent *new_agent; /* on its way there; NULL: none */
    unsigned n_new_agents;          /* since the agent's link was opened */
    struct vm_handles handles;      /* cache; see handles.h */
    struct list link;               /* registry, by creation */
    uint32_t refs;                  /* an entry outlives its removal while someone looks at it */
    uint32_t n_unwritten;           /* versions on their way */
    bool edited;                    /* changed since the latest of them */
    struct vm_share share;          /* of the host */
    char *held_name;                /* owned: another that is or may get on disk; NULL: none */

    char ended_detail[400]; /* of the latest machine's end */
    bool ended_by_panic;    /* of its guest's kernel */
    int64_t clock_told_ms;  /* monotonic: when its clock was last said to be off; 0: never */
    struct vm_call call;
    struct vm_kill *kill;        /* under way */
    struct handles_save *saving; /* handles.json is being written */
    bool paused;                 /* its machine is, whatever the state has become */
    enum vm_reboot reboot;       /* until it is STARTING, or told to end */
    unsigned rules_made;         /* of its tap, while it ran */
    uint32_t n_users;            /* vm_use_begin */
    int64_t used_ms;             /* monotonic: when the last use ended */
    void *slots[VM_SLOTS];
    struct list watches, turn_link;
};

/* What vm_machine.c has for vm_machine_call.c, besides vm_machine.h. */

/* Opens entry->machine if it is not. */
int vm_machine_open(struct vm_entry *e, struct err *err);
/* vmm_start or vmm_adopt succeeded: handles are taken, the agent's channel is opened. -1: no agent
 * client could be made. */
int vm_machine_started(struct vm_entry *e, struct err *err);
/* The process is gone: agent closed, handles cleared, live sessions LOST(reason). Idempotent. */
void vm_machine_gone(struct vm_entry *e, const char *reason);
/* Closes the machine where nothing lives and nothing is under way on it. */
void vm_machine_release(struct vm_entry *e);
/* vm_machine_call.c: none of what is under way comes to an end. */
void vm_machine_drop_calls(struct vm_entry *e);

/* Who runs hooks; NULL: nobody. */
const struct vm_hook_runner *vm_hook_runner(const struct core *core);
/* A hook in an operation's params: NULL, or -1, out of memory. */
json_t *vm_hook_write(const struct vm_hook *hook);
int vm_hook_read(const json_t *o, struct vm_hook *hook);

/* Jobs on objects of VMs that are under way; vm_objects.c's. */
struct list *vm_object_jobs(struct core *core);
struct vm_new_agents *vm_new_agents(struct core *core);
/* vm_capacity.c: its state or spec may have changed. */
void vm_recount(struct vm_uses *uses, struct vm_entry *e);
/* NULL while VMs are loaded. */
struct vm_uses *vm_uses(const struct core *core);
/* Takes its address among the others', and gives it back. */
int vm_net_enter(struct vm_uses *uses, struct vm_entry *e);
void vm_net_leave(struct vm_uses *uses, const struct vm_entry *e);

/* Tells all listeners: VM_TELL(core, gone, vm, "vm_lost"). None may unlisten in it. */
#define VM_TELL(core, event, ...)                                                                  \
    do {                                                                                           \
        list_foreach(vm_tell_at, vm_listeners(core))                                               \
        {                                                                                          \
            const struct vm_listener *vm_tell_to =                                                 \
                container_of(vm_tell_at, struct vm_listener, link);                                \
            if (vm_tell_to->events->event)                                                         \
                vm_tell_to->events->event(vm_tell_to->arg, __VA_ARGS__);                           \
        }                                                                                          \
    } while (0)

#endif
