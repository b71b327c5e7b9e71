/* What the files of the session module share; see session.h. Nobody else includes this but
 * attach.c. */
#ifndef BANGER_DAEMON_CORE_SESSION_SESSION_INTERNAL_H
#define BANGER_DAEMON_CORE_SESSION_SESSION_INTERNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/order.h"
#include "daemon/core/session/guest_tool_internal.h"
#include "daemon/core/session/session.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm.h"
#include "daemon/guest/agent_client.h"
#include "rpc/event/loop.h"

enum { SESSION_RUNS_MAX = 32 };

/* Unacknowledged stdin of one session; see session_stdin.c. */
struct session_input {
    struct buf buf; /* bytes from start on */
    uint64_t acked; /* the process has all below */
    uint64_t
        start;     /* at least acked: what lies between, of an earlier daemon, only the agent has */
    uint64_t sent; /* told to the agent on this link, at least start */
    bool known;    /* these are the agent's word, not a record of an earlier daemon */
    bool eof, eof_sent;  /* nothing comes behind the buffer; the agent knows it */
    bool closed;         /* the process takes no more */
    struct list sends;   /* calls of session_send that wait for their acknowledgement */
    struct list pending; /* those that wait for their turn or for room, with their bytes: */
    size_t pending_bytes;
    /* Bytes of keys that sent without an attach, oldest first; the last may be open. */
    struct agent_stdin_run runs[SESSION_RUNS_MAX];
    uint32_t n_runs;
    struct timer turn; /* until the open one is given up; zeroed until turn_ready */
    bool turn_ready;
    /* Whose bytes the latest are (an attached writer's key; 0: session_send_stdin's), and where
     * those of everybody else end. dated: some came since the daemon started. */
    uint64_t latest_key, others_end;
    bool dated;
    uint64_t sent_from, sent_hash; /* of the latest session_send_stdin */
};

/* What the agent was told of a session on this link; see session_tell.c. */
struct session_told {
    bool start, stop, kill, size;
    uint64_t acked[2]; /* output, see session_ack.c */
    bool end;          /* that it is to forget one that was given up here */
};

struct session_entry {
    struct core *core;
    struct session session; /* the record; only this module writes it */
    struct session *shown;  /* as on disk, while that differs; its blobs are the record's */
    struct session_vm *of;  /* the sessions of its VM; NULL once removed */
    struct list link;       /* registry, by creation */
    struct list vm_link;    /* of its VM */
    struct list dirty;      /* has news for starters, watches, attaches */
    struct list unsaved;    /* its record has changed */
    struct list unwritten;  /* versions are on their way */
    uint32_t n_unwritten;
    uint32_t n_deletions;    /* or promises of one, on their way: see session_is_going */
    bool looked_at, stalled; /* versions wait too long: whoever waits for them is told so */
    struct list starters, watches, attaches;
    uint32_t refs;
    bool removed, told_removed;
    bool stored; /* its first record is on disk */
    bool named;  /* the agent spoke of it on this link */
    bool
        answered; /* a starter was told that it has started, or an earlier daemon's may have been */
    bool unclaimed; /* of an earlier daemon, which may not have answered: waits for a starter */
    bool withdrawn; /* is taken back, however long the disk takes */
    bool silent;    /* because the guest says nothing */
    struct timer patience; /* until it is taken back; zeroed until used */
    int64_t patience_ms;   /* as it was begun */
    bool stood_still;      /* its guest was paused meanwhile, whose own clock says less */
    uint32_t left;         /* processes that live on after the exit: the agent's word */
    uint64_t late_bytes;
    int64_t seen_end_ns;         /* when its end became known here; 0: not by this daemon */
    char sent_to[40];            /* instance of the agent that was told to start it; "" */
    char boot_id[40];            /* guest boot in which it ran; "" while not known */
    bool stop_asked, kill_asked; /* kill: also of what it has left */
    bool unwanted;               /* it was given up here, and runs there, as the agent says */
    struct session_told told;
    uint64_t taken[2]; /* what all have that hold its output; see session_note_taken */
    uint32_t grace_ms;
    struct timer grace;                /* between TERM and KILL; zeroed until used */
    struct timer unwatched, retention; /* zeroed until used */
    struct session_input in;
    struct attach *writer; /* borrowed; NULL: none */
    uint64_t generation;   /* the latest writer's; the record's is the highest that may be told */
    uint32_t n_attached;
};

