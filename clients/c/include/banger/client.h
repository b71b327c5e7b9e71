/* libbanger: the C client library of banger.
 *
 *   struct banger_error error;
 *   struct banger_client *client = banger_connect_local(NULL, &error);
 *   Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
 *   request.vm = "box";
 *   Banger__V1__VM *vm = banger_get_vm(client, &request, NULL, &error);
 *   puts(vm ? vm->id : error.message);
 *   banger_message_free(vm ? &vm->base : NULL);
 *   banger_close(client);
 *
 * Every unary method of the contract has such a function (banger/methods.h). Methods that stream
 * are a struct banger_stream (below); guest sessions are followed with banger/attach.h.
 *
 * Threads: a client and what was opened on it belong to one thread at a time; different clients are
 * independent. The library has no globals, touches no signals and never aborts. The only thread
 * that it starts looks up a host's name, while that lasts; no signal is taken on it.
 *
 * Errors: functions that can fail take a struct banger_error *, which may be NULL, and fill it in
 * only when they fail. Strings and messages given are borrowed for the call.
 *
 * Programs go on working with later versions of libbanger.so.0: what is told to a client, a call or
 * an attach is told by functions, of which there may be more; structs that programs make
 * (banger_error, banger_frame, …) have room for what is to come, and keep their size. The messages
 * of banger/messages.h are the exception; docs/libbanger.md, "What stays", has the whole of it. */
#ifndef BANGER_CLIENT_CLIENT_H
#define BANGER_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "banger/call.h"
#include "banger/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_client;
struct banger_stream;

/* target: "unix:/path/of/socket", just an absolute path, or "tls:HOST:PORT" (TLS 1.3, certificates
 * on both sides: banger_set_credential_files). Opens no connection: the first call does, and after
 * a loss the next one does again. Each phase has 10 s: looking up HOST, connecting, the TLS
 * handshake, the server's greeting. Of HOST's addresses each next one is tried a quarter of a
 * second after the one before, or once that refuses; the first that answers is taken. A server that
 * does not take the certificate is UNAUTHENTICATED, as is one whose certificate is not that of HOST
 * by the CA.
 *
 * Only what says so waits. NULL with error on failure. */
struct banger_client *banger_connect(const char *target, struct banger_error *error);
/* Cuts the connection and frees. Streams and attaches that are still open end with CANCELLED; they
 * are closed as always, before or after, and the last of them frees what they shared. NULL is fine.
 */
void banger_close(struct banger_client *client);
/* As given to banger_connect. */
const char *banger_target(const struct banger_client *client);

/* ---- What a client is told; at any time, for what begins from then on ---- */

/* How long an idempotent call is tried again after its connection was lost; at first 10000; <= 0:
 * never. */
void banger_set_retry_ms(struct banger_client *client, int64_t ms);
/* How long a call waits for a server that cannot be reached; 0, as at first: fails at once if there
 * never was a connection, else as banger_set_retry_ms; < 0: fails at once. The call's own timeout
 * holds meanwhile. */
void banger_set_wait_for_ready_ms(struct banger_client *client, int64_t ms);
/* The timeout of unary calls that are told none; 0, as at first: the method's default; < 0: none.
 */
void banger_set_timeout_ms(struct banger_client *client, int64_t ms);
/* How often streams on which nothing is said say that they live, both ways, so that proxies between
 * do not cut them; at first 20000, at least 1000; <= 0: never. */
void banger_set_alive_ms(struct banger_client *client, int64_t ms);

/* What every call sends that has not the same key itself (banger/metadata.h); to be filled. */
struct banger_metadata *banger_client_metadata(struct banger_client *client);

/* For tls: targets, PEM files: whom to trust as the server's CA, and what to show it; the latter
 * two may be NULL. Checked at once, and read anew for each connection, so that renewed ones count:
 * one file for both is renewed in one step.
 * -1: what was set before still counts. */
int banger_set_credential_files(struct banger_client *client, const char *ca_file,
                                const char *certificate_file, const char *key_file,
                                struct banger_error *error);
/* The same as PEM texts, which are copied; the one that was called last counts. */
int banger_set_credentials(struct banger_client *client, const char *ca_pem,
                           const char *certificate_pem, const char *key_pem,
                           struct banger_error *error);
/* The name that the server's certificate has to have, where the target says another way to it, such
 * as an address or a relay. NULL: the target's HOST again. */
int banger_set_server_name(struct banger_client *client, const char *name,
                           struct banger_error *error);

/* What becomes of connections, a line each, for a program's log: made, lost, could not be made.
 * Called from inside this library's functions, in which no other may be called. NULL: none. */
typedef void banger_log_fn(void *arg, const char *line);
void banger_set_log(struct banger_client *client, banger_log_fn *fn, void *arg);

