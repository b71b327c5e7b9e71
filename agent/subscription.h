/* Cursors over sessions' output, each with its own credit.
 *
 * A subscription is on the table's ready list while it may have something to send; the pump takes
 * one after the other, one frame each. One without credit or news is on no list and costs nothing.
 *
 * Who follows also slows, a little. A stream is not read for a while when every follower that keeps
 * up (FOLLOWER_MIN_BYTES in each FOLLOWER_WINDOW_MS) is behind: by FOLLOWER_NEAR_BYTES where it
 * only waits for the link, by half the spool where it has run out of credit. So a live reader sees
 * every byte of a process that writes faster than the channel carries, and sees it from memory;
 * while a stalled or slow reader, and having none, never holds a process up.
 *
 * Unless it is one that may: a session started with hold_ms waits for a holder as for a pipe's
 * reader, and for hold_ms before the first one has come and after the last one has gone, from where
 * that one was. */
#ifndef BANGER_AGENT_SUBSCRIPTION_H
#define BANGER_AGENT_SUBSCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/codec.h"
#include "agent/link.h"
#include "agent/tail.h"
#include "base/list.h"

enum {
    SUBSCRIPTIONS_MAX = 1024,
    FOLLOWER_WINDOW_MS = 250,
    FOLLOWER_MIN_BYTES = 256 * 1024,
    FOLLOWER_NEAR_BYTES = 64 * 1024,
    SEEK_TURN_BYTES = 256 * 1024, /* looked through for lines before others have a turn */
    /* Between two gaps of one stream: who is slower than the process is told of one in so long, not
     * of one for every few bytes. */
    GAP_EVERY_MS = 500,
};

struct session;
struct session_table;
struct stream;

struct cursor {
    uint64_t at;         /* next offset to send */
    uint64_t end;        /* stop here; UINT64_MAX: follow */
    bool done;           /* end of stream told, or not wanted */
    bool seeking;        /* at is not known yet: tail looks for it */
    int64_t next_gap_ms; /* no gap before this moment */
    struct tail tail;
};

struct subscription {
    struct list member;     /* of the set */
    struct list in_session; /* of the session's subscriptions */
    struct list ready;      /* of the table's ready list */
    uint32_t id;
    struct session *session; /* NULL: deleted meanwhile */
    struct cursor cursor[2];
    bool announced, follow, hold, times;
    int turn; /* stream that goes first next time */
    uint64_t credit;
    /* keeping up: bytes sent in the window that began then, and the last moment it was enough */
    int64_t window_ms, kept_up_ms;
    uint64_t window_bytes;
};

struct subscriptions {
    struct list all;
    int n;
};

void subscriptions_init(struct subscriptions *set);
/* Forgets all: the link is gone. */
void subscriptions_clear(struct subscriptions *set);

/* Answers with Subscribed; an error there means that it does not exist. */
void subscription_open(struct subscriptions *set, struct session_table *t, struct link *link,
                       const PB(Subscribe) * request);
void subscription_add_credit(struct subscriptions *set, struct session_table *t, uint32_t id,
                             uint32_t bytes);
/* release: nobody will come back to what it held. */
void subscription_close(struct subscriptions *set, uint32_t id, bool release);

/* Sends what is ready while the link takes it. True if anything was sent. */
bool subscriptions_pump(struct subscriptions *set, struct session_table *t, struct link *link);

/* For session.c: there is more output (or the end of it); the session goes away. */
void subscriptions_wake(struct session *s);
void subscriptions_orphan(struct session *s);
/* The stream should not be read for now, see above. */
bool subscriptions_hold(struct stream *stream);
/* Somebody holds the session now. */
bool subscriptions_held(const struct session *s);
/* Where the last holder of the stream is, or was; UINT64_MAX: there is none. */
uint64_t subscriptions_held_from(const struct stream *stream);
/* No more may be read of it than so many bytes, lest a holder lose some; UINT64_MAX: nobody holds.
 */
uint64_t subscriptions_room(struct stream *stream);

#endif