/* The sessions of one VM, and what is known of its link. */
struct session_vm {
    char vm_id[ID_BYTES];
    struct list sessions; /* by creation */
    struct map by_name;
    uint32_t n, n_live, n_taken; /* taken: of the agent's word alone */
    bool synced;                 /* link up and every status seen */
    struct list deletions;       /* that its agent has not confirmed, oldest first */
    uint32_t n_deletions;
    uint32_t n_removals;      /* of the VM's row, on their way */
    struct output_save *save; /* its guest shuts down; NULL: it does not */
    bool saved;               /* all that the agent of this instance has left */
    char saved_of[40];
};

/* A start that has been answered for a request id. */
struct attach;
struct output_save;
struct session_request;
struct store_request;

struct session_registry {
    struct core *core;
    uint64_t latest_attach; /* the number that it was given */
    struct vm_listener vm_listener;
    struct list all; /* by creation */
    struct map by_id;
    struct order order;          /* by creation time */
    struct map vms;              /* struct session_vm, owned */
    struct list dirty;           /* entries with news */
    struct timer turn;           /* tells the news */
    struct list unsaved, events; /* for the store, gathered; see session_record.c */
    struct list unwritten;       /* entries with versions on their way to the disk */
    struct timer write, stall;
    struct list ended_sends; /* whose done() comes in the next turn; see session_stdin.c */
    struct map deletions;    /* by session; see session_deletion.c */
    struct list confirmed;   /* deletions whose rows go with what is written next */
    struct guest_tools tools;
    struct map requests;
    struct list request_order; /* oldest first */
    uint32_t n_requests;
};

struct session_starter {
    struct list link;
    struct session_entry *session;
    void (*started)(void *arg, struct session_entry *e, const struct err *err);
    void *arg;
    struct err why; /* of a session that was removed */
};

static inline bool session_is_live(const struct session_entry *e)
{
    return !session_is_terminal(e->session.state);
}

static inline bool session_is_starting(enum session_state state)
{
    return state == SESSION_PENDING || state == SESSION_STARTING;
}

/* Whether it goes is being decided by the disk: meanwhile nothing of it begins, nobody is told that
 * it has started, and nothing is written of it. */
static inline bool session_is_going(const struct session_entry *e)
{
    return e->removed || e->n_deletions > 0;
}

/* As others see it: what is on disk. */
static inline bool session_seems_live(const struct session_entry *e)
{
    const struct session *shown = session_shown(e);
    return !shown || !session_is_terminal(shown->state);
}

/* session_link.c: what becomes of sessions as their VM's link comes and goes. arg: the core. */
extern const struct vm_events session_vm_events;

/* session.c */
struct session_vm *session_vm_find(struct core *core, const char *vm_id);
/* Makes it where there is none; NULL when out of memory. */
struct session_vm *session_vm_get(struct core *core, const char *vm_id);
/* Takes record (its blobs); NULL when out of memory. */
struct session_entry *session_add(struct core *core, struct session *record, struct session_vm *of);
/* Out of the registry; the row is the caller's business. Tells starters why. */
void session_remove(struct session_entry *e, const struct err *why);
/* Starters, watches and attaches are told in the next turn of the loop. */
void session_touch(struct session_entry *e);

/* session_state.c */
bool session_state_may_move(enum session_state from, enum session_state to);
/* The one setter. False: the move is not allowed (logged). */
bool session_set_state(struct session_entry *e, enum session_state state);
void session_set_lost(struct session_entry *e, const char *reason);
void session_set_failed(struct session_entry *e, const char *stage, const char *text);
void session_take_status(struct session_entry *e, const struct agent_session_status *status);

/* session_ops.c: deletes its record; wait: as long as it takes to write that, else for a moment. */
int session_delete_row(struct session_entry *e, bool wait,
                       void (*done)(void *arg, const struct err *err), void *arg, struct err *err);
/* The disk has refused one of its deletions, or has it as a promise: after the last of them it goes
 * on, as if none had been asked for. */
void session_stay(struct session_entry *e);

/* session_withdraw.c */
/* A starter waits: how long for the guest. -1: out of memory. */
int session_expect_start(struct session_entry *e, int64_t deadline_ms, struct err *err);
/* Of an earlier daemon: it starts when it is asked for again, or goes. */
void session_await_claim(struct session_entry *e);
/* Taken back, on disk before anybody is told. */
void session_withdraw(struct session_entry *e);
/* How long it may still begin, before it is taken back; 0: no longer; -1: for ever. */
int64_t session_patience_left_ms(const struct session_entry *e);

