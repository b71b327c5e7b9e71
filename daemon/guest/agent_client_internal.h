/* Shared by agent_client.c and agent_subscription.c; nobody else. */
#ifndef BANGER_DAEMON_GUEST_AGENT_CLIENT_INTERNAL_H
#define BANGER_DAEMON_GUEST_AGENT_CLIENT_INTERNAL_H

#include "base/list.h"
#include "daemon/guest/agent_client.h"
#include "daemon/guest/agent_link.h"

struct agent_client {
    struct agent_link link;
    const struct agent_events *events;
    void *arg;
    struct agent_hello hello;
    struct list subscriptions;
    struct agent_subscription *latest; /* found last; data comes in runs */
    uint32_t first_subscription;       /* numbers used on this link: from this one … */
    uint32_t next_subscription;        /* … to before this one */
    bool synced;                       /* the statuses of this link have all come */
};

/* The link is up: ask for every cursor again at the offset that it has reached. */
void agent_subscriptions_link_up(struct agent_client *c);
void agent_subscriptions_link_down(struct agent_client *c);
/* There is room for what was refused. */
void agent_subscriptions_drained(struct agent_client *c);
/* The client goes: cursors fall silent and wait for their holders. */
void agent_subscriptions_orphan(struct agent_client *c);
/* A message about a cursor; -1 with err where the agent breaks the protocol. */
int agent_subscriptions_message(struct agent_client *c, const struct agent_message *m,
                                struct err *err);

#endif
