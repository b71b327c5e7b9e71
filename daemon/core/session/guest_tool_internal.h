/* What the files of guest_tool.h share. */
#ifndef BANGER_DAEMON_CORE_SESSION_GUEST_TOOL_INTERNAL_H
#define BANGER_DAEMON_CORE_SESSION_GUEST_TOOL_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/core/vm/vm.h"
#include "daemon/guest/agent_client.h"
#include "rpc/event/loop.h"

enum { GUEST_TOOL_WORDS_BYTES = 480 }; /* of stderr: what a tool says of its failure */

struct guest_tool {
    struct core *core;
    struct vm_entry *vm;   /* referenced, in use */
    struct session record; /* as the agent is told of it */
    const struct guest_tool_events *events;
    void *arg;
    bool told;         /* to start, on this link */
    bool known;        /* the agent has named it, ever */
    bool named;        /* on this link */
    char instance[40]; /* of the agent that was told; "" */
    /* stdin: buf begins at acked */
    struct buf in;
    uint64_t acked, sent;
    bool finished, eof_sent, in_closed, short_write;
    /* stdout, stderr */
    struct agent_subscription *sub;
    uint64_t next[2];
    uint32_t credit; /* of stdout, that may still come */
    uint32_t most_credit;
    char words[GUEST_TOOL_WORDS_BYTES];
    size_t n_words;
    bool output_ended;
    /* its end */
    bool exited;
    struct err why;    /* code ERR_NONE: it has done it */
    struct timer turn; /* until the guest has started it; then, due at once: its end is told */
    bool over;
    unsigned busy; /* depth of events */
    bool closed;
};

struct guest_tools {
    struct map by_id;
    struct vm_listener listener;
};

/* guest_tool_link.c */
extern const struct vm_events guest_tool_vm_events; /* arg: the core */
/* What is owed to the agent, as far as it takes it: the start, the subscription, stdin. */
void guest_tool_tell(struct guest_tool *t);

/* guest_tool.c */
/* It has ended for a reason of ours; told in the next turn of the loop. */
void guest_tool_fail(struct guest_tool *t, enum err_code code, const char *reason,
                     const char *text);
/* Exit and all of its output have come: tells the end. */
void guest_tool_look(struct guest_tool *t);
void guest_tool_take_ack(struct guest_tool *t, uint64_t offset, bool closed);

#endif
