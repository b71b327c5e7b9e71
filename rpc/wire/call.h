/* One RPC, seen from the server or from the client. Services and clients use this and the generated
 * stubs; neither knows HTTP/2.
 *
 * Life of a call: handlers get it on the loop's thread and answer now or later. A call is counted:
 * whoever keeps it past the callback takes a reference. Once it is over (answered, cancelled,
 * deadline passed, connection lost) every function still works: sends return -1, the rest do
 * nothing. closed() comes exactly once, last, whatever happened. */
#ifndef BANGER_RPC_WIRE_CALL_H
#define BANGER_RPC_WIRE_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/wire/method.h"

struct err;

enum rpc_peer_kind { RPC_PEER_UNIX, RPC_PEER_TLS, RPC_PEER_INSECURE };

/* Who is at the other end; filled by the listener and its identify hook. */
struct rpc_peer {
    enum rpc_peer_kind kind;
    uid_t uid; /* RPC_PEER_UNIX */
    gid_t gid;
    pid_t pid; /* informative only: never act on it */
    char address[64];
    char principal[128]; /* "unix:1000" or the name in the certificate */
    /* RPC_PEER_TLS: of the certificate, in hex; then of its key (tls.h). */
    char serial[44];
    uint8_t key_sha256[32];
    bool self_signed; /* by no CA: the key is all that is known of the peer */
    bool mapped;      /* its principal is by a name in the certificate, not by a URI of ours */
    /* RPC_PEER_UNIX: supplementary groups, for the identify hook alone; NULL at other times. */
    const gid_t *groups;
    size_t n_groups;
    int64_t ends_s; /* seconds since 1970: counts no more from then on, unless renewed; 0: no end */
    bool again;     /* for the identify hook alone: it let this peer in before */
    bool finishing; /* by that hook, again: may end the calls that it has, and begin no more */
    enum rpc_role role;
    bool scoped; /* its role holds for a part of what there is: no host_wide methods */
};

/* One header or trailer: lower-case key; the value is text, or any bytes where the key ends in
 * "-bin". */
struct rpc_metadata {
    const char *key, *value;
    size_t value_len;
};

struct rpc_call_events {
    /* A message came. Valid during the callback, unless taken (rpc_call_take_message). The peer's
     * flow-control window opens again when the callback returns and reading is not paused. */
    void (*message)(void *arg, struct rpc_call *call, const ProtobufCMessage *message);
    /* The peer sends no more. */
    void (*half_closed)(void *arg, struct rpc_call *call);
    /* Queued output fell below the low watermark after rpc_call_writable was false. */
    void (*writable)(void *arg, struct rpc_call *call);
    /* Over. status->code is ERR_NONE for OK. On the server: as answered, or why the peer left. */
    void (*closed)(void *arg, struct rpc_call *call, const struct err *status);
};

struct rpc_call *rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);
/* events must outlive the call; arg is passed back. Any callback may be NULL. */
void rpc_call_set_events(struct rpc_call *call, const struct rpc_call_events *events, void *arg);
const struct rpc_method *rpc_call_method(const struct rpc_call *call);
const struct rpc_peer *rpc_call_peer(const struct rpc_call *call);
bool rpc_call_is_over(const struct rpc_call *call);
/* In closed(): its connection has gone, so that the peer may know nothing of its end. */
bool rpc_call_is_lost(const struct rpc_call *call);
/* Monotonic milliseconds (base/clock.h), INT64_MAX without one. */
int64_t rpc_call_deadline_ms(const struct rpc_call *call);
/* First value of a request header (server) or of a response header or trailer (client), lower-case
 * key; NULL if absent. "-bin" values are decoded; *len may be NULL. Borrowed until the call is
 * over. */
const char *rpc_call_metadata(const struct rpc_call *call, const char *key, size_t *len);

/* Queues one message. 0, or -1 when the call is over, the message is over the limit, or queued
 * output would exceed the hard maximum: whoever streams asks rpc_call_writable first. */
