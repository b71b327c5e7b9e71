/* Messages of the agent protocol, as the daemon writes and reads them; sans I/O.
 *
 * The codec is nanopb's, the same as in the agent: no allocation, every field bounded by
 * agent.options, so that a hostile guest can make a message unreadable and nothing else. The outer
 * message is taken apart by hand, so that output stays where it is in the frame. */
#ifndef BANGER_DAEMON_GUEST_AGENT_CODEC_H
#define BANGER_DAEMON_GUEST_AGENT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger/agent/v1/agent.pb.h"

struct agent_session_status;
struct session_spec;

/* PB(Hello) is nanopb's struct for that message, PB_TAG(ToAgent, hello) a field's number. */
#define PB(message)            banger_agent_v1_##message
#define PB_TAG(message, field) banger_agent_v1_##message##_##field##_tag

/* Output bytes, inside the frame that they came in. */
struct agent_data {
    uint32_t subscription;
    uint32_t stream;          /* as sent: to be checked */
    uint64_t offset, time_ns; /* time_ns 0: not told */
    const uint8_t *data;
    size_t len;
};

/* One FromAgent. */
struct agent_message {
    uint32_t tag; /* PB_TAG(FromAgent, …); 0: a kind that we do not know */
    union {
        PB(HelloReply) hello_reply;
        PB(Synced) synced;
        PB(Configured) configured;
        PB(SessionStatus) session_status;
        PB(StdinAck) stdin_ack;
        PB(Subscribed) subscribed;
        struct agent_data data;
        PB(Gap) gap;
        PB(StreamEnd) stream_end;
        PB(SubscriptionEnd) subscription_end;
        PB(Pong) pong;
        PB(SessionDeleted) session_deleted;
        PB(ShuttingDown) shutting_down;
        PB(NewAgentRefused) new_agent_refused;
    };
};

/* False where the payload is not a well-formed FromAgent. */
bool agent_codec_read(const uint8_t *payload, size_t len, struct agent_message *out);

/* Upper bound of a ToAgent without its large byte fields. */
enum { AGENT_CODEC_MESSAGE_BYTES = 2560 };

/* Writes a ToAgent without large byte fields; the length, or 0 where it does not fit. */
size_t agent_codec_write(const PB(ToAgent) * message, uint8_t *out, size_t cap);
/* StartSession: at most AGENT_CODEC_MESSAGE_BYTES and the session's blobs. */
size_t agent_codec_write_start(const char *id, const struct session_spec *spec, bool tool,
                               int64_t not_after_ns, uint8_t *out, size_t cap);
/* NewAgent: at most AGENT_CODEC_MESSAGE_BYTES and the data. */
size_t agent_codec_write_new_agent(uint32_t size, uint32_t offset, const void *data, size_t len,
                                   uint8_t *out, size_t cap);
/* A Stdin up to and without its bytes, which follow; at most AGENT_CODEC_STDIN_HEAD_BYTES. */
enum { AGENT_CODEC_STDIN_HEAD_BYTES = 80 };
size_t agent_codec_write_stdin_head(const char *session_id, uint64_t offset, uint64_t key,
                                    bool more, size_t data_len,
                                    uint8_t out[AGENT_CODEC_STDIN_HEAD_BYTES]);

/* What a guest says may end in a message to a client, which must be UTF-8: control characters and
 * malformed sequences become '?'. */
void agent_codec_text(char *out, size_t cap, const char *text);
/* False where the status is not one that an agent can send (state, id). */
bool agent_codec_status(const PB(SessionStatus) * from, struct agent_session_status *out);

#endif
