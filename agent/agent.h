/* The agent as a whole: one link, the sessions, the cursors, and what the machine around it is
 * asked to do. Everything runs on one thread in one loop; agent_round is one turn of it. */
#ifndef BANGER_AGENT_AGENT_H
#define BANGER_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/link.h"
#include "agent/new_agent.h"
#include "agent/loop.h"
#include "agent/session.h"
#include "agent/subscription.h"

#define AGENT_VERSION "0.1.0"
#ifndef AGENT_REVISION /* a test's: an agent that says that it is older */
#define AGENT_REVISION PB(AgentRevision_AGENT_REVISION_THIRD)
#endif

struct agent;

/* What Configure and Shutdown do to the machine; a test or the sim driver has it do nothing. All
 * may be NULL. */
struct agent_system {
    /* Fills error ("" on success). */
    void (*configure)(struct agent *agent, const PB(Configure) * request, char *error, size_t size);
    void (*set_clock)(uint64_t realtime_ns);
    /* Sessions are gone: powers off, or asks an init system to and returns the milliseconds after
     * which it is to be forced. 0: the agent ends. */
    int (*power_off)(struct agent *agent, PB(ShutdownMode) mode, bool force);
};

/* The guest that the agent is in, as far as it is the agent's business. */
struct machine {
    bool is_init;         /* process 1 is ours: the keeper, or while it boots the agent */
    bool has_init;        /* another is, and it can be asked to power off */
    char work_device[64]; /* from the kernel command line; "": none */
    char work_mount[256]; /* where it is mounted; "": not yet */
};

/* What of this outlives the agent: the store's slot STORE_AGENT. Zeros are an agent that has just
 * begun. */
struct agent_slot {
    char instance[40];
    struct machine machine;
    char boot_error[256];
    bool root_ready; /* the root file system is there (or has failed: boot_error) */
    bool configured;
    uint64_t spool_bytes; /* as configured; 0: not */
};

struct agent {
    struct loop loop;
    struct link link;
    struct session_table sessions;
    struct subscriptions subscriptions;
    const struct agent_system *system;
    struct agent_slot *k;   /* in the store */
    struct loop_io signals; /* signalfd */
    int signal_fd;
    char boot_id[40];
    PB(Configure) wanted; /* the last Configure; applied when the root is there */
    bool wanted_pending;
    struct new_agent newer; /* as far as it has come */
    bool replaced;          /* it has come: we go */
    bool more_due;          /* the last pump stopped before it was done */
    bool shutting_down, killed, asked, ended;
    bool init_ends;          /* the init system powers off by itself: nobody is to be asked */
    int64_t linger_until_ms; /* the output of the sessions is being read; 0: nobody does */
    PB(ShutdownMode) shutdown_mode;
    struct loop_timer shutdown; /* grace, then the last word's time on the wire */
};

/* 0, or -1 with errno. system is borrowed. store: taken, also on failure; NULL: a new one. */
int agent_init(struct agent *agent, const struct agent_system *system, struct store *store);
/* Goes on with the sessions of an earlier agent where the store has any. After agent_init, and
 * before anything else. */
void agent_adopt(struct agent *agent);
/* A keeper, with these arguments for later agents, becomes our parent: everything goes on in a
 * child. 0, or -1 with errno: there is none. */
int agent_get_keeper(struct agent *agent, char *const *argv);
void agent_done(struct agent *agent);
/* SIGCHLD and SIGTERM become events; again after a fork. 0, or -1 with errno. */
int agent_watch_signals(struct agent *agent);

/* The root is there (error ""), or will never be. */
void agent_set_root(struct agent *agent, const char *error);

/* One turn: waits at most max_wait_ms (-1: until something happens), handles, sends. False when the
 * agent has ended. */
bool agent_round(struct agent *agent, int max_wait_ms);
/* Turns until it has ended; the exit code. */
int agent_run(struct agent *agent);

/* As the Shutdown message. */
void agent_shut_down(struct agent *agent, PB(ShutdownMode) mode, uint32_t grace_ms,
                     uint32_t linger_ms);

/* What on_frame of the link does; for the fuzz target. */
bool agent_take_frame(struct link *link, const struct frame *frame);

#endif
