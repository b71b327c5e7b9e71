/* Guest sessions: one process (and what it starts) each, with stdin, two spooled output streams and
 * an exit that stays known until the session is deleted. What has to outlive the agent is in the
 * session's slot (`k`); the rest is made anew from it by sessions_adopt.
 *
 * The table owns the sessions. What the daemon must hear about is not queued but marked: a session
 * on the `dirty` list has news, and the agent's pump writes the newest state when the link has
 * room. */
#ifndef BANGER_AGENT_SESSION_H
#define BANGER_AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/cgroup.h"
#include "agent/codec.h"
#include "agent/loop.h"
#include "agent/pace.h"
#include "agent/session_slot.h"
#include "agent/spool.h"
#include "agent/time_index.h"
#include "agent/transfer.h"
#include "base/list.h"

enum {
    SESSIONS_MAX_LIVE = 2048,
    SESSIONS_MAX_ENDED = 2048, /* the oldest ended one is forgotten beyond this */
    SESSION_STDIN_BYTES = STORE_STDIN_BYTES,
    SESSION_REVISION = 1, /* HelloReply.session_revision */
    SESSION_DRAIN_MS = 1000,
    SESSION_DRAIN_MAX_MS = 60000, /* of output that goes on, unless drain_ms is longer */
    SESSION_MAX_STRINGS = 8192,   /* argv and env each */
    SESSIONS_TELL_MS = 250,       /* between statuses that only tell of more output */
    SESSIONS_LAUNCH_MS = 20,      /* a start waits no longer for what may come behind it */
    SESSIONS_JOIN_MS = 2,         /* nor does news for other news that goes with it */
    SESSIONS_LATE_MAX = 256,      /* streams whose late output is still taken, see session_late.c */
};

#define SESSION_HOLD_FOREVER UINT32_MAX /* StartSession.hold_ms */

enum session_phase {
    SESSION_PENDING,  /* waits for the root file system, and for the input to be empty */
    SESSION_STARTING, /* forked, exec not yet seen */
    SESSION_RUNNING,
    SESSION_EXITED,
    SESSION_FAILED,
};

struct session;

struct stream {
    struct loop_io io;
    struct session *session;
    struct stream_slot *k;
    int fd;             /* reading end, owned; -1 once closed */
    bool held;          /* waits for a follower; see subscription.h */
    struct list late;   /* of the table's late list: cut, and still open */
    struct list ending; /* of the table's ending list */
    struct spool spool;
    struct time_index times; /* of what is in it */
};

struct session_stdin {
    struct loop_io io;
    struct stdin_slot *k;
    int fd;           /* writing end, owned; -1: closed */
    uint8_t *room;    /* ring of STORE_STDIN_BYTES */
    bool awaits_room; /* watched for EPOLLOUT */
    bool widened;     /* its pipe is as large as it gets */
};

struct session {
    struct list member;    /* of the table's live or ended list */
    struct list dirty;     /* of the table's dirty list */
    struct list kept;      /* of the table's kept list */
    struct list fed;       /* of the table's fed list */
    struct list untidy;    /* of the table's untidy list */
    struct list typed;     /* of the table's typed list */
    struct session *chain; /* hash chain */
    struct session_table *table;
    struct session_slot *k; /* what outlives the agent */
    uint32_t slot;
    char id[SESSION_ID_BYTES];
    bool settled; /* has left the live sessions */
    bool status_dirty, ack_dirty,
        in_sync; /* in_sync: its status is part of the answer to a hello */

    pid_t pid;           /* 0: none, or seen to have ended */
    uint32_t left;       /* processes that live on after the exit */
    bool cgroup_gone;    /* nothing can be left */
    uint64_t kept_bytes; /* of its output, once it has ended */
    bool grown;          /* its output has, since a status told of it */

    struct loop_io report; /* the spawn report */
    int report_fd;
    struct session_stdin in;
    struct stream out[2];                       /* stdout, stderr */
    int64_t exited_ms, read_ms, drain_until_ms; /* monotonic: read_ms: output came last */
    struct loop_timer timeout, drain;
    /* StartSession.hold_ms; leased: the timer runs, and what lies behind hold_from is kept */
    bool hold_leased;
    uint64_t hold_from[2];
    struct loop_timer lease;
    bool until_acked, drain_until_closed; /* of StartSession */
    uint64_t acked[2];
    uint8_t *request; /* StartSession that waits, owned */
    size_t request_len;
    uint64_t not_after_ns; /* of CLOCK_BOOTTIME; 0: it may begin whenever */
    struct list subscriptions;
};

