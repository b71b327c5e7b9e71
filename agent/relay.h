/* banger-agent --relay PATH: standard input and output, which are a channel to the daemon (ssh's),
 * to the agent that listens at PATH, which is started first where there is none. The agent lives
 * on when the channel breaks; the relay ends with it. It greets first (base/relay.h). */
#ifndef BANGER_AGENT_RELAY_H
#define BANGER_AGENT_RELAY_H

#include <stdbool.h>

/* path: a socket; spool: a folder, NULL for the agent's choice; no_system, of_machine: as for the
 * agent. The program's exit code. */
int relay_stdio_run(const char *path, const char *spool, bool no_system, bool of_machine);

#endif
