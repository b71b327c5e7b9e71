/* A VM's link to the agent in its guest: opened with the machine, closed with it. */
#ifndef BANGER_DAEMON_CORE_VM_VM_AGENT_H
#define BANGER_DAEMON_CORE_VM_VM_AGENT_H

struct err;
struct vm_entry;

/* Connects in the background; configures a fresh guest; entry->guest follows. */
int vm_agent_open(struct vm_entry *e, struct err *err);
/* Sessions are told that the link is down. Harmless without a link. */
void vm_agent_close(struct vm_entry *e);

/* Its guest cannot be used, as was found before any link: it has shown the wrong key. */
void vm_agent_refused(struct vm_entry *e, const char *why);
/* It may be used after all. */
void vm_agent_accepted(struct vm_entry *e);

#endif