/* Names what took longer than a second, since then (real time), in the debug log. */
void session_note_slow(const struct session_entry *e, const char *what, int64_t since_ns);

/* session_left.c */
void session_take_left(struct session_entry *e, uint32_t left, uint64_t late_bytes);
/* It goes when nothing of it is left. */
int session_forget_later(struct session_entry *e, void (*done)(void *arg, const struct err *err),
                         void *arg, struct err *err);
/* Its output is in the guest, if anywhere. */
bool session_output_is_kept(const struct session_entry *e);
/* -1 with ERR_PRECONDITION (VM_PAUSED) where the session's VM stands still. */
int session_check_awake(const struct session_entry *e, struct err *err);
int session_check_vm_awake(const struct vm_entry *vm, struct err *err);

/* session_record.c */
/* Before a change that is seen only when it is on disk; harmless again and again. */
void session_edit(struct session_entry *e);
/* The record goes to the store within a moment, or in this turn of the loop; with an event of its
 * state, at once where somebody waits. */
void session_save(struct session_entry *e);
void session_save_now(struct session_entry *e);
void session_save_state(struct session_entry *e);
/* What need not be written soon is, with what is or by itself in the end. */
void session_write_some_time(struct session_registry *r);
/* What is gathered is committed. */
void session_write_now(struct session_registry *r);
/* What was held back for a first record or a deletion may go. */
void session_write_again(struct session_entry *e);
/* The record as it is into txn, seen when that is on disk. -1: out of memory. */
int session_put(struct session_entry *e, struct store_txn *txn, struct err *err);
void session_emit(const struct session_entry *e, struct store_txn *txn, enum session_state state);
/* Of sessions that are gone. */
void session_drop_events(struct session_registry *r);
/* arg: the registry. */
void session_look_for_stalled(void *arg);
/* -1 with ERR_UNAVAILABLE (STORE_UNAVAILABLE): there is news that cannot be told yet. */
int session_stalled_error(const struct session_entry *e, struct err *err);

/* session_tell.c */
/* The agent of its VM while it can be asked for things; NULL otherwise. */
struct agent_client *session_agent(const struct session_entry *e);
/* What is owed to the agent, as far as it can be told now: start, signals, size, stdin. */
void session_tell(struct session_entry *e);
/* The link is gone, or the agent has forgotten it: nothing of it is told. */
void session_tell_anew(struct session_entry *e);
/* It named it on this link, or was told to start it. */
bool session_agent_knows(const struct session_entry *e);
/* It was never told to, or this agent was, on a link that is gone: a command never runs twice. */
bool session_may_be_started(const struct session_entry *e, const struct agent_hello *hello);

/* session_ack.c */
void session_tell_acknowledged(struct session_entry *e, struct agent_client *agent);
/* A reader was given output up to there: the process has written it. */
void session_saw_output(struct session_entry *e, int stream, uint64_t end);

/* session_unwatched.c */
/* It has an attach. */
void session_note_watched(struct session_entry *e);
/* It may have none, or run, or not. */
void session_look_watched(struct session_entry *e);

/* session_retention.c */
/* It has ended, or was loaded so. */
void session_retain(struct session_entry *e);
/* One more comes. */
void session_make_room(struct session_vm *v);

/* session_stdin.c */
void session_stdin_init(struct session_entry *e);
void session_stdin_done(struct session_entry *e);
/* What the agent says it has; the first status of a session tells where stdin goes on. */
void session_stdin_take_status(struct session_entry *e, const struct agent_session_status *status);
void session_stdin_take_ack(struct session_entry *e, uint64_t offset, bool closed);
/* A new link: what was under way is sent again. */
void session_stdin_rewind(struct session_entry *e);
void session_stdin_pump(struct session_entry *e);
/* The process is gone: nothing will be taken. */
void session_stdin_close(struct session_entry *e);
/* An attached writer's bytes at their offset. */
int session_stdin_write(struct session_entry *e, uint64_t key, uint64_t offset, const void *data,
                        size_t len, struct err *err);
