/* The inside of a call: one HTTP/2 stream and the gRPC state on it. For rpc/wire only.
 *
 * The connection holds one reference until the stream is closed and closed() was delivered.
 * closed() is never called from inside the call API: rather the call goes on the connection's work
 * list. */
#ifndef BANGER_RPC_WIRE_STREAM_H
#define BANGER_RPC_WIRE_STREAM_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "rpc/wire/call.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/metadata.h"
#include "rpc/wire/outgoing.h"

struct route;
struct wire_conn;

enum {
    STREAM_WINDOW_BYTES = 1 << 20,
    CONN_WINDOW_BYTES = 4 << 20,
    CALL_HIGH_BYTES = 256 << 10, /* queued output: not writable above … */
    CALL_LOW_BYTES = 64 << 10,   /* … until below */
    HEADER_OVERHEAD_BYTES = 32,  /* per field, RFC 9113 6.5.2 */
};

/* What handlers add to a response. */
struct reply_metadata {
    struct outgoing headers, trailers;
};

struct rpc_call {
    struct wire_conn *conn; /* counted */
    struct list link, work_link, blocked_link, starved_link, linger_link;
    const struct rpc_call_events *events;
    void *arg;
    const struct rpc_method *method; /* NULL: a request that named none we know */
    const struct route *route;       /* server */
    void *note;                      /* server: the observer's */
    ProtobufCMessage *request;       /* server: of a client that does not stream; owned */
    ProtobufCMessage *current;       /* in the message callback; owned unless taken */
    struct deadline deadline, alive;
    int64_t deadline_ms; /* INT64_MAX: none */
    int64_t timeout_ms;  /* grpc-timeout; -1: none came */
    int64_t linger_until_ms;
    int64_t alive_ms; /* between signs of life, asked for (alive.h); 0: none */
    unsigned n_refs;
    int32_t stream_id;
    int http_status;     /* client: what came; server: plain HTTP refusal, or 0 */
    size_t header_bytes; /* received so far, for the limits: trailers too */
    unsigned n_fields;
    size_t trailers_at;      /* client: in metadata, behind the response's headers */
    size_t unconsumed_bytes; /* received, stream window not yet given back */
    size_t max_message_bytes;
    size_t promised_bytes; /* of out, to the DATA frame that nghttp2 has begun */
    size_t
        begun_bytes; /* of out, its last: a message that rpc_call_add has begun, prefix included */

    bool held : 1;          /* the connection has its reference and link */
    bool stream_open : 1;   /* nghttp2 has the stream */
    bool closed : 1;        /* closed() was delivered (or would have been) */
    bool over : 1;          /* answered, cancelled, lost: the API does nothing more */
    bool settled : 1;       /* server: the observer knows how it ended */
    bool submitted : 1;     /* our HEADERS are with nghttp2 */
    bool deferred : 1;      /* nghttp2 waits for data from us */
    bool ended : 1;         /* nothing comes behind what is in out */
    bool sent_end : 1;      /* trailers or END_STREAM are with nghttp2 */
    bool early : 1;         /* counted in conn->n_early */
    bool request_timed : 1; /* server: the deadline is the request's, not yet the call's */
    bool remote_ended : 1;  /* END_STREAM came */
    bool remote_reset : 1;  /* RST_STREAM came */
    bool end_reported : 1;  /* half_closed() was delivered, or the unary request dispatched */
    bool paused : 1;
    bool heavy : 1;   /* its next message took more memory than is usual: tried again in its turn */
    bool starved : 1; /* its next message waits to be unpacked (unpack.h) */
    bool delivering : 1; /* inside message(): resuming only clears paused */
    bool got_message : 1;
    bool got_content_type : 1;
    bool got_headers : 1;     /* client: the response's, whole */
    bool got_status : 1;      /* client: grpc-status came */
    bool refused : 1;         /* client: the server has not begun with it */
    bool cut : 1;             /* client: its stream was, by whoever, without a status */
    bool close_soon : 1;      /* work: call_close with status */
    bool announce : 1;        /* work, server: the response's headers, if there are none yet */
    bool spoke : 1;           /* a message was sent since the last sign of life was due */
    bool alive_agreed : 1;    /* client: the server knows of signs of life */
    bool offer_encodings : 1; /* server: say grpc-accept-encoding in the answer */
    bool peer_takes_gzip : 1;
    bool in_gzip : 1;      /* its messages may be compressed */
    bool message_gzip : 1; /* the one that is handed over was */
    bool out_gzip : 1;     /* our headers say gzip, or will */
    bool compress : 1;     /* our next messages; only with out_gzip */
    bool begun_failed : 1; /* no memory for what rpc_call_add was given */

