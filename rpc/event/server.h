/* gRPC server on the loop: listeners, connections, services.
 *
 * Knows no service: generated stubs register tables and handlers, the composition root says who a
 * peer is (identify) and whether it may call (authorize). */
#ifndef BANGER_RPC_EVENT_SERVER_H
#define BANGER_RPC_EVENT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/wire/call.h"

struct err;
struct loop;
struct rpc_method;
struct rpc_observer;
struct rpc_server;
struct tls_context;

struct rpc_server_config {
    /* Limits; 0 takes the default in server.c's table, where each has its reason. */
    size_t max_connections;
    size_t max_connections_per_principal; /* 0: a quarter of those */
    size_t max_streams;                   /* per connection, at once */
    size_t max_message_bytes;             /* request, unless the method says otherwise */
    size_t max_header_list_bytes;
    size_t max_buffered_output_bytes; /* per connection */
    size_t max_handshakes;            /* TLS, at once; one more pushes one out (handshakes.h) */
    int64_t handshake_timeout_ms;     /* for the HTTP/2 preface and SETTINGS; for headers to end */
    int64_t request_timeout_ms;       /* for a request that is one message to end; < 0: none */
    int64_t idle_timeout_ms;          /* no streams and no bytes for so long: GOAWAY */
    int64_t min_ping_interval_ms;     /* of peers; those that ping more often are sent away */
    int64_t keepalive_interval_ms;    /* silent so long: pinged; not on Unix sockets; < 0: never */
    int64_t keepalive_timeout_ms;     /* no answer to that: closed */
    int64_t max_age_ms;               /* of a connection, about: GOAWAY; < 0: none */
    int64_t max_age_grace_ms;         /* for its calls to end after that */
    bool compress;                    /* answers by gzip where the client takes it */
    /* Fills peer->principal and role from what the socket says; -1 refuses the connection. For TLS
     * peers it comes after the handshake, with the certificate's principal, serial and key; whom
     * the TLS context's own admit() refuses does not get so far. */
    int (*identify)(void *arg, struct rpc_peer *peer, struct err *err);
    /* Before every dispatch; -1 ends the call with err. NULL: the peer's role against the method's.
     */
    int (*authorize)(void *arg, struct rpc_call *call, struct err *err);
    void *arg;
};

struct rpc_server *rpc_server_new(struct loop *loop, const struct rpc_server_config *config,
                                  struct err *err);
/* service and handlers are borrowed for the server's life. Used by generated code. */
int rpc_server_add(struct rpc_server *server, const struct rpc_service *service,
                   const void *handlers, void *self, struct err *err);
/* Asked about every call that its peer may make, before anything of it runs: 0, or -1 with what the
 * call is refused with. */
void rpc_server_set_admit(struct rpc_server *server,
                          int (*admit)(void *arg, const struct rpc_method *method, struct err *err),
                          void *arg);
/* Looks on at all calls from now on; see rpc/wire/observer.h. Borrowed for the server's life. */
void rpc_server_set_observer(struct rpc_server *server, const struct rpc_observer *observer,
                             void *arg);
/* Sees every request of one message from now on before its handler; see rpc/wire/call.h. */
void rpc_server_set_gate(struct rpc_server *server, rpc_gate_fn *gate, void *arg);
/* Calls freed(arg) when the server is freed, for what its handlers need as long. -1: no memory. */
int rpc_server_on_free(struct rpc_server *server, void (*freed)(void *arg), void *arg);
/* Whether it has any method of the service of that full name. */
bool rpc_server_has(const struct rpc_server *server, const char *service);
/* Owner-only socket file unless mode says more; a stale socket is replaced, a live one is
 * ERR_EXISTS. */
int rpc_server_listen_unix(struct rpc_server *server, const char *path, mode_t mode,
                           struct err *err);
/* Once more at a path whose socket file is gone; the old listener there, if any, is closed once the
 * new one listens. Connections stay. */
int rpc_server_listen_unix_again(struct rpc_server *server, const char *path, mode_t mode,
                                 struct err *err);
