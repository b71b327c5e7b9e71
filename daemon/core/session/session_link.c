/* A VM's agent comes, tells what it knows, goes; see session.h.
 *
 * After every hello the agent names each session it knows. What it does not name is judged when
 * that list is complete: what it was never told to start is started, the rest has been lost with an
 * earlier agent. What was deleted here while the link was down is deleted there; what nobody
 * here knows otherwise was lost with a database, and is listed again (session_recover.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/output_internal.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/store.h"

static void on_link_up(void *arg, struct vm_entry *vm)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_get(core, vm_record(vm)->id);
    if (!v)
        return;
    v->synced = false;
    session_deletions_ask(v);
    list_foreach(pos, &v->sessions)
    {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        session_stdin_rewind(e);
        list_foreach(at, &e->attaches) attach_retry(attach_of_link(at));
        if (!list_empty(&e->attaches))
            session_touch(e);
    }
}

static void on_link_down(void *arg, struct vm_entry *vm)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_find(core, vm_record(vm)->id);
    if (!v)
        return;
    v->synced = false;
    list_foreach(pos, &v->sessions)
        session_tell_anew(container_of(pos, struct session_entry, vm_link));
}

static struct session_entry *find_in(struct core *core, const struct vm_entry *vm, const char *id)
{
    struct session_entry *e = session_find_id(core, id);
    return e && strcmp(e->session.vm_id, vm_record(vm)->id) == 0 ? e : NULL;
}

static void on_status(void *arg, struct vm_entry *vm, const struct agent_session_status *status)
{
    struct core *core = arg;
    if (status->tool)
        return; /* guest_tool_link.c's */
    bool there = status->state != AGENT_SESSION_UNKNOWN;
    struct session_entry *e = find_in(core, vm, status->session_id);
    if (!e && there &&
        session_deletion_named(core->sessions, vm_record(vm)->id, status->session_id))
        return; /* told when it has named all, if not already */
    if (!e)
        e = session_take_unknown(core, vm, status);
    if (!e && there)
        agent_client_delete_session(vm_agent(vm), status->session_id, NULL);
    if (!e)
        return;
    /* Given up and told so to everybody: it must not live on unseen. */
    bool given_up = e->session.state == SESSION_LOST || e->session.state == SESSION_FAILED;
    e->unwanted = given_up && status->state == AGENT_SESSION_RUNNING;
    if (there && !e->named) {
        e->named = true;
        const struct agent_hello *hello = agent_client_hello(vm_agent(vm));
        snprintf(e->boot_id, sizeof(e->boot_id), "%s", hello->boot_id);
        snprintf(e->sent_to, sizeof(e->sent_to), "%s", hello->instance);
        list_foreach(at, &e->attaches) attach_retry(attach_of_link(at));
    }
    if (there)
        session_stdin_take_status(e, status);
    session_take_status(e, status);
    session_tell(e); /* a process that runs now takes signals */
}

/* The agent knows nothing of it. */
static void judge(struct session_entry *e, const struct agent_hello *hello)
{
    if (session_may_be_started(e, hello))
        return;
    if (e->boot_id[0] && strcmp(e->boot_id, hello->boot_id) != 0)
        session_set_lost(e, "vm_lost");
    else
        session_set_lost(e, "agent_lost");
}

/* STOPPING in the store, but who stopped it was an earlier daemon: go on with the default grace. */
static void resume_stop(struct session_entry *e)
{
    if (e->session.state == SESSION_STOPPING && !e->stop_asked && !e->kill_asked)
        session_stop(e, SESSION_STOP_GRACE_MS, NULL);
}

static void on_synced(void *arg, struct vm_entry *vm)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_get(core, vm_record(vm)->id);
    if (!v || !vm_agent(vm))
        return;
    v->synced = true;
    session_deletions_synced(core->sessions, v);
    session_deletions_tell(v, vm_agent(vm));
    list_foreach(pos, &v->sessions)
    {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        if (!list_empty(&e->attaches))
            session_touch(e);
        if (!e->named && (e->left > 0 || e->session.forget))
            session_take_left(e, 0, e->late_bytes);
        if (session_is_live(e) && !e->named)
            judge(e, agent_client_hello(vm_agent(vm)));
        resume_stop(e);
        session_tell(e);
        session_look_watched(e); /* one that runs since before this daemon did */
    }
}