    struct reply_metadata *reply; /* server: owned; NULL without */
    struct buf in;  /* received, not yet taken: part of a message, or behind a pause */
    struct buf out; /* framed messages that nghttp2 has not yet taken */
    struct metadata metadata;
    struct err status; /* as answered, as received, or why it ended */
};

/* call.c */
/* From the pool or fresh, with one reference (the connection's); NULL: no memory. */
struct rpc_call *call_new(struct wire_conn *conn, int32_t stream_id);
/* The memory of one that nobody refers to any more. */
void call_free(struct rpc_call *call);
/* Ends it now: closed() with call->status; a stream still open is reset unless it was answered. */
void call_close(struct rpc_call *call);
/* As that, but from the work list. */
void call_close_soon(struct rpc_call *call);
/* nghttp2 closed the stream. */
void call_stream_closed(struct rpc_call *call, uint32_t error_code);
/* Gives up the connection's reference once stream and closed() are done with. */
void call_release(struct rpc_call *call);
/* Puts it on the work list. */
void call_add_work(struct rpc_call *call);
void call_do_work(struct rpc_call *call);
/* False when the API has nothing to do any more. */
bool call_is_live(const struct rpc_call *call);
int call_set_deadline(struct rpc_call *call, int64_t at_ms);
/* This side's fault-finding ends the call: the server answers err, the client resets. */
void call_fail(struct rpc_call *call, const struct err *err);

/* input.c */
void call_input(struct rpc_call *call, const uint8_t *data, size_t len);
void call_input_end(struct rpc_call *call);
/* Goes on after a pause. */
void call_input_resume(struct rpc_call *call);
void call_input_drop(struct rpc_call *call);
/* Its messages are taken as they come. */
static inline bool call_input_flows(const struct rpc_call *call)
{
    return !call->paused && !call->starved;
}
static inline bool call_input_pending(const struct rpc_call *call)
{
    return !call_input_flows(call) && buf_len(&call->in) > 0;
}

/* output.c */
int call_queue_message(struct rpc_call *call, const ProtobufCMessage *message, struct err *err);
/* Whether n bytes more may be queued; ERR_LIMIT. */
int call_check_size(struct rpc_call *call, size_t n, struct err *err);
/* There is something for nghttp2 to fetch. */
void call_offer_output(struct rpc_call *call);
/* Nothing more comes; server: call->status is the status. */
void call_end_output(struct rpc_call *call);
void call_drop_output(struct rpc_call *call);
void call_reset(struct rpc_call *call, uint32_t error_code);
/* What nghttp2 fetches the call's output with. */
nghttp2_data_provider call_output_provider(struct rpc_call *call);
/* Writes one DATA frame to conn->pull_to: 0, or nghttp2's code for not now or never. */
int call_take_output(struct rpc_call *call, const uint8_t *frame_head, size_t len);
/* Tells the blocked calls that there is room. */
void calls_notify_writable(struct wire_conn *conn);

/* reply.c */
/* The message that rpc_call_add has begun, with its other fields. */
int call_queue_begun(struct rpc_call *call, const ProtobufCMessage *rest, struct err *err);
void call_drop_begun(struct rpc_call *call);

/* serve.c */
void serve_header(struct rpc_call *call, const uint8_t *name, size_t name_len, const uint8_t *value,
                  size_t value_len);
void serve_request(struct rpc_call *call);
/* The request of a client that does not stream is whole. */
void serve_dispatch(struct rpc_call *call);
/* Submits the response headers, alone (the call ends with them) or with data to follow. */
void serve_submit(struct rpc_call *call, bool with_data);
void serve_submit_trailers(struct rpc_call *call);

/* client_stream.c */
void client_header(struct rpc_call *call, const uint8_t *name, size_t name_len,
                   const uint8_t *value, size_t value_len);
void client_headers_end(struct rpc_call *call, bool end_stream);
/* Works out the status when the stream is closed. */
void client_settle_status(struct rpc_call *call, uint32_t error_code);

#endif
