/* What the agent's relay and whoever starts it over SSH agree on. */
#ifndef BANGER_BASE_RELAY_H
#define BANGER_BASE_RELAY_H

/* What it says first, on a line of its own, when the agent has been reached: what a login shell
 * prints before that is not the agent's. */
#define RELAY_GREETING "banger-relay 1\n"

#endif
