/* What supervise.c shares with ephemeral.c, expiry.c, idle.c, lease.c, restart.c and autostart.c;
 * nobody else. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_INTERNAL_H
#define BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/core/supervise/expiry_clock.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/host/store_state.h"
#include "daemon/core/vm/vm.h"
#include "rpc/event/loop.h"

enum { AUTOSTARTS_AT_ONCE = 4 };

struct err;
struct supervise;

/* One start of a VM by autostart.c. */
struct autostart {
    struct supervise *of;
    struct vm_entry *vm;          /* referenced */
    struct operation_watch watch; /* zeroed: a free place */
};

/* core->supervise. */
struct supervise {
    struct core *core;
    struct vm_listener listener;
    struct store_state_watch store_watch;
    struct list all;           /* struct supervised */
    struct timer expiry_timer; /* for all of them */
    struct expiry_clock expiry_clock;
    struct list autostarts; /* autostart_link: wait for their turn */
    struct autostart autostart_places[AUTOSTARTS_AT_ONCE];
    struct timer autostart_timer; /* when what was refused is asked for again */
};

/* A VM with a policy. */
struct supervised {
    struct supervise *of;
    struct vm_entry *vm; /* referenced */
    struct list link, autostart_link;
    bool delete_tried; /* ephemeral: its deletion was started */
    bool expiry_announced, expiry_told;
    struct timer idle_timer; /* runs while the VM does */
    int64_t idle_from_ms;    /* monotonic: it does since, as far as we know */
    struct timer lease_timer;
    int64_t lease_due_ms; /* monotonic; 0: not yet set */
    struct timer restart_timer;
    struct vm_condition restarting;       /* shown while the timer runs */
    char restarting_text[256];            /* its message */
    struct operation_watch restart_watch; /* of the start that we have asked for; else zeroed */
    bool restart_counted;                 /* that start is */
    int64_t ran_from_ns;                  /* of its latest run; 0: it has not run since we look */
};

/* For logs and events: an event of its own transaction. */
void supervise_emit(struct core *core, const struct vm_entry *e, const char *kind,
                    const char *detail, const struct operation_entry *op);

/* For store_commit: a commit that nothing waits for. */
void supervise_written(void *arg, const struct err *err);

/* Each: the VM or its record may have changed; and: forget it. */
void ephemeral_changed(struct supervised *s);
void expiry_changed(struct supervised *s);
int expiry_open(struct supervise *of);
void idle_changed(struct supervised *s);
void lease_changed(struct supervised *s);
void restart_changed(struct supervised *s);
int idle_open(struct supervised *s);
void idle_close(struct supervised *s);
int lease_open(struct supervised *s);
void lease_close(struct supervised *s);
int restart_open(struct supervised *s);
void restart_close(struct supervised *s);

/* It waits for its turn to be started with the daemon. */
bool autostart_waits(const struct supervised *s);
void autostart_add(struct supervised *s);
/* The same of one whose guest's reset is owed: in a while. */
void autostart_owe(struct supervised *s);
int autostart_open(struct supervise *of);
void autostart_close(struct supervise *of);
/* Begins as many as there are places for. */
void autostart_next(struct supervise *of);

#endif
