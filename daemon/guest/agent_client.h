/* The daemon's end of the agent protocol: one client per running VM, on the loop's thread.
 *
 * It owns the channel: connects, says hello behind a preamble, checks nonce and sequence, pings,
 * and after any trouble drops the link and connects again with backoff, for as long as it is open.
 * What must survive a broken link is the caller's to send again on link_up (session starts, stdin
 * from the acknowledged offset); subscriptions come back by themselves at the offset they had
 * reached. */
#ifndef BANGER_DAEMON_GUEST_AGENT_CLIENT_H
#define BANGER_DAEMON_GUEST_AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/guest/channel.h"
#include "daemon/model/model.h"

struct agent_client;
struct agent_subscription;
struct err;
struct loop;

struct agent_hello {
    char boot_id[40], instance[40], version[40];
    char boot_error[256];
    uint32_t stdin_window_bytes, max_sessions;
    uint32_t session_revision; /* of what a start may ask for; see agent.proto */
    uint32_t revision;         /* of its program; 0: an old one, which none can follow */
    uint32_t given_up;         /* new agents that could not begin there */
    bool configured;
    bool tail_lines;   /* AGENT_FROM_TAIL_LINES may be asked for */
    bool tools;        /* sessions may be tools of the agent */
    bool output_times; /* AGENT_FROM_TIME, AGENT_TIMES and an end at a time may */
};

/* Bytes of stdin of one key; see agent.proto. */
struct agent_stdin_run {
    uint64_t key, from, until;
    bool open;
};

enum { AGENT_STDIN_RUNS = 8 };

/* What the agent says of a session; see agent.proto. */
struct agent_session_status {
    char session_id[ID_BYTES];
    enum {
        AGENT_SESSION_RUNNING = 1,
        AGENT_SESSION_EXITED,
        AGENT_SESSION_FAILED,
        AGENT_SESSION_UNKNOWN
    } state;
    uint32_t pid;
    int exit_code, signo;
    bool oom, timed_out;
    char failed_stage[32];
    int failed_errno;
    char error[256];
    uint64_t stdout_total, stderr_total;
    bool stdout_ended, stderr_ended;
    uint64_t stdin_acked, stdin_received; /* received: 0 from an agent that does not tell */
    bool stdin_eof, stdin_closed;
    uint32_t n_stdin_runs;
    struct agent_stdin_run stdin_runs[AGENT_STDIN_RUNS]; /* after a hello */
    int64_t started_ns, ended_ns;                        /* by the host's clock; 0: not known */
    uint32_t left;                                       /* processes that live on after the exit */
    uint64_t late_bytes; /* what they wrote behind the streams' ends */
    bool tool;           /* it is one of the agent's own */
};

#define AGENT_HOLD_FOREVER UINT32_MAX /* see StartSession.hold_ms */

/* Any may be NULL. None is called from inside a function of this header. */
struct agent_events {
    /* Hello was answered; session statuses follow, then synced. */
    void (*link_up)(void *arg, const struct agent_hello *hello);
    /* After the last of the statuses: what was not named is unknown to the agent. */
    void (*synced)(void *arg);
    void (*link_down)(void *arg, const struct err *why);
    void (*link_failed)(void *arg, const struct err *why); /* another try, while it is down */
    void (*configured)(void *arg, const char *error);      /* "" on success */
    /* After each ping: by how much the guest's clock is ahead of the host's, give or take. */
    void (*clock)(void *arg, int64_t ahead_ns, int64_t within_ns);
    /* The same; not of an older agent. */
    void (*kept)(void *arg, const struct kept_output *kept);
    void (*session_status)(void *arg, const struct agent_session_status *status);
    void (*session_deleted)(void *arg, const char *session_id);
    void (*stdin_ack)(void *arg, const char *session_id, uint64_t offset, bool closed);
    void (*shutting_down)(void *arg);
    void (*new_agent_refused)(void *arg, const char *error);
    /* A request was refused because output was full, or waited for agent_client_is_awake; now it
     * may go. */
    void (*writable)(void *arg);
};

struct agent_configure {
    char vm_id[ID_BYTES], hostname[NAME_BYTES];
    char address_cidr[24], gateway[16], dns_server[16];
    uint32_t window_bytes; /* of TCP connections over the gateway; 0: the guest's own */
    char work_mount[256];
    uint64_t spool_bytes;
};

/* config is copied. Connects in the background; the first link_up says that the guest is there. */
struct agent_client *agent_client_open(struct loop *loop, const struct channel_config *channel,
                                       const struct agent_events *events, void *arg,
                                       struct err *err);
/* No callback comes after this, to anyone; allowed inside one. Subscriptions fall silent, their
 * holders still end them with agent_unsubscribe. NULL is fine. */
void agent_client_close(struct agent_client *c);
bool agent_client_is_up(const struct agent_client *c);
const struct agent_hello *agent_client_hello(const struct agent_client *c);
/* Round trip of the latest ping in microseconds, 0 before the first. Pings go every few seconds;
 * one unanswered for 10 s drops the link. */
uint64_t agent_client_round_trip_us(const struct agent_client *c);

/* Requests: 0 when queued, -1 with ERR_UNAVAILABLE while the link is down (then link_up follows) or
 * its output is full (then writable follows). Up to 1 MiB of requests wait; stdin is refused while
 * more than 256 KiB does, so that it never keeps a kill waiting. The answers come as events. Clock
 * and entropy of a configure are filled in here. */
