/* The link below an agent_client: connects, says hello behind a preamble, checks frames and
 * sequence numbers, pings, and after any trouble drops the connection and connects again with
 * backoff.
 *
 * Embedded in its client. On the loop's thread. Nothing is reported from inside a function of this
 * header: callbacks come from the loop alone, and what a channel ends of is found by reading from
 * it. While callbacks run (`busy`) output is only queued; it goes out in one write when they are
 * done.
 */
#ifndef BANGER_DAEMON_GUEST_AGENT_LINK_H
#define BANGER_DAEMON_GUEST_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/frame.h"
#include "daemon/guest/agent_codec.h"
#include "daemon/guest/channel.h"
#include "rpc/event/loop.h"

enum {
    AGENT_LINK_QUEUE_BYTES = 1024 * 1024, /* output that may wait: requests */
    AGENT_LINK_STDIN_BYTES = 256 * 1024,  /* stdin is taken while less than this waits */
    AGENT_LINK_DRAINED_BYTES = 64 * 1024, /* drained() below this, after something was refused */
    AGENT_LINK_AWAKE_MS = 100,
    AGENT_LINK_SLOW_US = 1000 * 1000, /* what takes longer names itself in the debug log */
};

/* Waits and intervals; the defaults are agent_link_timing. */
struct agent_link_timing {
    int64_t hello_ms; /* until the reply; a guest that boots has not opened the channel yet */
    int64_t ping_every_ms;
    int64_t ping_lost_ms;                     /* a ping unanswered for this long drops the link */
    int64_t retry_min_ms, retry_max_ms;       /* after a broken or refused connection */
    int64_t distrust_min_ms, distrust_max_ms; /* after the guest broke the protocol */
};
extern const struct agent_link_timing agent_link_timing;

struct agent_link_events {
    void (*up)(void *arg, const PB(HelloReply) * reply);
    /* By how much the guest's clock is ahead of ours, and how exact that is. */
    void (*clock)(void *arg, int64_t ahead_ns, int64_t within_ns);
    void (*kept)(void *arg, const PB(KeptOutput) * kept);
    /* A message after the hello. -1 with err: the guest breaks the protocol; the link is dropped.
     */
    int (*message)(void *arg, const struct agent_message *message, struct err *err);
    void (*down)(void *arg, const struct err *why);
    /* It was down, and a try to make it anew has failed. May be NULL. */
    void (*failed)(void *arg, const struct err *why);
    /* There is room again for what was refused, or the agent has answered agent_link_is_awake. */
    void (*drained)(void *arg);
    /* Answers agent_link_close: nothing uses the link any more. */
    void (*closed)(void *arg);
};

enum agent_link_state { AGENT_LINK_IDLE, AGENT_LINK_HELLO, AGENT_LINK_UP };

struct agent_link {
    struct loop *loop;
    struct channel_config config;
    struct agent_link_timing timing;
    const struct agent_link_events *events;
    void *arg;
    enum agent_link_state state;
    struct channel *channel; /* owned; NULL: none */
    struct timer retry;      /* until the next connect; while connected: drained() is due */
    struct timer wait;       /* hello or ping */
    struct buf in, out;
    size_t preamble_left;       /* zeros still to be written, ahead of out */
    uint32_t next_in, next_out; /* sequence numbers */
    uint64_t nonce, ping_token;
    int64_t up_ns, ping_sent_ns; /* monotonic; ping_sent_ns 0: none under way */
    int64_t ping_real_ns;        /* our clock then */
    uint64_t round_trip_us;
    int64_t agent_clock_ns;      /* as its latest pong has it; 0: none since the hello */
    int64_t agent_clock_at_ns;   /* monotonic: when that came */
    int64_t heard_ms;            /* monotonic */
    bool wake_asked;             /* drained() follows the next pong */
    bool ping_owed;              /* another ping follows it */
    unsigned failures, distrust; /* in a row */
    unsigned busy;               /* depth of callbacks */
    bool refused;                /* something did not fit: drained() is owed */
    bool closing;
};

/* 0, or -1 with err. Connects from the loop. */
int agent_link_open(struct agent_link *l, struct loop *loop, const struct channel_config *channel,
                    const struct agent_link_events *events, void *arg, struct err *err);
/* closed() comes now, or when the callbacks under way have returned; nothing else comes. */
void agent_link_close(struct agent_link *l);

/* What the agent's clock (Pong.boottime_ns) will be at the latest in ms from now; 0: not known. */
int64_t agent_link_clock_in(const struct agent_link *l, int64_t ms);
/* It stood still, as that of a paused guest does. */
void agent_link_forget_clock(struct agent_link *l);
/* It has said something within AGENT_LINK_AWAKE_MS (and, over a channel that others carry, what its
 * clock is); else it is asked, and drained() follows. */
bool agent_link_is_awake(struct agent_link *l);
/* Pings behind what was sent before, not only when the next one is due. */
void agent_link_ping(struct agent_link *l);
/* Queue a message: 0, or -1 with ERR_UNAVAILABLE (down, or no room now: then drained() follows). */
int agent_link_send(struct agent_link *l, const PB(ToAgent) * message, struct err *err);
int agent_link_send_start(struct agent_link *l, const char *id, const struct session_spec *spec,
                          bool tool, int64_t within_ms, struct err *err);
/* Refused like stdin, so that it keeps nothing waiting. */
int agent_link_send_new_agent(struct agent_link *l, uint32_t size, uint32_t offset,
                              const void *data, size_t len, struct err *err);
int agent_link_send_stdin(struct agent_link *l, const char *session_id, uint64_t offset,
                          uint64_t key, bool more, const void *data, size_t len, struct err *err);

#endif
