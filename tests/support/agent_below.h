/* The agent below its keeper, found through /proc. */
#ifndef BANGER_TESTS_AGENT_BELOW_H
#define BANGER_TESTS_AGENT_BELOW_H

#include <sys/types.h>

/* The one that lives now; 0: none, or the keeper is something else. */
pid_t agent_below(pid_t keeper);
/* Both, the keeper first: so that none takes the place of one that is stopped. */
void agent_signal_both(pid_t keeper, int signo);

#endif