/* Up to where others than the writers of this key have sent bytes, as far as is known. */
uint64_t session_stdin_foreign(const struct session_entry *e, uint64_t key);
void session_stdin_eof(struct session_entry *e);
bool session_stdin_is_full(const struct session_entry *e);
/* The registry goes: what is ended and not reported is reported now. */
void session_stdin_report_all(struct session_registry *r);
uint64_t session_stdin_end(const struct session_entry *e);
uint32_t session_stdin_window(const struct session_entry *e);

/* -1 with ERR_PRECONDITION (NO_STDIN). */
int session_stdin_check_open(const struct session_entry *e, struct err *err);
/* Bytes of this key come next. */
void session_stdin_note_sender(struct session_entry *e, uint64_t key);

/* session_send.c */
/* Those that the process has, up to `taken`; all when nothing more will be taken. */
void session_sends_end(struct session_entry *e, uint64_t taken);
/* What waits, as far as that goes now. */
void session_sends_go_on(struct session_entry *e);
/* The first word of the agent's about a session that an earlier daemon fed. */
void session_send_take_runs(struct session_entry *e, const struct agent_session_status *status);
/* Where a frame of bytes from `from` on ends, at most at until: it has one key. */
uint64_t session_send_frame_end(const struct session_entry *e, uint64_t from, uint64_t until,
                                uint64_t *key, bool *more);
/* A piece is under way whose last part has not come. */
bool session_send_is_open(const struct session_entry *e);
/* Nothing is added to it any more. */
void session_send_cut_turn(struct session_entry *e);

/* session_request.c */
int session_requests_load(struct session_registry *r, struct err *err);
void session_requests_free(struct session_registry *r);
/* 0 with *found (NULL: new), or -1 with ERR_EXISTS (REQUEST_ID_REUSED), ERR_NOT_FOUND (its session
 * has been deleted) or ERR_UNAVAILABLE (that is on its way to the disk). */
int session_request_find(struct core *core, const struct request_meta *meta,
                         struct session_entry **found, struct err *err);
/* Remembers it; the row goes into txn. -1: out of memory, and it must not be begun: repeated, it
 * would run twice. */
int session_request_add(struct core *core, const struct request_meta *meta,
                        const struct session_entry *e, struct store_txn *txn, struct err *err);
/* The record could not be written: the request may be tried again. */
void session_request_forget(struct core *core, const struct session_entry *e);

/* session_deletion.c */
int session_deletions_load(struct session_registry *r, struct err *err);
void session_deletions_free(struct session_registry *r);
/* The row, into the transaction that deletes the session. */
void session_deletion_put(const struct session_entry *e, struct store_txn *txn);
/* That is on disk. told: its agent, too. */
void session_deletion_add(struct session_registry *r, const char *vm_id, const char *id, bool told);
bool session_is_deleted(const struct session_registry *r, const char *id);
/* A hello: its agent is about to name what it has. */
void session_deletions_ask(struct session_vm *v);
/* It has named one. False: that is none. */
bool session_deletion_named(struct session_registry *r, const char *vm_id, const char *id);
/* It has named all: the others it does not have. */
void session_deletions_synced(struct session_registry *r, struct session_vm *v);
/* Tells it of those that it may have and was not told of, as far as it takes that now. */
void session_deletions_tell(struct session_vm *v, struct agent_client *agent);
/* It has said that it has not got it. */
void session_deletion_confirmed(struct session_registry *r, const char *vm_id, const char *id);
/* Rows of those that are confirmed, out of the database with txn. */
void session_deletions_write(struct session_registry *r, struct store_txn *txn);
/* The VM is gone, and their rows with it. */
void session_deletions_drop(struct session_registry *r, struct session_vm *v);

/* session_recover.c */
/* Lists a session that the agent has and nobody here knows; NULL where it was deleted, or the guest
 * says too much. */
struct session_entry *session_take_unknown(struct core *core, const struct vm_entry *vm,
                                           const struct agent_session_status *status);

/* attach_viewers.c */
/* What all have taken that hold its output is told to its agent. */
void session_note_taken(struct session_entry *e);

/* attach.c */
/* Somebody else writes: it is told, and is the writer no more. */
void attach_lose_writer(struct session_entry *e);
/* Something may have changed for this attach. May close it. */
void attach_pump(struct attach *a);
struct attach *attach_of_link(struct list *link);
/* The VM's agent is gone or new: forget what was asked of the old one. */
void attach_forget_agent(struct attach *a);
/* The agent has news of the session: a refused subscription is worth another try. */
void attach_retry(struct attach *a);

#endif
