/* A program that is to take the agent's place, as it comes from the daemon in parts: kept in
 * memory, so that no disk of the guest's matters, and handed to the keeper, which starts the next
 * agent from it (keeper.h). */
#ifndef BANGER_AGENT_NEW_AGENT_H
#define BANGER_AGENT_NEW_AGENT_H

#include <stdint.h>

#include "agent/codec.h"

struct store;

enum { NEW_AGENT_MAX_BYTES = 16 << 20 };

struct new_agent {
    int fd; /* owned; -1: none has begun */
    uint32_t size, at;
};

void new_agent_init(struct new_agent *n);
/* The next part, or the first of another one. 1: that was the last, and the keeper has it. 0: there
 * are more to come. -1 with errno: it is forgotten. */
int new_agent_take(struct new_agent *n, const struct codec_new_agent *part, struct store *store);
/* What has come so far is forgotten: its link is gone. */
void new_agent_forget(struct new_agent *n);

#endif