/* While fd is readable every function that waits returns with CANCELLED, reason INTERRUPTED: meant
 * for a signalfd or a pipe. The fd is borrowed and never read; < 0: none. */
void banger_set_interrupt_fd(struct banger_client *client, int fd);

/* ---- Calls ----
 *
 * A call is begun once a connection stands and the server has greeted. When it fails after that:
 *   - a call that the server did not begin with (it was going away, or refused the stream) is begun
 *     anew on another connection, whatever the method, once; callers notice nothing;
 *   - UNAVAILABLE, a lost connection and a stream that a proxy cut included, is tried again with
 * growing pauses where the contract calls the method idempotent (unary calls only);
 *   - anything else is the caller's to decide.
 * All of that happens within the call's timeout. A server that drains keeps the calls it has; new
 * ones go to a new connection beside it. */

/* Calls a unary method by its path ("/banger.v1.VMService/GetVM") and waits for the answer. The
 * typed functions of banger/methods.h are made of this. call may be NULL. Returns the response, to
 * be freed with banger_message_free, or NULL. */
ProtobufCMessage *banger_invoke(struct banger_client *client, const char *method,
                                const ProtobufCMessage *request, struct banger_call *call,
                                struct banger_error *error);

/* Frees a message that came from this library (never protobuf-c's …__free_unpacked). NULL is fine.
 */
void banger_message_free(ProtobufCMessage *message);

/* ---- Streams: any method, one message at a time ---- */

enum banger_next {
    BANGER_NEXT_ERROR = -1,  /* the call failed; error says how */
    BANGER_NEXT_NOTHING = 0, /* nothing within timeout_ms */
    BANGER_NEXT_MESSAGE = 1, /* *message is set; the caller's to free */
    BANGER_NEXT_END = 2      /* the call ended well */
};

/* Starts a call; never waits. A server that cannot be reached is an error of the first next, as is
 * any other. request is NULL for methods whose client streams. call may be NULL, and is not needed
 * any more afterwards. Not tried again after a loss. */
struct banger_stream *banger_stream_open(struct banger_client *client, const char *method,
                                         const ProtobufCMessage *request, struct banger_call *call,
                                         struct banger_error *error);
/* Next message. timeout_ms < 0 waits without end, 0 does no I/O at all: it only looks at what
 * banger_process has brought. A stream that is not read stops its sender (flow control). */
enum banger_next banger_stream_next(struct banger_stream *stream, int64_t timeout_ms,
                                    ProtobufCMessage **message, struct banger_error *error);
/* What came beside its messages; gone with the stream. Headers are there with the first
 * message, or earlier, trailers once the stream has ended, by an error too (see
 * banger_call_trailers). NULL: not there yet, or no memory. */
const struct banger_metadata *banger_stream_headers(struct banger_stream *stream);
const struct banger_metadata *banger_stream_trailers(struct banger_stream *stream);
/* Sends a message; it is queued, while there is no connection too. -1 when the call is over or the
 * queue is full. */
int banger_stream_send(struct banger_stream *stream, const ProtobufCMessage *message,
                       struct banger_error *error);
/* False while the queue of messages to send is long. */
bool banger_stream_writable(struct banger_stream *stream);
/* No more messages from us. */
void banger_stream_half_close(struct banger_stream *stream);
/* Cancels the call unless it is over, and frees. NULL is fine. */
void banger_stream_close(struct banger_stream *stream);

/* ---- In your own event loop ----
 *
 * One fd, the same for the client's whole life, becomes readable whenever there is something to do
 * or to take, a deadline included. So all that a loop needs is: when it is readable,
 * banger_process, then take what came: banger_stream_next(…, 0, …) until NOTHING or the end,
 * banger_attach_next(…, 0, …) until 0 or the last frame.
 *
 *   struct pollfd p = {.fd = banger_fd(client), .events = POLLIN};
 *   while (poll(&p, 1, -1) >= 0) {
 *       banger_process(client, NULL);
 *       while (banger_attach_next(attach, 0, &frame, &error) == 1)
 *           show(&frame);
 *   }
 *
 * docs/libbanger.md has whole programs, for poll and for libevent. */

/* For POLLIN alone. Never to be read, nor closed. */
int banger_fd(struct banger_client *client);
/* POLLIN. */
short banger_wanted_events(const struct banger_client *client);
/* Milliseconds until banger_process must be called whatever the fd says, or -1. For loops that like
 * to know; the fd becomes readable then. */
int banger_next_timeout(const struct banger_client *client);
/* Does what is to be done, without waiting. -1: a connection was lost, or could not be made; its
 * calls show what that means for them, new ones make a new connection. */
int banger_process(struct banger_client *client, struct banger_error *error);

/* "0.1.0"; of a build from a checkout what git describe says, "0.1.0-3-gabcdef0" */
const char *banger_version(void);

#ifdef __cplusplus
}
#endif

#endif
