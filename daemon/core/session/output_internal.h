/* Output of sessions that their guest takes along, kept on this host: saved while the guest shuts
 * down (output_save.c), read back when no agent can give it (output_read.c). On the loop's thread;
 * the files are workers' (output_file.h). */
#ifndef BANGER_DAEMON_CORE_SESSION_OUTPUT_INTERNAL_H
#define BANGER_DAEMON_CORE_SESSION_OUTPUT_INTERNAL_H

#include "daemon/guest/agent_client.h"

struct core;
struct err;
struct output_reader;
struct session_entry;
struct session_vm;
struct vm_entry;

/* What a VM's sessions may have on this host; what is oldest goes first. */
#define OUTPUT_VM_BYTES ((uint64_t)1 << 30)

enum {
    OUTPUT_CREDIT_BYTES = 256 * 1024, /* per session that is saved */
    OUTPUT_AT_ONCE = 8,               /* sessions, the latest first */
};

/* Its agent has said that it shuts down: saves what the agent has, once, then tells it to go, as
 * often as it says so. */
void output_save_begin(struct core *core, struct session_vm *v, struct vm_entry *vm);
/* The guest has gone: what has come is kept. NULL is fine. */
void output_save_end(struct session_vm *v);

/* Reads what was saved of a session, as agent_subscribe_until would from its agent: opened, data
 * within the credit, gaps where bytes lie between; then ended, with an error: what is missing now
 * is gone for good; but without one where what follows is of later than until_ns. how: AGENT_TIMES.
 * No `opened` where an offset lies past the end. NULL: out of memory. */
struct output_reader *output_read(const struct session_entry *e, struct agent_start from_stdout,
                                  struct agent_start from_stderr, int64_t until_ns,
                                  uint32_t credit_bytes, unsigned how,
                                  const struct agent_subscription_events *events, void *arg);
void output_read_grant(struct output_reader *r, uint32_t bytes);
/* No event after this; from inside one, too. NULL is fine. */
void output_read_close(struct output_reader *r);

/* The session was deleted. */
void output_forget(const struct session_entry *e);

#endif
