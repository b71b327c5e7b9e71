/* The agent as a whole: one link, the sessions, the cursors, and what the machine around it is
 * asked to do. Everything runs on one thread in one loop; agent_round is one turn of it. */
#ifndef BANGER_AGENT_AGENT_H
#define BANGER_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/link.h"
#include "agent/loop.h"
#include "agent/session.h"
#include "agent/subscription.h"

#define AGENT_VERSION "0.1.0"

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
    bool is_init;         /* we are process 1 */
    bool has_init;        /* another is, and it can be asked to power off */
    char work_device[64]; /* from the kernel command line; "": none */
    char work_mount[256]; /* where it is mounted; "": not yet */
};

struct agent {
    struct loop loop;
    struct link link;
    struct session_table sessions;
    struct subscriptions subscriptions;
    const struct agent_system *system;
    struct machine machine;
    struct loop_io signals; /* signalfd */
    int signal_fd;
    char boot_id[40], instance[40];
    char boot_error[256];
    bool root_ready; /* the root file system is there (or has failed: boot_error) */
    bool configured;
    PB(Configure) wanted; /* the last Configure; applied when the root is there */
    bool wanted_pending;
    bool more_due; /* the last pump stopped before it was done */
    bool shutting_down, killed, asked, ended;
    PB(ShutdownMode) shutdown_mode;
    struct loop_timer shutdown; /* grace, then the last word's time on the wire */
};

/* 0, or -1 with errno. system is borrowed. */
int agent_init(struct agent *agent, const struct agent_system *system);
void agent_done(struct agent *agent);
/* SIGCHLD and SIGTERM become events; again after a fork. 0, or -1 with errno. */
int agent_watch_signals(struct agent *agent);

/* The root is there (error ""), or will never be. */
void agent_set_root(struct agent *agent, const char *error);

/* One turn: waits at most max_wait_ms (-1: until something happens), handles, sends. False when the
 * agent has ended. */
bool agent_round(struct agent *agent, int max_wait_ms);

/* As the Shutdown message. */
void agent_shut_down(struct agent *agent, PB(ShutdownMode) mode, uint32_t grace_ms);

/* What on_frame of the link does; for the fuzz target. */
bool agent_take_frame(struct link *link, const struct frame *frame);

#endif