/* At the socket fd, which listens at path already, for a service manager's (sd_listen_fds(3)): its
 * file is the manager's and stays. Takes the fd in any case. */
int rpc_server_listen_given(struct rpc_server *server, const char *path, int fd, struct err *err);
/* TCP without TLS, for tests and for proxies on this machine: "127.0.0.1:PORT" or "[::1]:PORT", any
 * other address is ERR_INVALID. Peers are RPC_PEER_INSECURE, and whoever can reach the loopback
 * interface: without an identify hook they may call nothing. Port 0 takes a free one; *port (may be
 * NULL) is the one taken. */
int rpc_server_listen_tcp_insecure(struct rpc_server *server, const char *address, uint16_t *port,
                                   struct err *err);
/* TCP with TLS: a numeric HOST:PORT as above, of any interface. The context is counted; NULL: the
 * address is taken, and who connects waits, until rpc_server_set_tls. */
int rpc_server_listen_tls(struct rpc_server *server, const char *address,
                          struct tls_context *context, uint16_t *port, struct err *err);
/* What TLS listeners shake hands with from now on, and connections that are there are held against:
 * rpc_server_verify_again. */
void rpc_server_set_tls(struct rpc_server *server, struct tls_context *context);
/* TLS listeners give their addresses back; connections that are there stay. */
void rpc_server_close_tls(struct rpc_server *server);
/* Other limits and times from now on: what is the connections' own (streams, messages, headers,
 * queued output, pings, age) holds for new ones. The hooks stay. */
void rpc_server_set_limits(struct rpc_server *server, const struct rpc_server_config *config);
/* Holds the certificates of those who are here against that context (NULL: the one before) and asks
 * identify again, soon, and before the next call of each. Who is revoked, has expired or is
 * somebody else now is cut. Whose authority is not known any more may end the calls that it has;
 * further ones are refused as not begun. */
void rpc_server_verify_again(struct rpc_server *server, struct tls_context *context);
/* Asks identify again about each connection, and cuts those that it refuses now or to which it
 * gives another principal or role: when what it goes by has changed. Returns how many. */
size_t rpc_server_identify_again(struct rpc_server *server);
/* Whether rpc_server_listen_tls would take that as an address. */
bool rpc_address_is_valid(const char *address);
/* Closes, soon and whatever they do, the connections for whose peer match says so; answers that are
 * ready still leave if the socket takes them. Returns how many. */
size_t rpc_server_cut(struct rpc_server *server, bool (*match)(void *arg, const struct rpc_peer *),
                      void *arg);
/* No new connections, GOAWAY to all, streams may end within grace_ms, then are cut; drained comes
 * once. */
void rpc_server_drain(struct rpc_server *server, int64_t grace_ms, void (*drained)(void *arg),
                      void *arg);
/* Closes what is left. */
void rpc_server_free(struct rpc_server *server);
/* One connection, for lists of them. Borrowed for the visit. */
struct rpc_connection_info {
    uint64_t id; /* never used again */
    const struct rpc_peer *peer;
    size_t n_calls; /* open */
    uint64_t n_calls_done;
    uint64_t bytes_in, bytes_out;
    int64_t since_ns, active_ns; /* real time: opened, bytes moved last */
    const char *tls_version;     /* "TLSv1.3"; "" without TLS or before the handshake is done */
};

/* Visits all connections, oldest first, until visit returns false. visit opens and closes none. */
void rpc_server_each_connection(const struct rpc_server *server,
                                bool (*visit)(void *arg, const struct rpc_connection_info *info),
                                void *arg);
/* Closes a connection soon (never from inside this call), with GOAWAY; its calls end as if it
 * broke, why is for their handlers. What is queued for the peer is tried once, so that a call may
 * kick its own. -1 with ERR_NOT_FOUND. */
int rpc_server_kick(struct rpc_server *server, uint64_t id, const char *why, struct err *err);
size_t rpc_server_connections(const struct rpc_server *server);

#endif
