/* What attach.c and attach_output.c share; nobody else. */
#ifndef BANGER_DAEMON_CORE_SESSION_ATTACH_INTERNAL_H
#define BANGER_DAEMON_CORE_SESSION_ATTACH_INTERNAL_H

#include "base/list.h"
#include "daemon/core/session/attach.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

struct attach_stream {
    struct agent_start from;
    uint64_t next; /* first offset not given yet */
    bool ended;
};

struct attach {
    struct list link;              /* of the session */
    struct session_entry *session; /* referenced */
    const struct attach_events *events;
    void *arg;
    bool follow, hold, released;
    uint64_t writer_key;
    int64_t begun_ns; /* real time */
    bool opened, over, closed;
    unsigned busy; /* depth of events */
    struct attach_stream streams[2];
    uint32_t credit; /* bytes that may still come */
    struct agent_subscription *sub;
    bool refused;     /* by the agent; no use to ask before it has news */
    bool output_gone; /* the agent cannot give it (any more) */
    bool caught_up;
    bool was_writer;     /* as last told */
    uint64_t generation; /* of the writer that it became; 0: never one */
    bool demoted;        /* another took over */
    uint64_t acked_told;
    bool closed_told, full_told;
};

static inline struct vm_entry *attach_vm(const struct attach *a)
{
    return vm_find_id(a->session->core, a->session->session.vm_id);
}

void attach_drop_subscription(struct attach *a);

#endif
