/* An agent's program below its keeper, killed as often as a test likes, and a probe that is linked
 * to whichever lives. What is not there by the deadline ends the program. */
#ifndef BANGER_TESTS_AGENT_RUN_H
#define BANGER_TESTS_AGENT_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/agent_probe.h"

struct agent_run {
    const char *file, *path, *spool; /* the program; its socket; its folder. Borrowed */
    pid_t keeper;
    struct probe probe;
    int64_t deadline_ms; /* of all that waits */
    unsigned n_links;
};

/* Runs it; agent_run_link waits until it listens. */
void agent_run_start(struct agent_run *r);
/* True: the deadline has not passed. */
bool agent_run_in_time(const struct agent_run *r);
/* A fresh link, as often as it takes. */
void agent_run_link(struct agent_run *r);
/* The agent is gone when this returns. */
void agent_run_kill(struct agent_run *r);
/* Until another one answers. */
void agent_run_replace(struct agent_run *r);
/* Keeper and all. */
void agent_run_end(struct agent_run *r);

#endif
