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

/* Whose it is, in one piece. */
struct attach_who {
    bool logs;
    size_t address_at; /* in text */
    char text[];       /* principal, address */
};

struct attach {
    struct list link;              /* of the session */
    struct session_entry *session; /* referenced */
    const struct attach_events *events;
    void *arg;
    bool follow, hold, times, released;
    uint64_t writer_key;
    int64_t until_ns;
    int64_t begun_ns; /* real time */
    struct attach_who *who;
    uint64_t id;
    bool opened, over, closed;
    unsigned busy; /* depth of events */
    struct attach_stream streams[2];
    uint32_t credit;    /* bytes that may still come */
    uint64_t owed[2];   /* given, and not granted again */
    uint64_t taken[2];  /* attach_taken; first where it began */
    int64_t stalled_ns; /* since then; real time, 0: nothing is */
    struct agent_subscription *sub;
    struct output_reader *kept; /* what was saved of its output; instead of sub */
    bool kept_tried;
    bool refused;     /* by the agent; no use to ask before it has news */
    bool output_gone; /* the agent cannot give it (any more) */
    bool caught_up;
    bool was_writer;     /* as last told */
    uint64_t generation; /* of the writer that it became; 0: never one */
    bool demoted;        /* another took over */
    bool foreign_due;    /* others send: it is to be told */
    uint64_t acked_told;
    bool closed_told, full_told;
    char *kicked_by; /* NULL: nobody has sent it away */
};

static inline struct vm_entry *attach_vm(const struct attach *a)
{
    return vm_find_id(a->session->core, a->session->session.vm_id);
}

/* Its viewer is waited for until it has taken what it was given. */
static inline bool attach_wants_taken(const struct attach *a)
{
    return a->hold && a->session->session.spec.output_policy == OUTPUT_HOLD_DROP_TAKEN;
}

void attach_free(struct attach *a);
void attach_drop_subscription(struct attach *a);

/* attach_viewers.c */
/* NULL: out of memory. */
struct attach_who *attach_who_new(const struct attach_options *options);
/* -1: there are too many. */
int attach_check_number(const struct session_entry *e, struct err *err);
void attach_note_given(struct attach *a, int which, uint32_t bytes);
void attach_note_granted(struct attach *a, uint32_t bytes);
/* Why it is to end; false: it is not. */
bool attach_was_kicked(const struct attach *a, struct err *err);

#endif
