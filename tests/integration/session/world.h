/* A daemon's core in small: loop, store, events, sessions, and one VM whose guest is a banger-agent
 * process. Restarts of the daemon and of the agent, and breaking links, are a call away. */
#ifndef BANGER_TESTS_WORLD_H
#define BANGER_TESTS_WORLD_H

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session.h"
#include "daemon/guest/agent_client.h"
#include "daemon/guest/channel.h"
#include "rpc/event/loop.h"
#include "daemon/core/vm/vm_internal.h"
#include "tests/integration/guest/agent_process.h"
#include "tests/support/agent_below.h"
#include "tests/integration/guest/proxy.h"

enum { WORLD_SOURCE_BYTES = 32 * 1024 * 1024, WORLD_DEADLINE_MS = 60000 };

struct world {
    struct agent_process agent;
    struct core core;
    struct vm_entry vm;
    struct proxy proxy;
    bool proxied;
    struct timer deadline;
    bool timed_out;
    unsigned downs, ups;
    unsigned deletions;                      /* that the agent has confirmed */
    void (*on_up)(void), (*on_synced)(void); /* before the sessions hear of it; may be NULL */
    uint8_t *source;                         /* random bytes, also in the file source_path */
    char source_path[96];
};

extern struct world world;

/* Agent, source file, daemon. */
void world_begin(void);
void world_end(void);
/* The daemon alone. proxy_kind -1: straight to the agent. */
void world_open_daemon(int proxy_kind);
void world_close_daemon(void);
/* The proxy cuts after so many bytes, some cuts in all, which the test may ask for: fewer of them
 * where a connection takes long. */
void world_set_cuts(size_t min, size_t max);
unsigned world_many_cuts(void);
/* The VM's agent client, as vm.c would. */
void world_open_link(void);
void world_close_link(void);

/* Its machine has ended. */
void world_vm_gone(const char *reason);
/* Its agent says that its guest shuts down; it stays. */
void world_shutting_down(void);
/* Its agent has forgotten that session, unasked. */
void world_agent_deleted(const char *session_id);

/* Runs the loop until done(arg), or fails the check after the deadline. */
bool world_run(bool (*done)(void *arg), void *arg);
/* As that, and looks by itself, for what nothing announces. */
bool world_await(bool (*done)(void *arg), void *arg);
/* What callbacks call when something may be done. */
void world_poke(void);

/* Starts sh -c script and waits until it is beyond STARTING; NULL with err when it cannot be. */
struct session_entry *world_start(const char *script, const struct session *more, struct err *err);
/* The same without waiting. */
int world_start_async(const char *script, const struct session *more,
                      const struct request_meta *meta,
                      void (*started)(void *arg, struct session_entry *e, const struct err *err),
                      void *arg, struct err *err);
bool world_wait_ended(struct session_entry *e);
/* Two rounds with the agent: what was on its way to it has arrived, and has been done. */
void world_settle(void);
/* One that has ended and has left that process. */
struct session_entry *world_leave_one(pid_t *pid);
/* Waits until it is gone. */
void world_delete(struct session_entry *e, bool force);
void world_delete_all(void);

#endif