enum { SESSION_BUCKETS = 256 };

struct session_table {
    struct loop *loop;
    struct store store;
    struct transfer transfer;
    struct pace pace;
    struct spool_pool pool;
    struct cgroups cgroups;
    struct session *buckets[SESSION_BUCKETS];
    struct list live, ended;    /* in order of start, in order of end */
    struct list dirty, deleted; /* sessions with news; sessions to report as deleted and free */
    struct list fed;            /* sessions with stdin that came in this turn */
    struct list untidy;         /* ended sessions whose pipes the keeper still has */
    struct list ready;          /* subscriptions with something to send */
    struct list late;           /* streams that were cut and are still open */
    struct list typed;          /* sessions that were typed at: their acknowledgement waits */
    struct list ending;         /* streams at their end, which waits to be told */
    struct list kept;           /* ended sessions that have output, in order of end */
    uint64_t kept_bytes;        /* theirs together */
    uint64_t kept_max;          /* and what it may be, as of the latest look at the disk */
    int n_live, n_ended;
    int max_live; /* SESSIONS_MAX_LIVE, or fewer */
    int n_late;
    int n_left;    /* ended sessions that have left processes */
    int n_waiting; /* pending sessions that may be launched */
    int n_held;    /* streams not read for now */
    int n_sync;    /* statuses still to be sent before Synced */
    bool sync_wanted;
    uint32_t sync_total;
    bool open;               /* sessions may start: the root is there, or will never be */
    char closed_error[256];  /* why not, once open; "" if they may */
    struct loop_timer purge; /* cgroups that were not empty yet */
    int64_t purge_ms;        /* until it is tried again: grows */
    struct loop_timer reap;  /* children that have ended and are not reaped yet */
    struct loop_io keeper;   /* it says that some have ended */
    struct loop_timer held;  /* a look at streams that wait for a follower */
    struct loop_timer tell;  /* tells how much output there is by now */
    struct loop_timer wake;  /* subscriptions that wait with a gap */
    struct loop_timer launch, look_late, overdue; /* overdue: of typed and ending */
};

/* store: taken; that of an earlier agent is adopted by sessions_adopt. 0, or -1 with errno. */
int sessions_init(struct session_table *t, struct loop *loop, struct store *store);
/* The store has got a keeper. 0, or -1 with errno. */
int sessions_use_keeper(struct session_table *t);
/* The sessions of an earlier agent, as they are now; before anything else is done with them. */
void sessions_adopt(struct session_table *t);
/* Kills what is left and frees everything. */
void sessions_done(struct session_table *t);
/* From now on sessions start, or fail in stage "boot" where error is not empty. */
void sessions_open(struct session_table *t, const char *error);

struct session *session_find(const struct session_table *t, const char *id);

/* StartSession; the outcome shows as a status. False: the message is malformed. It is begun by
 * sessions_launch_waiting: one that is taken back in the same breath, as after a guest has stood
 * still for a while, never runs. */
bool sessions_start(struct session_table *t, struct slice body);
/* There is no input that could take any back. */
void sessions_launch_waiting(struct session_table *t);
/* The link is gone, or a hello has come: starts that have not begun are void; the daemon sends
 * those again that it still wants. */
void sessions_forget_waiting(struct session_table *t);
/* Stdin and StdinEof of a session; false where the daemon has broken the protocol. */
bool session_take_stdin(struct session *s, const struct codec_stdin *m);
bool session_take_eof(struct session *s, uint64_t offset);
/* What has come is given to the processes: together, as each piece would wake them. */
void sessions_feed(struct session_table *t);
void session_signal(struct session *s, int signo, PB(SignalTarget) target);
void session_resize(struct session *s, uint32_t rows, uint32_t columns);
/* Kills it where it lives; it is on the deleted list once it has ended. */
void session_delete(struct session *s);
/* Frees a session that is on no list of news any more. */
void session_free(struct session *s);

/* Children have ended (SIGCHLD, or the keeper's word): of those without a keeper a few each turn.
 */
