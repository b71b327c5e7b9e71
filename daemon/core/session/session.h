/* Guest sessions: registry and lifecycle. A session belongs to a VM, its process to the guest's
 * agent; what is kept here is what was asked for and how it went.
 *
 * State is changed by one setter (session_state.c), which writes it to the store, tells watchers,
 * and emits an event. A session is recorded on disk before its agent hears of it, and starts are
 * idempotent: what a crash leaves PENDING and the agent does not know is sent again. STARTING is
 * not written down: it only says that the agent has been told.
 *
 * The record in an entry is the working copy that decisions are made by. Starters, watches,
 * attaches and views go by the version that is on disk (session_shown); output and acknowledged
 * stdin are the agent's word and need no disk. Everything runs on the loop's thread; callbacks come
 * from the loop, never from inside a function of this header.
 *
 *   session.c         registry, references, watches
 *   session_state.c   the setter, and what an agent's status means
 *   session_record.c  the way to the store, and what is shown meanwhile
 *   session_ops.c     start, stop, kill, signal, delete
 *   session_tell.c    what the agent has still to be told of all that
 *   session_withdraw.c starts that are taken back
 *   session_left.c    processes that an ended session has left, and paused VMs
 *   session_ack.c     output that waits to be acknowledged
 *   session_unwatched.c  stopped when nobody watches any more
 *   session_retention.c  deleted so long after the end
 *   session_link.c    a VM's agent comes, tells, goes
 *   attach_viewers.c  who is attached, and how far behind
 *   session_stdin.c   bytes for stdin: offsets, acknowledgements, who may write
 *   session_send.c    the same without an attach: turns, keys, repetitions
 *   session_request.c request ids of starts
 *   session_hook.c    hooks of VMs (vm_hook.h)
 *   session_recover.c what only an agent knows of
 *   session_deletion.c what an agent may still have */
#ifndef BANGER_DAEMON_CORE_SESSION_SESSION_H
#define BANGER_DAEMON_CORE_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct request_meta;
struct session_send;
struct session_starter;
struct store_txn;
struct vm_entry;

enum {
    /* Records kept per VM. Nothing is forgotten by itself: an exit status stays until it is
     * deleted, so beyond this a start is refused with SESSION_LIMIT. */
    SESSIONS_PER_VM_MAX = 4096,
    SESSION_STOP_GRACE_MS = 10000, /* default between TERM and KILL */
    SESSION_START_MS = 25000,      /* a guest may be silent about a start, */
    SESSION_CLAIM_MS = 10000,      /* and a start nobody waits for is kept for one who asks again */
    SESSION_SEND_BYTES = 256 * 1024, /* one session_send */
    SESSION_TURN_MS = 10000,         /* whose part was not the last has so long to send the next */
    SESSION_STDIN_BUFFER_BYTES = 2 * 1024 * 1024, /* unacknowledged stdin held, of all writers */
};

struct session_entry;

/* Loads the store's sessions. Those that were live stay in their state until their VM's agent, or
 * the lack of it, says what became of them. */
struct session_registry *session_registry_new(struct core *core, struct err *err);
/* Attaches must be closed. Starters that wait are told ERR_CANCELLED. NULL is fine. */
void session_registry_free(struct session_registry *r);

/* Exact id, exact name, or unique id prefix, within vm or, where NULL, on the host. Borrowed; NULL
 * with ERR_NOT_FOUND (SESSION_NOT_FOUND) or ERR_INVALID (AMBIGUOUS_REFERENCE, with candidates). */
struct session_entry *session_find(struct core *core, const struct vm_entry *vm, const char *ref,
                                   struct err *err);
/* As that, in the VMs of a scope (scope.h) alone. */
struct session_entry *session_find_within(struct core *core, const struct labels *scope,
                                          const struct vm_entry *vm, const char *ref,
                                          struct err *err);
struct session_entry *session_find_id(struct core *core, const char *id);
/* In order of creation: session_next(core, NULL) is the first. */
struct session_entry *session_next(struct core *core, const struct session_entry *after);
/* By creation time, for pages: where those after that session (which may be gone) begin, and the
 * session at an index, NULL beyond the end. */
