/* A real banger-agent on a Unix socket in a temporary folder, for tests: what the sim driver does.
 */
#ifndef BANGER_TESTS_AGENT_PROCESS_H
#define BANGER_TESTS_AGENT_PROCESS_H

#include <sys/types.h>

struct agent_process {
    char dir[64];    /* made by mkdtemp, removed at the end */
    char socket[96]; /* where the agent listens */
    pid_t pid;       /* of the keeper: the agent is below it, see agent_below.h */
};

/* Ends the program where it cannot. Waits for nothing: clients retry. */
void agent_process_start(struct agent_process *p);
/* SIGKILL to the keeper, then a new one on the same socket, which knows nothing. */
void agent_process_restart(struct agent_process *p);
void agent_process_stop(struct agent_process *p);

#endif
