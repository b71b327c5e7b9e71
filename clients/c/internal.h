/* What the files of libbanger share. Not installed.
 *
 * A client owns one connection at most. Streams hang on the connection's calls; when it is lost all
 * of them end with UNAVAILABLE, and whoever may tries again (invoke.c, operation.c, attach.c). */
#ifndef BANGER_CLIENT_INTERNAL_H
#define BANGER_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "banger/client.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "transport.h"

struct rpc_call;
struct rpc_client;
struct rpc_method;

enum {
    CLIENT_READ_BYTES = 64 << 10,
    STREAM_QUEUE = 32, /* messages that wait to be taken; the sender is paused then */
};

struct banger_client {
    char *target; /* as given */
    struct transport transport;
    struct rpc_client *wire; /* NULL: no connection */
    struct err broken;       /* set: the connection failed while sending; process ends it */
    int interrupt_fd;
    int64_t retry_ms;
    int64_t wait_for_ready_ms; /* 0: see client.h */
    bool ever_connected;
    bool busy;            /* inside the wire's callbacks: output goes out at the end */
    bool losing;          /* calls that end now end because the connection is lost */
    struct list attaches; /* whose timers count */
    uint8_t input[CLIENT_READ_BYTES];
};

struct banger_stream {
    struct banger_client *client;
    const struct rpc_method *method;
    struct rpc_call *call;                 /* counted */
    ProtobufCMessage *queue[STREAM_QUEUE]; /* ring, owned */
    unsigned head, n;
    bool paused, ended;
    bool lost; /* ended with its connection, not by the server's word */
    struct banger_error status;
};

/* error.c */
void error_of_err(struct banger_error *error, const struct err *err);
int error_set(struct banger_error *error, enum banger_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int error_no_memory(struct banger_error *error);
/* Replaces the message by "text: message". */
int error_wrap(struct banger_error *error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Details that struct err does not carry: the operation's id. */
void error_add_details(struct banger_error *error, const void *status, size_t len);

/* method.c: NULL with error for a path that names no method. */
const struct rpc_method *method_find(const char *path, struct banger_error *error);

/* client.c */
/* banger_connect with certificates from memory; NULL: from the options' files. */
struct banger_client *client_new(const char *target, const struct banger_client_options *options,
                                 const struct transport_credentials *memory,
                                 struct banger_error *error);
/* Has a connection that takes calls, or makes one. */
int client_ensure(struct banger_client *client, struct banger_error *error);
/* Sends what is ready, as far as the socket takes it. */
void client_flush(struct banger_client *client);
/* Polls once for at most timeout_ms (< 0: no limit) and processes. -1 only for the interrupt fd: a
 * lost connection shows in its calls. */
int client_wait(struct banger_client *client, int64_t timeout_ms, struct banger_error *error);

/* stream.c */
struct banger_stream *stream_open(struct banger_client *client, const struct rpc_method *method,
                                  const ProtobufCMessage *request, int64_t timeout_ms,
                                  struct banger_error *error);

/* retry.c: when to try again, and how long until then. */
struct retry {
    int64_t until_ms; /* monotonic; 0: no failure yet */
    unsigned attempt;
};

/* Milliseconds to wait before the next attempt, or -1: no more. patience_ms counts from the first
 * failure since the last retry_reset. */
int64_t retry_delay(struct retry *retry, int64_t patience_ms);
void retry_reset(struct retry *retry);
/* Waits as retry_delay says, processing meanwhile. -1: no more attempts, or interrupted (error is
 * replaced then). deadline_ms: monotonic, INT64_MAX for none. */
int retry_wait(struct retry *retry, struct banger_client *client, int64_t patience_ms,
               int64_t deadline_ms, struct banger_error *error);
/* How long to try after a call failed, before it reached the server or (lost) on its way. */
int64_t retry_patience(const struct banger_client *client, const struct rpc_method *method,
                       bool reached);

/* attach.c: milliseconds until the attach must be looked at, or -1. */
int64_t attach_due_ms(const struct list *link);

#endif
