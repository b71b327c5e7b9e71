/* What other rooms may see of a VM, and keep with it; see vm.h. */
#include "daemon/core/vm/vm_internal.h"

struct core *vm_core(const struct vm_entry *e)
{
    return e->core;
}

const struct vm *vm_record(const struct vm_entry *e)
{
    return &e->vm;
}

bool vm_is_removed(const struct vm_entry *e)
{
    return e->removed;
}

bool vm_has_vmm(const struct vm_entry *e)
{
    return e->machine_state == VM_MACHINE_LIVE;
}

bool vm_is_paused(const struct vm_entry *e)
{
    return e->paused;
}

const struct vm_handles *vm_handles(const struct vm_entry *e)
{
    return &e->handles;
}

struct agent_client *vm_agent(const struct vm_entry *e)
{
    return e->agent;
}

bool vm_guest_is_ready(const struct vm_entry *e)
{
    return e->guest == VM_GUEST_READY;
}

const char *vm_agent_error(const struct vm_entry *e)
{
    return e->agent_error;
}

const struct kept_output *vm_kept_output(const struct vm_entry *e)
{
    return &e->kept;
}

unsigned vm_rules_made(const struct vm_entry *e)
{
    return e->rules_made;
}

enum vm_reboot vm_reboot(const struct vm_entry *e)
{
    return e->reboot;
}

void vm_set_reboot(struct vm_entry *e, enum vm_reboot reboot)
{
    e->reboot = reboot;
}

/* All of it in a row, since a processor goes on by itself where it sees one. */
void vm_expect(const struct vm_entry *e)
{
    enum { CACHE_LINE_BYTES = 64 };
    for (size_t at = 0; e && at <= offsetof(struct vm_entry, agent_error); at += CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)e + at);
}

bool vm_has_machine(const struct vm_entry *e)
{
    return e->machine != NULL;
}

void *vm_slot(const struct vm_entry *e, enum vm_slot slot)
{
    return e->slots[slot];
}

void vm_set_slot(struct vm_entry *e, enum vm_slot slot, void *data)
{
    e->slots[slot] = data;
}

void vm_set_condition(struct vm_entry *e, enum vm_slot slot, const struct vm_condition *condition)
{
    e->conditions[slot] = condition;
}

void vm_used(struct vm_entry *e)
{
    e->used_ms = clock_mono_ms();
}

void vm_use_begin(struct vm_entry *e)
{
    e->n_users++;
}

void vm_use_end(struct vm_entry *e)
{
    e->n_users--;
    vm_used(e);
}

bool vm_is_in_use(const struct vm_entry *e)
{
    return e->n_users > 0;
}

int64_t vm_used_ms(const struct vm_entry *e)
{
    return e->used_ms;
}
