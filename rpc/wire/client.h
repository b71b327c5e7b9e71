/* Client side of a gRPC connection, without I/O: whoever owns the socket feeds and drains it.
 *
 * libbanger drives it with poll, tests with buffers. Generated client stubs call rpc_client_start.
 */
#ifndef BANGER_RPC_WIRE_CLIENT_H
#define BANGER_RPC_WIRE_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/wire/call.h"

struct err;
struct rpc_client;

struct rpc_call_options {
    int64_t timeout_ms; /* 0: the method's default; < 0: none */
    const struct rpc_metadata *metadata;
    size_t n_metadata;
    bool compress; /* our messages by gzip, until rpc_call_set_compression says otherwise */
    /* For methods that stream: a stream that was quiet for so long says that it lives, in both
     * directions, so that proxies do not cut it (alive.h); at least a second, 0: never. */
    int64_t alive_ms;
};

/* authority is the :authority header ("localhost"). */
struct rpc_client *rpc_client_new(const char *authority, struct err *err);
/* Calls still open get closed() with ERR_UNAVAILABLE. */
void rpc_client_free(struct rpc_client *client);

/* Bytes that came from the server; -1: the connection is unusable, close it. */
int rpc_client_receive(struct rpc_client *client, const uint8_t *data, size_t len, struct err *err);
/* Next bytes to send: *data stays valid until the next call on this client. 0: nothing now. */
ssize_t rpc_client_output(struct rpc_client *client, const uint8_t **data, struct err *err);
/* The transport is gone: every open call ends with this reason, and ERR_UNAVAILABLE unless it is
 * ERR_UNAUTHENTICATED. */
void rpc_client_lost(struct rpc_client *client, const struct err *why);
/* Milliseconds until rpc_client_tick must be called (deadlines, keepalive), or -1. */
int64_t rpc_client_next_tick_ms(const struct rpc_client *client);
void rpc_client_tick(struct rpc_client *client);
/* While calls are open, a server that is silent for interval_ms is pinged; without any answer in
 * timeout_ms they end with ERR_UNAVAILABLE and rpc_client_output fails. 0 for interval_ms: never,
 * which is the default. Servers may refuse intervals below ten seconds. -1: no memory. */
int rpc_client_set_keepalive(struct rpc_client *client, int64_t interval_ms, int64_t timeout_ms);
/* The transport is TLS: requests say https. */
void rpc_client_set_secure(struct rpc_client *client);
size_t rpc_client_open_calls(const struct rpc_client *client);
/* The server's SETTINGS, its greeting, are in. */
bool rpc_client_is_greeted(const struct rpc_client *client);
/* The server said GOAWAY: no new calls on this connection. */
bool rpc_client_draining(const struct rpc_client *client);
/* Nothing more to read nor to write by HTTP/2's rules: drained, or ended for an error of the
 * server's. */
bool rpc_client_is_finished(const struct rpc_client *client);

/* Starts a call; returns a counted reference of the caller's. request is sent and the sending side
 * closed at once for methods whose client does not stream; NULL otherwise. NULL with err on
 * failure. */
struct rpc_call *rpc_client_start(struct rpc_client *client, const struct rpc_method *method,
                                  const struct rpc_call_options *options,
                                  const ProtobufCMessage *request,
                                  const struct rpc_call_events *events, void *arg, struct err *err);

#endif
