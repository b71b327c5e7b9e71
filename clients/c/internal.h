/* What the files of libbanger share. Not installed.
 *
 * A client owns connections (channel.h): at most one that takes calls, and those that drain. Calls
 * are struct banger_stream: one waits in client->waiting until a connection takes it; when its
 * connection is lost it ends with UNAVAILABLE, and whoever may tries again (invoke.c, operation.c,
 * attach.c). */
#ifndef BANGER_CLIENT_INTERNAL_H
#define BANGER_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "banger/client.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "call_metadata.h"
#include "channel.h"
#include "target.h"

struct rpc_call;
struct rpc_method;

enum {
    STREAM_QUEUE = 32,             /* messages that wait to be taken; the sender is paused then */
    STREAM_KEEP_BYTES = 512 << 10, /* sent, and kept in case that the call must be begun anew */
};

/* What wants to come back at a time: part of an attach, or of logs. */
struct client_due {
    struct list link; /* of client->dues */
    /* Monotonic time at which it must be looked at, INT64_MAX for none. */
    int64_t (*due_ms)(const struct client_due *due);
};

struct banger_client {
    char *text; /* the target, as given */
    struct target target;
    char daemon_version[64]; /* see banger_local_version */
    int epoll_fd, timer_fd;  /* the timer is in the set: see client_arm */
    int interrupt_fd;
    int64_t retry_ms, wait_for_ready_ms, timeout_ms, alive_ms; /* as set: see client.h */
    struct banger_metadata metadata;                           /* of every call */
    bool ever_connected;
    bool watched;             /* someone else's loop looks at epoll_fd */
    int64_t armed_ms;         /* when timer_fd is due; INT64_MAX: not */
    int64_t told_ms;          /* the timer fired for all that was due before */
    bool looked_at;           /* inside banger_process, which sets the timer at its end */
    unsigned news, news_told; /* messages and ends of streams; those that the loop knows of */
    struct list channels;     /* all connections */
    struct channel *current;  /* of them: takes calls now, or soon; NULL: none */
    struct list waiting;      /* streams without a connection */
    struct list dues;         /* attaches and logs, whose timers count */
    unsigned n_users;         /* streams and attaches that have it */
    bool closed;              /* by its owner: goes with the last of them */
    banger_log_fn *log;       /* NULL: none */
    void *log_arg;
    struct err why;      /* the last failure to connect */
    unsigned n_failed;   /* such failures since the server last answered a call */
    int64_t retry_at_ms; /* after a failure: not before */
    uint8_t input[CHANNEL_READ_BYTES];
};

struct banger_stream {
    struct list link; /* client->waiting */
    struct banger_client *client;
    struct channel *channel; /* NULL: not begun, or over */
    const struct rpc_method *method;
    struct rpc_call *call;                 /* counted; NULL: not begun */
    ProtobufCMessage *queue[STREAM_QUEUE]; /* ring, owned */
    unsigned head, n;
    const ProtobufCMessage *request; /* borrowed, of invoke.c; NULL: in kept */
    struct buf kept;                 /* what was sent: each a length and a packed message */
    int64_t deadline_ms;             /* monotonic, INT64_MAX: none */
    int64_t give_up_ms;              /* waiting: until when, once it has failed; 0: not yet */
    bool fail_fast;                  /* does not wait when there is no connection to be had */
    bool keeps;                      /* kept is all that was sent: it can begin anew */
    bool begun;                      /* a server may have seen it */
    bool again;                      /* has begun anew, which is done once */
    bool half_closed, paused, ended;
    bool lost; /* ended with its connection, not by the server's word */
    struct banger_error status;
    struct banger_metadata metadata;          /* to send, the client's included */
    struct banger_metadata headers, trailers; /* what came, copied when it is asked for */
    bool has_headers, has_trailers;           /* they were */
};

/* What a stream is opened with. */
struct stream_config {
    const ProtobufCMessage *request;        /* NULL where the client streams */
    bool borrowed;                          /* request stays until the stream is closed */
    bool fail_fast;                         /* see struct banger_stream */
    int64_t timeout_ms;                     /* < 0: none */
    const struct banger_metadata *metadata; /* NULL: the client's alone */
};

/* error.c */
void error_of_err(struct banger_error *error, const struct err *err);
int error_set(struct banger_error *error, enum banger_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int error_no_memory(struct banger_error *error);
/* Replaces the message by "text: message". */
int error_wrap(struct banger_error *error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define error_set(...)       err_failed(error_set(__VA_ARGS__))
#define error_no_memory(...) err_failed(error_no_memory(__VA_ARGS__))
#define error_wrap(...)      err_failed(error_wrap(__VA_ARGS__))
/* Details that struct err does not carry: the operation's id. */
void error_add_details(struct banger_error *error, const void *status, size_t len);

/* method.c: NULL with error for a path that names no method. */
const struct rpc_method *method_find(const char *path, struct banger_error *error);

/* client.c */
/* banger_connect, of a client whose server is known by its CA's digest; pinned may be NULL. */
struct banger_client *client_new(const char *target, const struct target_pinned *pinned,
                                 struct banger_error *error);
/* A stream or an attach has it, or no longer: a closed one goes with the last. */
void client_use(struct banger_client *client);
void client_unuse(struct banger_client *client);
/* A line for the log hook, where there is one. */
void client_log(struct banger_client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* client_loop.c */
/* Polls once for at most timeout_ms (< 0: no limit) and processes. -1 only for the interrupt fd: a
 * lost connection shows in its calls. */
int client_wait(struct banger_client *client, int64_t timeout_ms, struct banger_error *error);
/* Sets the timer for what comes next. */
void client_arm(struct banger_client *client);

/* connect.c: connections for the calls that wait for one. */
/* Goes on with what waits: connects, begins calls, gives them up. Never
 * from a call's callback. */
void client_settle(struct banger_client *client);
/* A connection is lost, or could not be made. */
void client_lose(struct banger_client *client, struct channel *channel, const struct err *why);
/* Monotonic time at which client_settle must be called, INT64_MAX for none. */
int64_t client_settle_due_ms(const struct banger_client *client);

/* stream.c */
struct banger_stream *stream_open(struct banger_client *client, const struct rpc_method *method,
                                  const struct stream_config *config, struct banger_error *error);
/* Ends one that waits. */
void stream_fail(struct banger_stream *stream, const struct err *why);

/* stream_wire.c */
/* Keeps a message, as its length and its bytes, and lets go of all that is kept. */
int stream_keep(struct banger_stream *stream, const ProtobufCMessage *message);
void stream_forget(struct banger_stream *stream);
/* Gives up its call, which says no more. */
void stream_detach(struct banger_stream *stream);
/* Begins it on a connection that takes calls. */
void stream_begin(struct banger_stream *stream, struct channel *channel);

/* retry.c: when to try again, and how long until then. */
struct retry {
    int64_t until_ms; /* monotonic; 0: no failure yet */
    unsigned attempt;
};

/* Milliseconds to wait before the next attempt, or -1: no more. patience_ms counts from the first
 * failure since the last retry_reset. */
int64_t retry_delay(struct retry *retry, int64_t patience_ms);
/* Milliseconds before attempt number attempt (from 0 on), whatever the patience. */
int64_t retry_backoff_ms(unsigned attempt);
void retry_reset(struct retry *retry);
/* Waits as retry_delay says, processing meanwhile. -1: no more attempts, or interrupted (error is
 * replaced then). deadline_ms: monotonic, INT64_MAX for none. */
int retry_wait(struct retry *retry, struct banger_client *client, int64_t patience_ms,
               int64_t deadline_ms, struct banger_error *error);
#endif
