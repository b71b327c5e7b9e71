/* An attach that checks what it is told: contiguous, exactly one last word, behind both ends; and,
 * where the session prints the world's source file, every byte. */
#ifndef BANGER_TESTS_VIEWER_H
#define BANGER_TESTS_VIEWER_H

#include "daemon/core/session/attach.h"
#include "tests/integration/session/world.h"

struct viewer {
    struct attach *attach;
    struct session_entry *session;
    bool stalled;    /* grants nothing */
    bool not_source; /* content is not compared */
    uint64_t next[2], got[2], gaps[2], total[2];
    uint64_t oldest[2]; /* as the latest gap said */
    struct attach_opened opened;
    unsigned n_opened, n_ends, n_exit, n_lost, n_caught_up, n_failed, n_writer_changed, n_gaps;
    unsigned n_acks;
    bool wrong; /* order, content or contiguity */
    bool is_writer, stdin_closed;
    uint64_t acked, foreign;
    char reason[32], gap_reason[32], text[4096];
    struct err error;
    void (*more)(struct viewer *v); /* stdin may go on */
};

extern const struct attach_options from_start; /* viewer, both streams from 0 */

int viewer_open(struct viewer *v, struct session_entry *e, const struct attach_options *options);
/* The stalled one goes on. */
void viewer_resume(struct viewer *v);
void viewer_close(struct viewer *v);
bool viewer_is_over(void *v);
bool viewer_is_opened(void *v);
/* Runs until the last word and checks that it was exit with exact totals. */
bool viewer_finish_exit(struct viewer *v);

#endif
