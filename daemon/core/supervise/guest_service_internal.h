/* What the files of services share; see guest_service.h. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_GUEST_SERVICE_INTERNAL_H
#define BANGER_DAEMON_CORE_SUPERVISE_GUEST_SERVICE_INTERNAL_H

#include "base/list.h"
#include "daemon/core/session/session.h"
#include "daemon/core/supervise/guest_service.h"
#include "daemon/core/vm/vm.h"
#include "rpc/event/loop.h"

/* core->guest_services. */
struct guest_services {
    struct core *core;
    struct list all; /* by creation */
    struct vm_listener listener;
    struct timer turn; /* looks at those that are to be looked at */
};

struct guest_tool;
struct store_txn;

/* What its readiness check says of a run. */
struct guest_service_ready {
    struct timer timer;       /* until the next check, or this one takes too long */
    struct guest_tool *check; /* under way; NULL: none is */
    char run[ID_BYTES];       /* whose readiness it is */
    bool is;
    uint32_t failures; /* in a row */
    char why[TEXT_BYTES];
};

struct guest_service_entry {
    struct guest_services *of;
    struct list link;
    struct guest_service row; /* the working copy */
    struct guest_service
        on_disk;      /* as others see it; what it owns is the row's, which changes with it */
    bool stored;      /* its first row is on disk */
    bool removed;     /* and gone again */
    bool asked;       /* a change by a user is on its way, */
    bool wanted_next; /* after which it is wanted, or not, */
    const struct guest_service *next; /* and has this spec; NULL: the one that it has */
    bool going;   /* it may be gone after what is on its way: nothing of it is written */
    bool to_look; /* in the next turn */
    uint32_t refs;
    struct session_entry *run; /* the latest, referenced; NULL: none */
    struct session_watch watch;
    struct session_starter *starter; /* of the run that begins; NULL: none does */
    struct timer wait;               /* until it is started again */
    struct guest_service_ready ready;
};

/* Something that a user asks for, on its way to the disk. */
struct guest_service_change {
    struct guest_service_entry *e; /* referenced */
    bool wanted;                   /* of a change of that */
    struct guest_service next;     /* of an update: owned */
    char replaced[ID_BYTES];       /* the run that makes room for one of the new spec; "": none */
    guest_service_done_fn *done;
    void *arg;
};

/* NULL with err: another is on its way. */
struct guest_service_change *guest_service_change_new(struct guest_service_entry *e,
                                                      guest_service_done_fn *done, void *arg,
                                                      struct err *err);
/* done is told, the change freed. */
void guest_service_change_end(struct guest_service_change *c, const struct err *err);
/* Freed without a word: it was not begun. */
void guest_service_change_drop(struct guest_service_change *c);
void guest_service_emit(const struct guest_service_entry *e, struct store_txn *txn,
                        const char *kind);

void guest_service_unref(struct guest_service_entry *e);
/* In the next turn of the loop. */
void guest_service_look_soon(struct guest_service_entry *e);

/* guest_service_run.c */
void guest_service_look(struct guest_service_entry *e);
/* Others of its VM may wait for it. */
void guest_service_look_at_others(struct guest_service_entry *e);
/* Its latest run is that session (referenced here), or none. */
void guest_service_set_run(struct guest_service_entry *e, struct session_entry *run);
/* The course as it is goes to the store; with an event, where there is something to say. */
void guest_service_save(struct guest_service_entry *e, const char *kind, const char *detail);

/* guest_service_request.c: into the transaction that makes it; -1: out of memory. And it was not
 * made after all. */
int guest_service_keep_request(const struct guest_service_entry *e, const struct request_meta *meta,
                               struct store_txn *txn, struct err *err);
void guest_service_forget_request(const struct guest_service_entry *e);

/* guest_service_ready.c */
int guest_service_ready_open(struct guest_service_entry *e);
void guest_service_ready_close(struct guest_service_entry *e);
/* Its run, or its state, may be another. */
void guest_service_look_ready(struct guest_service_entry *e);
void guest_service_stop_asking(struct guest_service_entry *e);

#endif