int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message);
/* Whether the messages from now on go by gzip (where that makes them smaller). Both sides take gzip
 * at any time; it is chosen per call by the client's options and by the server's settings. -1: the
 * peer takes none, or our headers went out without saying gzip. */
int rpc_call_set_compression(struct rpc_call *call, bool on);
/* Inside message() or a unary handler: whether the message came compressed. */
bool rpc_call_message_was_compressed(const struct rpc_call *call);
/* True while queued output is below the high watermark. */
bool rpc_call_writable(struct rpc_call *call);
/* Stops and resumes message(); a paused call stops its peer by HTTP/2 flow control. Nests not. */
void rpc_call_pause_reading(struct rpc_call *call);
void rpc_call_resume_reading(struct rpc_call *call);
/* Inside message(): takes ownership of the message and its arena; free with rpc_message_free. NULL:
 * no memory to keep it; the call fails. */
ProtobufCMessage *rpc_call_take_message(struct rpc_call *call);
void rpc_message_free(ProtobufCMessage *message);

/* Server. */
/* Before the handler of a request that is one message has it. True: the gate keeps it back; it has
 * counted the call, taken the message (rpc_call_take_message), and gives both to rpc_call_dispatch
 * later, or ends the call and frees the message. */
typedef bool rpc_gate_fn(void *arg, struct rpc_call *call, const ProtobufCMessage *request);
/* Lets the handler have what the gate has kept back; takes the message. */
void rpc_call_dispatch(struct rpc_call *call, ProtobufCMessage *request);
/* Adds to the response's headers, which go with the first message, or soon after the handler has
 * returned where the answer is a stream; and to its trailers. All or none of the entries; -1: they
 * are not allowed, too many, or went already. */
int rpc_call_add_headers(struct rpc_call *call, const struct rpc_metadata *metadata, size_t n,
                         struct err *err);
int rpc_call_add_trailers(struct rpc_call *call, const struct rpc_metadata *metadata, size_t n,
                          struct err *err);
/* Packs an element of the response's repeated field now, so that a long list is never there as
 * structs; rpc_call_reply packs the other fields and ends the call. Returns the element's bytes on
 * the wire; 0 when the call is over or there is no memory, which rpc_call_reply then says. */
size_t rpc_call_add(struct rpc_call *call, uint32_t field, const ProtobufCMessage *element);
/* One message and OK: the end of a unary or client-streaming call. */
void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response);
/* Ends the call after what is queued; NULL or ERR_NONE is OK, else the error becomes the status,
 * with a banger.v1.ErrorInfo in google.rpc.Status details. */
void rpc_call_finish(struct rpc_call *call, const struct err *status);

/* Client. */
/* What came beside the messages, in order, repeated keys too, "-bin" values decoded; *at is 0 at
 * first, false says that there is no more. Headers are whole once rpc_call_got_headers, trailers in
 * closed(); an answer that is nothing but an error has trailers only. Borrowed as
 * rpc_call_metadata's. */
bool rpc_call_got_headers(const struct rpc_call *call);
bool rpc_call_next_header(const struct rpc_call *call, size_t *at, struct rpc_metadata *header);
bool rpc_call_next_trailer(const struct rpc_call *call, size_t *at, struct rpc_metadata *trailer);
/* No more messages from us. */
void rpc_call_half_close(struct rpc_call *call);
/* In closed(): the server says that it did nothing about the call (REFUSED_STREAM, or a stream
 * above GOAWAY's last, RFC 9113 8.7), or the call never left: safe to try again, whatever it is. */
bool rpc_call_was_refused(const struct rpc_call *call);
/* In closed(): the stream ended without a status from the server, as when a proxy gives it up: by a
 * reset, but for ENHANCE_YOUR_CALM and the like, or by a mere end. A loss like that of a
 * connection, whatever the code is by gRPC's table. */
bool rpc_call_was_cut(const struct rpc_call *call);
/* RST_STREAM(CANCEL); closed() still comes, with ERR_CANCELLED unless it was over. */
void rpc_call_cancel(struct rpc_call *call);

#endif