static void on_deleted(void *arg, struct vm_entry *vm, const char *session_id)
{
    struct core *core = arg;
    struct session_entry *e = find_in(core, vm, session_id);
    if (!e) { /* as asked */
        session_deletion_confirmed(core->sessions, vm_record(vm)->id, session_id);
        return;
    }
    session_tell_anew(e);
    if (session_is_live(e))
        session_set_lost(e, "agent_lost");
    session_take_left(e, 0, e->late_bytes);
}

static void on_stdin_ack(void *arg, struct vm_entry *vm, const char *session_id, uint64_t offset,
                         bool closed)
{
    struct core *core = arg;
    struct session_entry *e = find_in(core, vm, session_id);
    if (!e)
        return;
    session_stdin_take_ack(e, offset, closed);
    session_stdin_pump(e);
}

static void on_writable(void *arg, struct vm_entry *vm)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_find(core, vm_record(vm)->id);
    if (!v || !v->synced)
        return;
    session_deletions_tell(v, vm_agent(vm));
    list_foreach(pos, &v->sessions) session_tell(container_of(pos, struct session_entry, vm_link));
}

static void on_shutting_down(void *arg, struct vm_entry *vm)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_find(core, vm_record(vm)->id);
    if (v && v->synced)
        output_save_begin(core, v, vm);
}

static void on_gone(void *arg, struct vm_entry *vm, const char *reason)
{
    struct core *core = arg;
    struct session_vm *v = session_vm_find(core, vm_record(vm)->id);
    if (!v)
        return;
    v->synced = false;
    output_save_end(v);
    list_foreach(pos, &v->sessions)
    {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        session_tell_anew(e);
        list_foreach(at, &e->attaches) attach_forget_agent(attach_of_link(at));
        session_take_left(e, 0, e->late_bytes);
        if (session_is_live(e))
            session_set_lost(e, reason);
        else if (!list_empty(&e->attaches))
            session_touch(e);
    }
    session_write_now(core->sessions); /* no agent would tell this again */
}

/* The rows of a VM's sessions on their way out, with the VM's. */
struct vm_removal {
    struct core *core;
    char vm_id[ID_BYTES];
};

static void remove_all(struct core *core, struct session_vm *v)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_NOT_FOUND, "the session went with its VM %s", v->vm_id);
    err_tag(&why, "SESSION_NOT_FOUND", "vm/%s", v->vm_id);
    for (struct list *pos; (pos = list_first(&v->sessions));) {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        list_foreach(at, &e->attaches) attach_forget_agent(attach_of_link(at));
        session_remove(e, &why);
    }
    session_deletions_drop(core->sessions, v);
    map_take(&core->sessions->vms, v->vm_id);
    output_save_end(v);
    map_done(&v->by_name);
    free(v);
}

static void vm_removal_done(void *arg, const struct err *err)
{
    struct vm_removal *removal = arg;
    struct core *core = removal->core;
    struct session_vm *v = core->sessions ? session_vm_find(core, removal->vm_id) : NULL;
    free(removal);
    if (v && !err) {
        remove_all(core, v);
    } else if (v) {
        v->n_removals--;
        list_foreach(pos, &v->sessions)
        {
            struct session_entry *e = container_of(pos, struct session_entry, vm_link);
            session_stay(e);
        }
    }
}

static void on_removing(void *arg, struct vm_entry *vm, struct store_txn *txn)
{
    struct core *core = arg;
    const char *vm_id = vm_record(vm)->id;
    struct session_vm *v = session_vm_find(core, vm_id);
    struct vm_removal *removal = v ? malloc(sizeof(*removal)) : NULL;
    if (!v)
        return;
    if (!removal) { /* their rows go with the VM's; the entries at the next start */
        log_error(vm_id, "out of memory: sessions of a VM that is removed stay in lists");
        return;
    }
    removal->core = core;
    snprintf(removal->vm_id, sizeof(removal->vm_id), "%s", vm_id);
    session_write_now(core->sessions);
    v->n_removals++;
    list_foreach(pos, &v->sessions)
    {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        store_delete_session(txn, e->session.id);
        e->n_deletions++;
    }
    store_on_commit(txn, vm_removal_done, removal);
}

const struct vm_events session_vm_events = {
    .link_up = on_link_up,
    .session_status = on_status,
    .synced = on_synced,
    .session_deleted = on_deleted,
    .stdin_ack = on_stdin_ack,
    .writable = on_writable,
    .shutting_down = on_shutting_down,
    .link_down = on_link_down,
    .gone = on_gone,
    .removing = on_removing,
};
