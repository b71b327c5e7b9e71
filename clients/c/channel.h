/* One connection of a client: opening, greeting, calls, draining. Not installed.
 *
 * A channel is new until the server's SETTINGS are in: nothing is sent to it before but our own
 * greeting, so that a call on a connection that comes to nothing was never begun. */
#ifndef BANGER_CLIENT_CHANNEL_H
#define BANGER_CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "transport.h"

struct rpc_client;
struct target;

enum { CHANNEL_READ_BYTES = 64 << 10 };

struct channel {
    struct list link; /* of client->channels */
    struct transport transport;
    struct rpc_client *wire;
    struct err broken;        /* set: it failed while sending; channel_process tells */
    int64_t greeted_until_ms; /* deadline of the greeting; INT64_MAX before and after */
    bool reached;             /* connected, hands shaken */
    bool greeted;
    bool refusing;  /* the server did not want a call here: no more are given to it */
    bool used;      /* has taken calls, and the log hook knows of it */
    bool losing;    /* calls that end now end because the connection is lost */
    uint8_t *input; /* CHANNEL_READ_BYTES, borrowed of the client */
};

/* Begins to connect. NULL with err where that fails at once. */
struct channel *channel_open(struct target *target, int epoll_fd, uint8_t *input, struct err *err);
/* Ends it and its calls, with why, and frees it. Never from a call's callback. */
void channel_close(struct channel *channel, const struct err *why);

/* Goes on with whatever there is to do, without waiting. -1: to be closed, with that reason. */
int channel_process(struct channel *channel, struct err *err);
/* Sends what is ready, as far as the socket takes it. */
void channel_flush(struct channel *channel);
/* Greeted, and neither draining, refusing nor broken: it takes calls. */
bool channel_takes_calls(const struct channel *channel);
/* The server said GOAWAY, or nothing works any more. */
bool channel_is_draining(const struct channel *channel);
size_t channel_open_calls(const struct channel *channel);
/* Monotonic time at which channel_process must be called, INT64_MAX for none. */
int64_t channel_due_ms(const struct channel *channel);

#endif
