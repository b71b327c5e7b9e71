/* See agent_run.h. */
#include "tests/support/agent_run.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"

/* The keeper waits ever longer, up to 2 s, where one after the other ends within 100 ms: so most of
 * them get older than that, and every fourth does not. */
enum { LIVES_MS = 110, YOUNG_EVERY = 4 };

void agent_run_start(struct agent_run *r)
{
    r->keeper = fork();
    if (r->keeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(r->file, r->file, "--listen", r->path, "--spool", r->spool, "--no-system",
              (char *)NULL);
        _exit(127);
    }
}

bool agent_run_in_time(const struct agent_run *r)
{
    if (clock_mono_ms() < r->deadline_ms)
        return true;
    fprintf(stderr, "no agent answers in time: %s\n", r->probe.error);
    exit(EXIT_FAILURE);
}

void agent_run_link(struct agent_run *r)
{
    do {
        probe_done(&r->probe);
        probe_init(&r->probe);
    } while ((probe_connect(&r->probe, r->path) < 0 || probe_hello(&r->probe) < 0) &&
             agent_run_in_time(r));
    struct timespec t = {.tv_nsec = LIVES_MS * 1000000L};
    if (++r->n_links % YOUNG_EVERY != 0)
        nanosleep(&t, NULL);
}

void agent_run_kill(struct agent_run *r)
{
    pid_t agent = agent_below(r->keeper);
    if (agent > 0 && kill(agent, SIGKILL) == 0)
        while (kill(agent, 0) == 0 && agent_run_in_time(r))
            sched_yield();
}

void agent_run_replace(struct agent_run *r)
{
    agent_run_kill(r);
    agent_run_link(r);
}

void agent_run_end(struct agent_run *r)
{
    kill(r->keeper, SIGKILL);
    waitpid(r->keeper, NULL, 0);
    probe_done(&r->probe);
}
