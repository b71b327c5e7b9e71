/* Hands a newer agent to guests whose agent is older than the one we come with: after an update of
 * the daemon, whose VMs run on. Their sessions do, too; see docs/agent-protocol.md.
 *
 * A few guests at a time, so that a thousand of them cost a few copies of the program. */
#ifndef BANGER_DAEMON_CORE_VM_VM_NEW_AGENT_H
#define BANGER_DAEMON_CORE_VM_VM_NEW_AGENT_H

#include "base/list.h"

struct core;
struct vm_entry;

/* The registry's. */
struct vm_new_agents {
    struct list waiting;
    unsigned n_going;
};

void vm_new_agents_init(struct vm_new_agents *all);

/* The guest is ready: has its agent followed by ours if that is newer. */
void vm_new_agent_offer(struct vm_entry *e);
/* The link takes more. */
void vm_new_agent_writable(struct vm_entry *e);
/* The link, and what it was told of a new agent, is gone. */
void vm_new_agent_drop(struct vm_entry *e);

#endif