void sessions_reap(struct session_table *t);
/* Signals every session's processes; returns how many are live. */
int sessions_signal_all(struct session_table *t, int signo);
/* A hello has come: every status is news, Synced follows. */
void sessions_resync(struct session_table *t);
void session_fill_status(const struct session *s, PB(SessionStatus) * out);

/* Ends and removes, soon, the cgroups that are no session's. */
void sessions_purge(struct session_table *t);
/* What can wait until their ends have been told: the keeper is another process, which runs at once.
 */
void sessions_tidy(struct session_table *t);
/* Looks again at streams that wait for a follower. */
void sessions_release_held(struct session_table *t);
/* Subscriptions are made ready after so long, at the latest. */
void sessions_wake_in(struct session_table *t, int64_t ms);
/* The last holder has gone: its place is kept for hold_ms. */
void session_hold_from(struct session *s, uint64_t stdout_at, uint64_t stderr_at);
/* Another has come, or nobody will. */
void session_end_lease(struct session *s);

/* AckOutput. */
void session_ack_output(struct session *s, uint64_t stdout_at, uint64_t stderr_at);
/* There is output that somebody is waited for to take, or may come back to. */
bool session_owes_output(const struct session *s);

/* For the parts of this module. */
void session_enter(struct session *s, enum session_phase phase);
/* Its process runs, or has said why not. */
void session_judge_start(struct session *s);
struct session *session_adopt(struct session_table *t, uint32_t slot);
void sessions_keeper_ready(struct loop_io *io, uint32_t events);
void session_mark(struct session *s);     /* its status is news */
void session_mark_ack(struct session *s); /* its stdin offset is */
void session_fail(struct session *s, const char *stage, int sys, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void session_launch(struct session *s, struct slice body);
void session_settle(struct session *s); /* moves it to the ended ones when all has ended */
void session_watch_report(struct session *s, int report_fd);
/* Where its holders are is part of what outlives the agent. */
void session_note_holders(struct session *s);
int session_prepare_io(struct session *s, int in_fd, int out_fd, int err_fd);
void session_arm_timeout(struct session *s);
int session_open_io(struct session *s, int in_fd, int out_fd, int err_fd);
void session_close_stdin(struct session *s);
/* What the pipes hold when the process has ended; forced: also where a follower is behind, unless
 * it holds. */
void session_read_rest(struct session *s, bool forced);
void session_end_stream(struct stream *stream);
void session_close_stream(struct stream *stream); /* also a late one */
bool session_is_live(const struct session *s);
void session_add_late(
    struct stream *stream); /* session_late.c: what comes is counted, and dropped */
void session_watch_growth(struct session *s);

/* session.c: out of the table's hash. */
void session_unchain(struct session *s);
/* What its child said of its start, if that is known by now; last: or never will be. */
void session_take_report(struct session *s, bool last);

/* session_end.c */
void session_after_exit(struct session *s);
void sessions_look_ended(struct session_table *t);
void sessions_purge_fired(struct loop_timer *timer);
void sessions_reap_fired(struct loop_timer *timer);
void session_timeout_fired(struct loop_timer *timer);
/* session_join.c: news that other news is about to follow */
void sessions_join_init(struct session_table *t);
void session_ack_typed(struct session *s);    /* with the echo */
void session_end_soon(struct stream *stream); /* with the exit */
/* What it was to go with has come. */
void session_join_ack(struct session *s);
void session_join_end(struct stream *stream);

/* Kills and frees all of a list of members. */
void sessions_drop(struct list *of);

/* session_late.c: what comes after the exit */
void session_begin_drain(struct session *s);
void session_drain_fired(struct loop_timer *timer);
void sessions_look_late_fired(struct loop_timer *timer);
/* Counts what an ended session has left, and tells where that has changed. */
void session_count_left(struct session *s);
/* A child has ended: counts again where something was left. */
void sessions_count_left(struct session_table *t);

/* session_kept.c: the output of ended sessions, and the one bound for all of it */
void session_keep(struct session *s); /* it has ended */
void session_keep_none(struct session *s);
/* Drops what ended first while there is too much. */
void sessions_bound_kept(struct session_table *t);
void sessions_fill_kept(struct session_table *t, PB(KeptOutput) * out);

#endif
