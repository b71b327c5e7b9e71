/* Finds a session's processes through /proc, where there are no cgroups. */
#ifndef BANGER_AGENT_PROCS_H
#define BANGER_AGENT_PROCS_H

#include <stdint.h>
#include <sys/types.h>

/* Variable that marks the processes of a session; its value is the session's id. */
#define PROCS_MARK "BANGER_SESSION"

/* Whom all of them descend from: the keeper, or else (0) this process. */
void procs_set_root(pid_t pid);
pid_t procs_root(void);

/* Signals every process of the POSIX session sid (0: none) and every one below us that carries the
 * mark. Returns how many there are; signo 0 only counts. */
uint32_t procs_signal_all(pid_t sid, const char *id, int signo);

#endif
