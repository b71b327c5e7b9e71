/* How a guest is divided between the agent and its sessions, so that nothing that a session does,
 * as root too, keeps the agent from ending it: a fork bomb, all memory, all processors. */
#ifndef BANGER_AGENT_SHARES_H
#define BANGER_AGENT_SHARES_H

#include <stdint.h>
#include <sys/types.h>

struct cgroups;

enum {
    SHARES_AGENT_MEMORY_MIN_BYTES = 8 * 1024 * 1024,
    SHARES_AGENT_MEMORY_MAX_BYTES = 64 * 1024 * 1024,
};

struct shares {
    uint64_t memory_bytes; /* of all sessions together */
    uint64_t pids;         /* processes and threads of all sessions together */
};

/* Of a machine with so much memory (MemTotal) and room for so many threads. Pure. */
struct shares shares_of(uint64_t memory_bytes, uint64_t threads_max);
/* Bounds the sessions' cgroup, and moves the agent and its keeper (0: there is none) into one of
 * their own beside it, with memory that is not reclaimed and a hundred times the weight. Harmless
 * without cgroups; what fails is logged. */
void shares_set(const struct cgroups *sessions, pid_t keeper);

#endif
