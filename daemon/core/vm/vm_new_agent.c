/* See vm_new_agent.h. */
#include "daemon/core/vm/vm_new_agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/guest/agent_client.h"
#include "rpc/event/worker.h"

enum {
    GOING_MAX = 8,
    OFFERS_MAX = 2,               /* to one guest, by one daemon */
    PART_BYTES = 32 * 1024,       /* of a frame */
    PROGRAM_MAX_BYTES = 16 << 20, /* the agent takes no more */
};

/* Of one VM; it has the job, or is the entry's `new_agent`, or both. */
struct vm_new_agent {
    struct job job;
    struct list link;    /* in `waiting` */
    struct vm_entry *vm; /* referenced; NULL: dropped while its job runs */
    struct core *core;
    bool going, reading;
    char path[PATH_BYTES];
    char *program; /* owned */
    size_t len, at;
    struct err err;
};

void vm_new_agents_init(struct vm_new_agents *all)
{
    list_init(&all->waiting);
}

static void new_agent_free(struct vm_new_agent *n)
{
    free(n->program);
    free(n);
}

static void new_agent_start(struct vm_new_agent *n);

/* Whoever waits is next. */
static void new_agent_leave(struct vm_new_agent *n)
{
    struct vm_new_agents *all = vm_new_agents(n->core);
    list_remove(&n->link);
    if (!n->going)
        return;
    n->going = false;
    all->n_going--;
    struct list *next = list_first(&all->waiting);
    if (next && !n->core->closing)
        new_agent_start(container_of(next, struct vm_new_agent, link));
}

void vm_new_agent_drop(struct vm_entry *e)
{
    struct vm_new_agent *n = e->new_agent;
    if (!n)
        return;
    e->new_agent = NULL;
    n->vm = NULL;
    new_agent_leave(n);
    if (!n->reading)
        new_agent_free(n);
    vm_unref(e);
}

void vm_new_agent_writable(struct vm_entry *e)
{
    struct vm_new_agent *n = e->new_agent;
    if (!n || !n->program)
        return;
    struct err err = ERR_INIT;
    while (n->at < n->len) {
        size_t part = n->len - n->at < PART_BYTES ? n->len - n->at : PART_BYTES;
        if (agent_client_send_new_agent(e->agent, (uint32_t)n->len, (uint32_t)n->at,
                                        n->program + n->at, (uint32_t)part, &err) < 0)
            return; /* writable follows, or the link's end */
        n->at += part;
    }
    log_info(e->vm.id, "its agent, revision %u, is followed by revision %u; sessions go on",
             (unsigned)agent_client_hello(e->agent)->revision, (unsigned)agent_client_revision);
    vm_new_agent_drop(e);
}

static void new_agent_read(struct job *job)
{
    struct vm_new_agent *n = container_of(job, struct vm_new_agent, job);
    fs_read(n->path, PROGRAM_MAX_BYTES, &n->program, &n->len, &n->err);
}

static void new_agent_was_read(struct job *job)
{
    struct vm_new_agent *n = container_of(job, struct vm_new_agent, job);
    n->reading = false;
    if (!n->vm) {
        new_agent_free(n);
        return;
    }
    if (n->program && n->len > 0) {
        vm_new_agent_writable(n->vm);
        return;
    }
    log_err(LOG_LEVEL_WARN, n->vm->vm.id, &n->err, "its agent is not followed by a newer one");
    vm_new_agent_drop(n->vm);
}

static void new_agent_start(struct vm_new_agent *n)
{
    list_remove(&n->link);
    n->going = true;
    vm_new_agents(n->core)->n_going++;
    n->job = (struct job){.run = new_agent_read, .done = new_agent_was_read};
    if (workers_submit(n->core->quick, &n->job, &n->err) == 0) {
        n->reading = true;
        return;
    }
    log_err(LOG_LEVEL_WARN, n->vm->vm.id, &n->err, "its agent is not followed by a newer one");
    vm_new_agent_drop(n->vm);
}

static bool new_agent_is_due(const struct vm_entry *e)
{
    const struct agent_hello *hello = agent_client_hello(e->agent);
    return hello->revision > 0 && hello->revision < agent_client_revision &&
           e->n_new_agents < OFFERS_MAX && !e->new_agent && e->core->config.guest_agent_path[0];
}

void vm_new_agent_offer(struct vm_entry *e)
{
    const struct agent_hello *hello = agent_client_hello(e->agent);
    if (!new_agent_is_due(e))
        return;
    if (hello->given_up > 0) /* told as often as it is offered one: the guest says hello at will */
        log_warn(e->vm.id, "%u new agents could not begin in it: it keeps its own, revision %u",
                 (unsigned)hello->given_up, (unsigned)hello->revision);
    struct vm_new_agent *n = calloc(1, sizeof(*n));
    if (!n)
        return; /* the next daemon has another try */
    e->n_new_agents++;
    n->vm = vm_ref(e);
    n->core = e->core;
    memcpy(n->path, e->core->config.guest_agent_path, sizeof(n->path));
    list_init(&n->link);
    e->new_agent = n;
    struct vm_new_agents *all = vm_new_agents(e->core);
    if (all->n_going < GOING_MAX)
        new_agent_start(n);
    else
        list_add_tail(&all->waiting, &n->link);
}
