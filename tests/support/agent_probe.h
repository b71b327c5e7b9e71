/* A synchronous client of the agent protocol for tests and measurements. It speaks to the agent
 * over a Unix socket, with protobuf-c, so it shares no code with the agent but the frames.
 *
 * Every wait has the probe's deadline; on any failure the text is in `error` and the call returns
 * -1 or NULL. */
#ifndef BANGER_TESTS_AGENT_PROBE_H
#define BANGER_TESTS_AGENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger/agent/v1/agent.pb-c.h"
#include "base/buf.h"

#define PB(message)     Banger__Agent__V1__##message
#define FROM_KIND(kind) BANGER__AGENT__V1__FROM_AGENT__KIND_##kind
#define TO_KIND(kind)   BANGER__AGENT__V1__TO_AGENT__KIND_##kind

enum { PROBE_CREDIT_BYTES = 1024 * 1024 };

struct probe {
    int fd;
    int timeout_ms; /* of every wait */
    struct buf in;
    uint32_t next_in, next_out;
    uint32_t n_subscriptions;
    char boot_id[40], instance[40], boot_error[256];
    uint32_t max_sessions;
    uint32_t credit_step;  /* of probe_collect; 0: much */
    unsigned n_gaps;       /* that probe_collect has seen */
    unsigned n_left_out;   /* of these, with bytes that are kept */
    unsigned n_wrong_gaps; /* of these, over what is kept */
    uint32_t n_synced;     /* sessions told after the hello */
    char error[256];
};

void probe_init(struct probe *p);
void probe_done(struct probe *p);

/* Connects until path listens, at most the timeout. */
int probe_connect(struct probe *p, const char *path);
/* Takes a connected socket. */
void probe_use_fd(struct probe *p, int fd);
/* Preamble and hello, until Synced. */
int probe_hello(struct probe *p);

int probe_send(struct probe *p, const PB(ToAgent) * message);
/* Raw bytes, for what no well-behaved daemon sends. */
int probe_send_bytes(struct probe *p, const void *data, size_t len);
/* The next message; free with probe_free. */
PB(FromAgent) * probe_next(struct probe *p);
/* The next message of this kind; others are dropped. */
PB(FromAgent) * probe_next_of(struct probe *p, int kind);
void probe_free(PB(FromAgent) * message);

/* argv ends with NULL. */
int probe_start(struct probe *p, const char *id, const char *const *argv, bool with_stdin);
int probe_start_message(struct probe *p, PB(StartSession) * start, const char *const *argv);
/* Both streams from offset 0, following; the subscription's number. */
uint32_t probe_subscribe(struct probe *p, const char *id, uint32_t credit_bytes);
/* The same, as one that the session waits for. */
uint32_t probe_subscribe_holding(struct probe *p, const char *id, uint32_t credit_bytes);
int probe_unsubscribe(struct probe *p, uint32_t subscription, bool release);
int probe_add_credit(struct probe *p, uint32_t subscription, uint32_t bytes);
int probe_stdin(struct probe *p, const char *id, uint64_t offset, const void *data, size_t len);
int probe_stdin_eof(struct probe *p, const char *id, uint64_t offset);
int probe_signal(struct probe *p, const char *id, int signo, int target);
/* Sends it and waits for the answer. */
int probe_delete(struct probe *p, const char *id);
/* The next status of the session in this state (or FAILED, which is an error unless asked for). */
PB(FromAgent) * probe_wait_state(struct probe *p, const char *id, int state);

/* What a session has written, and how it ended. */
struct probe_result {
    struct buf out, err;
    uint64_t n_out, n_err; /* counted also where nothing is kept */
    int state, exit_code, signo;
    char failed_stage[32];
    int failed_errno;
    bool gap;
    char gap_reason[32];
    char cut[20]; /* of stdout's end */
    uint32_t left;
    uint64_t late_bytes;
};

/* Starts, feeds stdin (may be NULL), reads all to the SubscriptionEnd and the final status. keep:
 * collect the output, at most 16 MiB of each. The result's buffers are freed with
 * probe_result_done. */
int probe_run(struct probe *p, const char *id, const char *const *argv, const void *in, size_t n_in,
              bool keep, struct probe_result *result);
/* The second half: reads a subscription to its end and the session's last status. */
int probe_collect(struct probe *p, const char *id, uint32_t subscription, bool keep,
                  struct probe_result *result);
void probe_result_done(struct probe_result *result);

#endif
