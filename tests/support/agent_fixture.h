/* An agent and its keeper in child processes, listening in a temporary folder; one per test
 * program. */
#ifndef BANGER_TESTS_AGENT_FIXTURE_H
#define BANGER_TESTS_AGENT_FIXTURE_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes of output that its ended sessions keep at most; 0: its own figure. Set before the start. */
extern uint64_t fixture_ended_most;

/* 0, or -1. The agent touches nothing of the machine (no Configure, no power). */
int fixture_start(void);
/* The agent's process, once it answers. */
pid_t fixture_pid(void);
/* Its socket. */
const char *fixture_path(void);
/* Ends it with SIGTERM; its exit code, or -1 for anything else. */
int fixture_stop(void);

#endif
