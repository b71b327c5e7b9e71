/* See memory.h. malloc_trim walks the free parts of the heap, which takes milliseconds in a large
 * one: a worker does that. */
#include "daemon/core/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/core/core.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct memory {
    struct core *core;
    struct timer quiet;
    struct job job;
    bool trimming;
};

static void memory_trim(struct job *job)
{
    (void)job;
    malloc_trim(0);
}

static void memory_trimmed(struct job *job)
{
    container_of(job, struct memory, job)->trimming = false;
}

static void memory_is_quiet(void *arg)
{
    struct memory *m = arg;
    /* A full queue is no quiet; what fills it comes here again. */
    if (!m->trimming)
        m->trimming = workers_submit(m->core->quick, &m->job, NULL) == 0;
}

struct memory *memory_new(struct core *core)
{
    struct memory *m = calloc(1, sizeof(*m));
    if (!m || timer_init(&m->quiet, core->loop, memory_is_quiet, m) < 0) {
        free(m);
        return NULL;
    }
    m->core = core;
    list_init(&m->job.link);
    m->job.run = memory_trim;
    m->job.done = memory_trimmed;
    return m;
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    timer_done(&m->quiet);
    free(m);
}

void memory_let_go(struct core *core)
{
    if (core->memory && core->quick)
        timer_start(&core->memory->quiet, MEMORY_QUIET_MS);
}