size_t session_order_after(const struct core *core, int64_t created_ns, const char *id);
struct session_entry *session_at(const struct core *core, size_t index);
/* Its agent is there and has named all that it has. */
bool session_vm_is_synced(struct core *core, const char *vm_id);
/* How many of the VM's have not ended. */
uint32_t session_vm_live(struct core *core, const char *vm_id);
struct core *session_core(const struct session_entry *e);
/* The working copy, by which decisions are made; what others see is session_shown. */
const struct session *session_record(const struct session_entry *e);
bool session_is_removed(const struct session_entry *e);
/* How many attaches there are, and whether one of them writes. */
uint32_t session_attached_count(const struct session_entry *e);
bool session_has_writer(const struct session_entry *e);
/* The agent's word: processes that live on after the exit, bytes that came after it was told. */
uint32_t session_left_processes(const struct session_entry *e);
uint64_t session_late_bytes(const struct session_entry *e);
/* The record as it is on disk; NULL: not there yet, and to be found by session_find_id and
 * session_next alone. Borrowed until the next return to the loop. */
const struct session *session_shown(const struct session_entry *e);
/* 0, or -1 with ERR_UNAVAILABLE (STORE_UNAVAILABLE): it has ended, but that cannot be written, and
 * so not be told, for some seconds already. */
int session_check_end(const struct session_entry *e, struct err *err);
/* Of the latest writer whose number is on disk. */
uint64_t session_writer_generation(const struct session_entry *e);
struct session_entry *session_ref(struct session_entry *e);
void session_unref(struct session_entry *e);

/* Told after changes of what is shown, of what session_check_end says, and of removal
 * (session_is_removed). The entry is referenced meanwhile. */
struct session_watch {
    struct list link;
    struct session_entry *session;
    void (*changed)(void *arg, struct session_entry *e);
    void *arg;
};

void session_watch(struct session_entry *e, struct session_watch *w,
                   void (*changed)(void *arg, struct session_entry *e), void *arg);
/* Harmless on a closed or zeroed watch; allowed inside changed(). */
void session_unwatch(struct session_watch *w);

/* Starts a command. Of wanted count name, service_id, hook and spec; identity, state and times are
 * made here. The VM must be RUNNING. 0: started() comes once, later: the session is beyond STARTING
 * (RUNNING, FAILED, EXITED, LOST: e is set, err NULL), could not be recorded (nothing has been
 * started) or was deleted, or has started and that cannot be written for some seconds (e NULL;
 * ERR_UNAVAILABLE: try again, with the request id), or has been taken back, which is on disk: the
 * guest was silent until deadline_ms (monotonic; INT64_MAX: none) was near, or for SESSION_START_MS
 * (ERR_DEADLINE, GUEST_SILENT). -1: ERR_INVALID, ERR_PRECONDITION (VM_NOT_RUNNING, VM_PAUSED,
 * AGENT_TOO_OLD), ERR_EXISTS
 * (SESSION_NAME_TAKEN, REQUEST_ID_REUSED), ERR_LIMIT (SESSION_LIMIT). meta may be NULL; a request
 * id known already leads to its session. starter may be NULL; it is good until started(). */
int session_start(struct core *core, struct vm_entry *vm, const struct session *wanted,
                  const struct request_meta *meta, int64_t deadline_ms,
                  void (*started)(void *arg, struct session_entry *e, const struct err *err),
                  void *arg, struct session_starter **starter, struct err *err);
/* Whoever waits leaves; started() does not come. A session that nobody was told of, and nobody else
 * waits for, is taken back: at once, or where he may ask again unless he does within
 * SESSION_CLAIM_MS. */
void session_start_leave(struct session_starter *starter, bool may_ask_again);
/* What the request id began, NULL: nothing. */
struct session_entry *session_find_request(struct core *core, const struct request_meta *meta);
/* TERM to the group, KILL to everything after grace_ms. Watch for the end. An ended session is a
 * success (a kill then ends what it has left), one that has not started never will. What a broken
 * link swallows is sent again, and what there is no link for, when there is. ERR_PRECONDITION
 * (VM_PAUSED). */
int session_stop(struct session_entry *e, uint32_t grace_ms, struct err *err);
int session_kill(struct session_entry *e, struct err *err);
/* target 1 process, 2 group, 3 all. ERR_PRECONDITION (SESSION_ENDED), ERR_UNAVAILABLE while the
 * link is down, ERR_PRECONDITION (VM_PAUSED). */