int agent_client_configure(struct agent_client *c, const struct agent_configure *config,
                           struct err *err);
/* The guest's clock becomes the host's. */
int agent_client_set_clock(struct agent_client *c, struct err *err);
/* Measures the clock, and the round trip, behind what was sent before; not only when that is due.
 */
void agent_client_ping(struct agent_client *c);
/* Whether the agent has said something within the last moment. If not, it is asked to, and writable
 * follows when it has: what must not be found by a guest that wakes up much later is sent then. */
bool agent_client_is_awake(struct agent_client *c);
/* tool: argv is that of a tool of the agent's own. within_ms: it does not begin later than that,
 * whenever the guest gets to read it, unless the agent is too old to know; 0: whenever. */
int agent_client_start_session(struct agent_client *c, const char *id,
                               const struct session_spec *spec, bool tool, int64_t within_ms,
                               struct err *err);
/* The guest stood still: what is known of its clock is not so any more. */
void agent_client_stood_still(struct agent_client *c);
int agent_client_send_stdin(struct agent_client *c, const char *session_id, uint64_t offset,
                            const void *data, uint32_t len, struct err *err);
/* As that, of bytes that have a key. more: further ones follow, before any others. */
int agent_client_send_stdin_run(struct agent_client *c, const char *session_id, uint64_t offset,
                                uint64_t key, bool more, const void *data, uint32_t len,
                                struct err *err);
int agent_client_send_stdin_eof(struct agent_client *c, const char *session_id, uint64_t offset,
                                struct err *err);
/* target as banger.v1.SignalTarget: 1 process, 2 group, 3 all. */
int agent_client_signal(struct agent_client *c, const char *session_id, int signo, int target,
                        struct err *err);
int agent_client_resize(struct agent_client *c, const char *session_id, uint32_t rows,
                        uint32_t columns, struct err *err);
/* Output below has been stored elsewhere. */
int agent_client_ack_output(struct agent_client *c, const char *session_id, uint64_t stdout_offset,
                            uint64_t stderr_offset, struct err *err);
int agent_client_delete_session(struct agent_client *c, const char *session_id, struct err *err);
/* linger_ms: so long, from now, the guest stays for the sessions' output to be read; until then
 * agent_client_shutdown_saved lets it go. */
int agent_client_shutdown(struct agent_client *c, bool reboot, uint32_t grace_ms,
                          uint32_t linger_ms, struct err *err);
void agent_client_shutdown_saved(struct agent_client *c);

/* Of the agent that this daemon comes with. */
extern const uint32_t agent_client_revision;
/* A part of a newer agent's program (size bytes in all); see NewAgent. */
int agent_client_send_new_agent(struct agent_client *c, uint32_t size, uint32_t offset,
                                const void *data, uint32_t len, struct err *err);

/* A cursor over a session's output. */
struct agent_start {
    enum {
        AGENT_FROM_OFFSET,
        AGENT_FROM_TAIL,
        AGENT_FROM_TAIL_LINES,
        AGENT_FROM_TIME,
        AGENT_FROM_END,
        AGENT_SKIP
    } at;
    uint64_t value; /* offset, bytes or lines of tail, or a time */
};

struct agent_subscription_events {
    /* Resolved offsets, once. */
    void (*opened)(void *arg, uint64_t stdout_offset, uint64_t stderr_offset);
    /* stream: 1 stdout, 2 stderr. Contiguous per stream, across broken links too. Uses up credit.
     */
    void (*data)(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len);
    /* With AGENT_TIMES, before data: when that was read, by the host's clock. May be
     * NULL; must not end the cursor. */
    void (*time)(void *arg, int stream, int64_t time_ns);
    void (*gap)(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                const char *reason);
    /* cut: "", or why it was given up before its writers had closed it; see agent.proto. */
    void (*stream_end)(void *arg, int stream, uint64_t total, const char *cut);
    /* Last; err NULL: everything wanted has been given. The subscription is gone after it. */
    void (*ended)(void *arg, const struct err *err);
};

enum {
    AGENT_FOLLOW = 1,
    AGENT_HOLD = 2,        /* where the session is one that holds: it waits for this cursor, */
    AGENT_HOLD_MS = 60000, /* and so long for one to come, or to come back */
    AGENT_TIMES = 4,       /* the time of data is told where it is known */
};

/* Works while the link is down, too: it is asked for at the next link_up. how: of the above. */
struct agent_subscription *
agent_subscribe(struct agent_client *c, const char *session_id, struct agent_start from_stdout,
                struct agent_start from_stderr, uint32_t credit_bytes, unsigned how,
                const struct agent_subscription_events *events, void *arg, struct err *err);
/* As that, without AGENT_FOLLOW, of what had been read by until_ns; 0: no such end. */
struct agent_subscription *agent_subscribe_until(struct agent_client *c, const char *session_id,
                                                 struct agent_start from_stdout,
                                                 struct agent_start from_stderr, int64_t until_ns,
                                                 uint32_t credit_bytes, unsigned how,
                                                 const struct agent_subscription_events *events,
                                                 void *arg, struct err *err);
void agent_subscription_grant(struct agent_subscription *s, uint32_t bytes);
/* Nobody comes back to what it holds. NULL is fine. */
void agent_subscription_release(struct agent_subscription *s);
/* The client was closed: nothing will come. */
bool agent_subscription_is_orphan(const struct agent_subscription *s);
/* No callback after this. */
void agent_unsubscribe(struct agent_subscription *s);

#endif
