/* Output half of the link, for agent_link.c alone. */
#ifndef BANGER_DAEMON_GUEST_AGENT_LINK_OUT_H
#define BANGER_DAEMON_GUEST_AGENT_LINK_OUT_H

#include "daemon/guest/agent_link.h"

/* Queues whatever the state. 0, or -1 with ERR_UNAVAILABLE. */
int agent_link_queue(struct agent_link *l, const PB(ToAgent) * message, struct err *err);
/* Writes what it can. Room that came free is reported from the loop, a failure by the next read. */
void agent_link_flush(struct agent_link *l);
bool agent_link_is_drained(const struct agent_link *l);

#endif
