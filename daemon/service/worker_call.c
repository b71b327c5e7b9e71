/* Calls that a worker looks something up for; see worker_call.h. */
#include "daemon/service/worker_call.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/service/service.h"
#include "rpc/event/worker.h"
#include "rpc/wire/call.h"

struct worker_call {
    struct job job;
    struct core *core;
    struct rpc_call *call; /* counted */
    void (*work)(void *data);
    void (*reply)(struct core *core, struct rpc_call *call, void *data);
    alignas(max_align_t) unsigned char data[];
};

static void worker_call_run(struct job *job)
{
    struct worker_call *w = container_of(job, struct worker_call, job);
    w->work(w->data);
}

static void worker_call_free(struct worker_call *w)
{
    rpc_call_unref(w->call);
    free(w);
}

static void worker_call_done(struct job *job)
{
    struct worker_call *w = container_of(job, struct worker_call, job);
    if (!rpc_call_is_over(w->call))
        w->reply(w->core, w->call, w->data);
    worker_call_free(w);
}

void worker_call_start(struct core *core, struct rpc_call *call, const void *question, size_t size,
                       void (*work)(void *data),
                       void (*reply)(struct core *core, struct rpc_call *call, void *data))
{
    struct worker_call *w = calloc(1, sizeof(*w) + size);
    struct err err = ERR_INIT;
    if (!w) {
        service_out_of_memory(call);
        return;
    }
    w->job = (struct job){.run = worker_call_run, .done = worker_call_done};
    w->core = core;
    w->call = rpc_call_ref(call);
    w->work = work;
    w->reply = reply;
    memcpy(w->data, question, size);
    if (workers_submit(core->quick, &w->job, &err) == 0)
        return;
    rpc_call_finish(call, &err);
    worker_call_free(w);
}
