/* What of a session outlives the agent: its slot in the store (store.h), in which the agent works.
 * A word is written after those that it makes true: the agent may end between any two.
 *
 * Later versions add fields at the end alone: they read as zeros in what an earlier agent has
 * written. Anything else is another STORE_VERSION. */
#ifndef BANGER_AGENT_SESSION_SLOT_H
#define BANGER_AGENT_SESSION_SLOT_H

#include <assert.h>
#include <stdint.h>

#include "agent/spool.h"
#include "agent/stdin_runs.h"
#include "agent/store.h"

enum { SESSION_ID_BYTES = 20, SESSION_ERROR_BYTES = 256 };

enum session_cut { SESSION_CUT_NONE, SESSION_CUT_HELD_OPEN, SESSION_CUT_STILL_WRITING };

struct stream_slot {
    struct spool_kept spool;
    uint64_t held_from; /* where its last holder was when it was read last; UINT64_MAX: none */
    uint32_t ended;
    uint32_t cut; /* enum session_cut */
};

struct stdin_slot {
    uint64_t received; /* bytes that are here, or were; o is at o % STORE_STDIN_BYTES of the room */
    uint64_t acked;    /* bytes written or dropped */
    uint64_t eof_at;
    uint64_t eof_given; /* bytes written to end it: a terminal's one */
    uint32_t eof_known, closed;
    struct stdin_runs runs;
};

struct session_slot {
    uint32_t used;  /* first: store.c */
    uint32_t phase; /* enum session_phase */
    char id[SESSION_ID_BYTES];
    uint32_t deleting;
    uint64_t started_at, ended_at; /* counted: order of starts and of ends */
    uint32_t pid;                  /* as it was told */
    int32_t exit_code, signo;
    uint32_t oom, timed_out, tty, tool;
    char failed_stage[32]; /* "": it has not */
    int32_t failed_errno;
    char error[SESSION_ERROR_BYTES];
    uint64_t started_ns, ended_ns;
    int64_t started_mono_ns, ended_mono_ns; /* 0: it has not */
    uint64_t late_bytes;                    /* what was written behind the streams' ends */
    uint32_t drain_ms, hold_ms;
    int64_t timeout_at_ms; /* monotonic; 0: none */
    uint32_t spawn_stage;  /* of its process before exec: enum spawn_stage; 0: nothing is known */
    int32_t spawn_errno, spawn_what;          /* what: with SPAWN_LIMITS, see limits_name */
    uint32_t until_acked, drain_until_closed; /* of StartSession */
    uint64_t acked[2];                        /* AckOutput */
    struct stream_slot out[2];                /* stdout, stderr */
    struct stdin_slot in;
    uint32_t drop_acked; /* of StartSession */
};

static_assert(sizeof(struct session_slot) <= STORE_SLOT_BYTES, "a slot is a page");

#endif
