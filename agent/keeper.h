/* The keeper: the agent's parent. It starts the agent, again where that ends by a signal, and holds
 * meanwhile what the sessions need: their memory and files (store.h). It is also the parent of
 * their processes, whatever agent has started them: so none of them notices an agent's end, how
 * they end is known though no agent lives, and all of them end with the keeper. It knows nothing of
 * sessions and speaks to nobody but the agent.
 *
 * An agent that ends by exit() has decided so: the keeper ends with its code. But one that does so
 * before it was ready has failed to start, and one that ends with KEEPER_AGAIN is to be followed by
 * another. */
#ifndef BANGER_AGENT_KEEPER_H
#define BANGER_AGENT_KEEPER_H

#include "agent/store.h"

enum {
    KEEPER_AGAIN = 75,
    KEEPER_TRIES = 3, /* of a new file, until the first one is used again */
};

/* Runs agents with the given arguments, to which it adds "--kept STORE,KEEPER" (numbers of fds).
 * Returns the exit code. */
int keeper_run(char *const *argv);

/* Forks: the caller goes on, as the first agent, in the child, with store's keeper_fd. The parent
 * is its keeper and does not return. argv: for later agents; NULL: there is none, it ends with this
 * one. -1 with errno: there is no keeper. */
int keeper_split(struct store *store, char *const *argv);

#endif