int session_signal(struct session_entry *e, int signo, int target, struct err *err);
/* Forgets the session when that is on disk, and in the guest as soon as it is reached; force: kills
 * a live one (else ERR_PRECONDITION, SESSION_RUNNING). Attaches end with Lost("deleted"). done (may
 * be NULL) comes then, or with ERR_UNAVAILABLE when the disk will not have it: nothing is changed.
 * Without force one that has left processes stays until those have ended; done comes when it is on
 * disk that it will go then. */
int session_delete(struct session_entry *e, bool force,
                   void (*done)(void *arg, const struct err *err), void *arg, struct err *err);

/* Of those that are alike `keep` ended ones stay: one more is about to come, so the oldest is
 * deleted where there are as many. */
void session_forget_oldest(struct core *core, uint32_t keep,
                           bool (*is_alike)(const struct session *s, const void *arg),
                           const void *arg);

/* Request ids of what rooms above make, beside sessions and not by operations: remembered with
 * those of starts. find: 0 with what it made ("": nothing, go ahead), or -1 with ERR_EXISTS
 * (REQUEST_ID_REUSED). add: into the transaction that makes it; -1: out of memory. forget: that has
 * not come to the disk. resource: such as "service/ID". */
int session_other_request_find(struct core *core, const struct request_meta *meta,
                               char resource[96], struct err *err);
int session_other_request_add(struct core *core, const struct request_meta *meta,
                              const char *resource, struct store_txn *txn, struct err *err);
void session_other_request_forget(struct core *core, const char *resource);

/* Runs hooks of VMs as sessions; to be registered with vm_hooks_run_by. */
extern const struct vm_hook_runner session_hook_runner;

/* Output below has been stored by the caller. done comes when that is on disk. -1: ERR_PRECONDITION
 * (OUTPUT_NOT_HELD), ERR_RANGE: so much was not written. */
int session_ack_output(struct session_entry *e, uint64_t stdout_at, uint64_t stderr_at,
                       void (*done)(void *arg, const struct err *err), void *arg, struct err *err);

/* Where bytes are to go. */
struct session_stdin_at {
    uint64_t offset;
};

/* A piece of stdin, or a part of one. */
struct session_send_request {
    bool placed;
    uint64_t offset;   /* placed: where the piece begins in stdin, as in session_stdin_at */
    uint64_t key;      /* random, of all parts of a piece; 0: none, and what follows neither */
    uint64_t position; /* of these bytes in the piece */
    bool more;         /* further parts follow: nobody else's bytes come between */
    bool eof;          /* no more stdin, behind the last part */
    bool takeover;     /* an attached writer loses its claim, instead of WRITER_TAKEN */
    const void *data;
    size_t len; /* up to SESSION_SEND_BYTES */
};

/* As session_send_stdin, with what else there is. One with a key waits for its turn and for room
 * rather than be refused, and is taken for a repetition where bytes of its key are there already,
 * also of an earlier daemon. ERR_INVALID (STDIN_HOLE): parts are missing; ERR_ABORTED
 * (STDIN_MOVED): its turn was over, and others came behind it. handle (may be NULL) is good until
 * done: session_send_cancel. */
int session_send(struct session_entry *e, const struct session_send_request *request,
                 void (*done)(void *arg, uint64_t offset, const struct err *err), void *arg,
                 struct session_send **handle, struct err *err);
/* Whoever waits has left: done does not come. What had to wait is not sent. */
void session_send_cancel(struct session_send *send);

/* Appends to stdin in one piece, up to SESSION_SEND_BYTES, then EOF where asked. done comes when
 * the process has the bytes, with the offset behind them, or ERR_PRECONDITION (STDIN_CLOSED) when
 * it will not take them all. at (may be NULL): bytes that are there already are taken for a
 * repetition, ERR_ABORTED (STDIN_MOVED) where they cannot be. -1: ERR_PRECONDITION (NO_STDIN,
 * STDIN_CLOSED, WRITER_TAKEN, VM_PAUSED), ERR_INVALID, ERR_UNAVAILABLE (too much waits already). */
int session_send_stdin(struct session_entry *e, const struct session_stdin_at *at, const void *data,
                       size_t len, bool eof,
                       void (*done)(void *arg, uint64_t offset, const struct err *err), void *arg,
                       struct err *err);

#endif
