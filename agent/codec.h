/* Messages of the agent protocol to and from the payload of a frame; sans I/O.
 *
 * The outer message is taken apart by hand, so that each inner message is decoded into a struct of
 * its own size and large byte fields stay where they are: a slice points into the frame and lives
 * as long as it. */
#ifndef BANGER_AGENT_CODEC_H
#define BANGER_AGENT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "banger/agent/v1/agent.pb.h"

/* PB(StartSession) is nanopb's struct for that message, PB_TAG(ToAgent, hello) a field's number. */
#define PB(message)            banger_agent_v1_##message
#define PB_TAG(message, field) banger_agent_v1_##message##_##field##_tag

struct slice {
    const uint8_t *data;
    size_t len;
};

/* The one inner message of a ToAgent. */
struct codec_request {
    uint32_t tag; /* PB_TAG(ToAgent, …); 0: nothing that we know */
    struct slice body;
};

/* False where the payload is not a well-formed ToAgent. */
bool codec_open(const uint8_t *payload, size_t len, struct codec_request *out);

/* Decodes body into *message (fields: PB(X_fields)); zeroes it first. */
bool codec_read(struct slice body, const pb_msgdesc_t *fields, void *message);
/* The same for those that have byte fields. */
struct codec_start {
    PB(StartSession) message;
    struct slice argv, env, required_commands, rlimits;
};
bool codec_read_start(struct slice body, struct codec_start *out);
struct codec_stdin {
    PB(Stdin) message;
    struct slice data;
};
bool codec_read_stdin(struct slice body, struct codec_stdin *out);
struct codec_new_agent {
    PB(NewAgent) message;
    struct slice data;
};
bool codec_read_new_agent(struct slice body, struct codec_new_agent *out);

/* Writes a FromAgent (any but data) into out; the length, or 0 where it does not fit. */
size_t codec_write(const PB(FromAgent) * message, uint8_t *out, size_t cap);

/* Writes a FromAgent with data up to and without the payload, which the caller puts behind it.
 * Returns the length, at most CODEC_DATA_HEAD_BYTES. */
enum { CODEC_DATA_HEAD_BYTES = 56 };
size_t codec_write_data_head(uint32_t subscription, int stream, uint64_t offset, int64_t time_ns,
                             size_t data_len, uint8_t out[CODEC_DATA_HEAD_BYTES]);

/* Counts NUL-terminated strings; -1 where the last one is not terminated. */
int codec_count_strings(struct slice s);

#endif
