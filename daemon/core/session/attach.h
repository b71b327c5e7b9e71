/* Attach: one viewer's or writer's cursor over a session.
 *
 * Output comes from the agent's spool by offset, on the viewer's own credit: one that does not
 * grant stops nobody else, and holds no memory here. A broken link to the guest goes unseen. Output
 * of a session whose agent is gone is announced as a gap. The last event of an attach comes exactly
 * once: exit, lost, caught_up or failed; exit and lost only after both streams' ends. Detaching, or
 * forgetting to, never touches the process. On the loop's thread; events come from the loop, never
 * from inside a function of this header, and each may close the attach. */
#ifndef BANGER_DAEMON_CORE_SESSION_ATTACH_H
#define BANGER_DAEMON_CORE_SESSION_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/guest/agent_client.h"

struct attach;
struct core;
struct err;
struct session_entry;

enum {
    ATTACH_CREDIT_MAX_BYTES = 1024 * 1024, /* output that may be under way to one viewer */
    ATTACH_DATA_BYTES = 32 * 1024,         /* one data event at most */
    ATTACH_STDIN_BYTES = 256 * 1024,       /* one attach_stdin at most */
    ATTACHES_PER_VM_MAX = 1000,            /* fewer than its agent's cursors (1024) */
};

enum attach_role { ATTACH_VIEWER, ATTACH_WRITER, ATTACH_TAKEOVER };

struct attach_options {
    enum attach_role role;
    struct agent_start from_stdout, from_stderr;
    uint32_t credit_bytes; /* to begin with, at most ATTACH_CREDIT_MAX_BYTES */
    bool no_follow;        /* ends with caught_up at what has been written by now */
    int64_t until_ns;      /* with no_follow: nothing that was written later; 0: no such end */
    bool times;            /* the time of data is told, where the agent knows it */
    uint64_t writer_key;   /* 0: none; see AttachOpen */
    bool hold;             /* the process of a session that is held waits for this one */
    const char *principal, *address; /* who it is, for attach_each; copied, may be NULL */
    bool logs;                       /* a reader of logs */
};

struct attach_opened {
    uint64_t stdout_offset, stderr_offset; /* of the first data or gap */
    uint64_t stdin_offset; /* where a writer goes on: all below is held here or with the process.
                              Bytes are given up only at a stdin_ack. */
    uint64_t writer_generation;
    uint32_t stdin_window_bytes;
    uint64_t stdin_foreign; /* others than of this key have sent bytes below */
    bool wants_taken;       /* attach_taken is waited for */
};

/* All must be there but the stdin ones of viewers, caught_up of followers, and time. */
struct attach_events {
    void (*opened)(void *arg, const struct attach_opened *opened); /* first, once */
    /* stream: 1 stdout, 2 stderr. Contiguous per stream, or announced. Uses up credit. */
    void (*data)(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len);
    /* Before data: when that was written. Must not close the attach. */
    void (*time)(void *arg, int stream, int64_t time_ns);
    /* reason: "spool_limit", "disk_full", "ended_limit"; "vm_stopped", "vm_lost", "guest_panic",
     * "agent_lost" where the output went with the guest. */
    void (*gap)(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                const char *reason);
    /* cut: ""; "held_open", "still_writing": the writers have not closed it. */
    void (*stream_end)(void *arg, int stream, uint64_t total, const char *cut);
    /* To the writer, at once after opened and at each change: the process has all below offset;
     * closed: send no more. */
    void (*stdin_ack)(void *arg, uint64_t offset, bool closed);
    /* Others than this writer, which it was until now, send bytes below offset. May be NULL. */
    void (*stdin_foreign)(void *arg, uint64_t offset);
    /* attach_stdin_full has become false, or this is not the writer any more. */
    void (*stdin_writable)(void *arg);
    /* This attach is not the writer any more; stdin that is still under way from it is dropped. */
    void (*writer_changed)(void *arg, uint64_t generation, bool is_writer);
    /* The last one. The session is EXITED: its record has the status. */
    void (*exit)(void *arg, uint64_t stdout_total, uint64_t stderr_total);
    /* Or: "vm_stopped", "vm_lost", "guest_panic", "agent_lost", "deleted"; "failed" where it never
     * ran. */
    void (*lost)(void *arg, const char *reason, const char *message);
    /* Or, with no_follow: everything written by now was given. */
    void (*caught_up)(void *arg);
    /* Or: it could not be opened. ERR_RANGE for an offset past the end, ERR_PRECONDITION
     * (AGENT_OLD) for a start or an end that its agent does not know. */
    void (*failed)(void *arg, const struct err *err);
};

/* events must outlive the attach. -1 (NULL): ERR_PRECONDITION (WRITER_TAKEN; VM_PAUSED, as long as
 * its output is in a guest that stands still), ERR_LIMIT (VIEWER_LIMIT). */
struct attach *attach_open(struct core *core, struct session_entry *e,
                           const struct attach_options *options, const struct attach_events *events,
                           void *arg, struct err *err);
/* The client leaves of its own will: nobody comes back to what this attach holds. */
void attach_release(struct attach *a);
/* No event after this. The writer's claim is gone at once. NULL is fine. */
void attach_close(struct attach *a);

/* The viewer has taken bytes of data: so many more may come. */
void attach_grant(struct attach *a, uint32_t bytes);

/* The viewer has what lies below these offsets, and will not ask for it again. */
void attach_taken(struct attach *a, uint64_t stdout_at, uint64_t stderr_at);

/* offset counts from the session's start. What is below what was sent before is dropped.
 * ERR_PRECONDITION (NOT_WRITER, NO_STDIN, STDIN_CLOSED after an EOF), ERR_INVALID (STDIN_HOLE),
 * ERR_LIMIT (STDIN_FULL: attach_stdin_full was not heeded). After a stdin_ack with closed: taken
 * and dropped.
 */
int attach_stdin(struct attach *a, uint64_t offset, const void *data, size_t len, struct err *err);
/* True: stop reading from the client until stdin_writable. */
bool attach_stdin_full(struct attach *a);
/* No more stdin behind what was sent; again is harmless. ERR_PRECONDITION (NOT_WRITER, NO_STDIN).
 */
int attach_stdin_eof(struct attach *a, struct err *err);
/* ERR_PRECONDITION (NOT_WRITER, NO_TTY). */
int attach_resize(struct attach *a, uint32_t rows, uint32_t columns, struct err *err);
/* Any attach may; target as in session_signal. */
int attach_signal(struct attach *a, int signo, int target, struct err *err);

/* One as others see it (attach_viewers.c). */
struct attach_viewer {
    uint64_t id; /* of this daemon's life */
    const char *principal, *address;
    bool writer, logs;
    int64_t since_ns;
    int64_t stalled_ns; /* data was given and is not granted since then; 0: it is */
    /* Of each stream the first byte that was not granted, and how many there are from there on. */
    uint64_t offset[2], lag_bytes[2];
};

/* The attaches of a session, in the order in which they came. */
void attach_each(const struct session_entry *e,
                 void (*fn)(void *arg, const struct attach_viewer *viewer), void *arg);
/* Ends one: failed follows, with ERR_ABORTED (VIEWER_KICKED). ERR_NOT_FOUND (VIEWER_NOT_FOUND). */
int attach_kick(struct session_entry *e, uint64_t id, const char *by, struct err *err);

#endif
