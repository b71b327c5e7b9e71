/* Start, stop, kill, signal, delete; see session.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/session/output_internal.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/store.h"

enum { TARGET_ALL = 3 };

/* Start */

static void on_stored(void *arg, const struct err *err)
{
    struct session_entry *e = arg;
    if (err && !e->removed) {
        session_request_forget(e->core, e);
        session_remove(e, err);
    } else if (!e->removed) {
        session_tell(e);
        session_write_again(e);
    }
    session_unref(e);
}

/* An agent of before would not see it. */
static bool asks_for_more(const struct session_spec *s)
{
    return s->merge_stderr || s->rlimits.len > 0 || s->nice || s->oom_score_adj ||
           s->output_policy == OUTPUT_BLOCK || s->output_policy == OUTPUT_UNTIL_ACKNOWLEDGED ||
           s->drain_policy == DRAIN_UNTIL_CLOSED;
}

static int check_start(const struct vm_entry *vm, const struct session_vm *of,
                       const struct session *wanted, struct err *err)
{
    const struct session_spec *spec = &wanted->spec;
    if (session_check_vm_awake(vm, err) < 0)
        return -1;
    if (vm_record(vm)->runtime.state != VM_RUNNING || !vm_agent(vm)) {
        err_set(err, ERR_PRECONDITION, "VM %s is %s; start it first", vm_record(vm)->name,
                vm_state_name(vm_record(vm)->runtime.state));
        return err_tag(err, "VM_NOT_RUNNING", "vm/%s", vm_record(vm)->id);
    }
    if (spec->argv.len == 0 || spec->argv.data[spec->argv.len - 1] != '\0')
        return err_set(err, ERR_INVALID, "argv is empty; give a command");
    if (spec->argv.len > SESSION_ARGV_BYTES || spec->env.len > SESSION_ENV_BYTES ||
        spec->tags.len > SESSION_TAGS_BYTES ||
        spec->required_commands.len > SESSION_COMMANDS_BYTES ||
        spec->rlimits.len > SESSION_RLIMITS_BYTES)
        return err_set(err, ERR_INVALID, "arguments, environment, tags or commands are too large");
    if (wanted->name[0] && !name_is_valid(wanted->name))
        return err_set(err, ERR_INVALID, "\"%s\" is no name: 1-63 of a-z 0-9 -", wanted->name);
    if (wanted->name[0] && map_find(&of->by_name, wanted->name)) {
        err_set(err, ERR_EXISTS, "VM %s has a session named %s; delete it or choose another name",
                vm_record(vm)->name, wanted->name);
        return err_tag(err, "SESSION_NAME_TAKEN", "session/%s", wanted->name);
    }
    if (asks_for_more(spec) && agent_client_hello(vm_agent(vm))->session_revision == 0) {
        err_set(err, ERR_PRECONDITION,
                "the agent in VM %s is older than this daemon and would not do all that is asked "
                "for; restart the VM",
                vm_record(vm)->name);
        return err_tag(err, "AGENT_TOO_OLD", "vm/%s", vm_record(vm)->id);
    }
    uint32_t max_live = agent_client_hello(vm_agent(vm))->max_sessions;
    if (max_live > 0 && of->n_live >= max_live) {
        err_set(err, ERR_LIMIT, "VM %s runs %u sessions, as many as it may", vm_record(vm)->name,
                (unsigned)of->n_live);
        return err_tag(err, "SESSION_LIMIT", "vm/%s", vm_record(vm)->id);
    }
    if (of->n >= SESSIONS_PER_VM_MAX) {
        err_set(err, ERR_LIMIT, "VM %s has %u sessions; delete some that have ended",
                vm_record(vm)->name, (unsigned)of->n);
        return err_tag(err, "SESSION_LIMIT", "vm/%s", vm_record(vm)->id);
    }
    return 0;
}

/* From wanted only what a user asks for; the rest is new. */
static int make_record(struct session *out, const struct session *wanted, const struct vm_entry *vm)
{
    struct session fresh = {.spec = wanted->spec};
    id_make(fresh.id);
    snprintf(fresh.vm_id, sizeof(fresh.vm_id), "%s", vm_record(vm)->id);
    memcpy(fresh.name, wanted->name, sizeof(fresh.name));
    memcpy(fresh.service_id, wanted->service_id, sizeof(fresh.service_id));
    memcpy(fresh.hook, wanted->hook, sizeof(fresh.hook));
    fresh.state = SESSION_PENDING;
    fresh.writer_generation = 1; /* so that the first writer need not wait for the disk */
    fresh.created_ns = fresh.updated_ns = clock_real_ns();
    fresh.stdin_closed = fresh.spec.stdin_mode == SESSION_STDIN_NONE;
    return session_copy(out, &fresh);
}

/* The record is proposed, and nothing else with it. Nobody sees it, and the agent does not hear of
 * it, before it is on disk. */
static int propose_start(struct session_entry *e, const struct request_meta *meta, struct err *err)
{
    struct core *core = e->core;
    struct store_txn *txn = store_txn_new();
    if (session_request_add(core, meta, e, txn, err) < 0 || session_put(e, txn, err) < 0) {
        session_request_forget(core, e);
        store_txn_free(txn);
        session_remove(e, err);
        return -1;
    }
    session_emit(e, txn, e->session.state);
    store_propose(core->store, txn, on_stored, session_ref(e));
    return 0;
}

static struct session_entry *add_new(struct core *core, const struct vm_entry *vm,
                                     struct session_vm *of, const struct session *wanted,
                                     struct err *err)
{
    struct session record = {0};
    struct session_entry *e = NULL;
    if (make_record(&record, wanted, vm) == 0)
        e = session_add(core, &record, of);
    session_done(&record);
    if (!e)
        err_sys(err, ENOMEM, "session");
    else
        e->in.known = true;
    return e;
}

/* Proposed when all that can be refused has been asked for: what is proposed will run. */
static struct session_entry *begin_start(struct core *core, const struct vm_entry *vm,
                                         struct session_vm *of, const struct session *wanted,
                                         const struct request_meta *meta, int64_t deadline_ms,
                                         struct err *err)
{
    struct session_entry *e = NULL;
    session_make_room(of);
    if (check_start(vm, of, wanted, err) == 0)
        e = add_new(core, vm, of, wanted, err);
    if (e && session_expect_start(e, deadline_ms, err) < 0) {
        session_remove(e, err);
        e = NULL;
    }
    return e && propose_start(e, meta, err) == 0 ? e : NULL;
}

int session_start(struct core *core, struct vm_entry *vm, const struct session *wanted,
                  const struct request_meta *meta, int64_t deadline_ms,
                  void (*started)(void *arg, struct session_entry *e, const struct err *err),
                  void *arg, struct session_starter **out, struct err *err)
{
    struct session_entry *e;
    if (session_request_find(core, meta, &e, err) < 0)
        return -1;
    struct session_vm *of = session_vm_get(core, vm_record(vm)->id);
    struct session_starter *starter = calloc(1, sizeof(*starter));
    if (!of || !starter) {
        err_sys(err, ENOMEM, "session");
        goto fail;
    }
    if (!e) {
        e = begin_start(core, vm, of, wanted, meta, deadline_ms, err);
        if (!e)
            goto fail;
    } else if (session_expect_start(e, deadline_ms, err) < 0) {
        goto fail;
    }
    starter->session = e;
    starter->started = started;
    starter->arg = arg;
    list_init(&starter->link);
    list_add_tail(&e->starters, &starter->link);
    if (out)
        *out = starter;
    session_touch(e);
    return 0;
fail:
    free(starter);
    return -1;
}

/* Stop and kill */

static void on_grace(void *arg)
{
    struct session_entry *e = arg;
    e->kill_asked = true;
    session_tell(e);
}

/* True when that is all: the session has not been started, and now never will be. */
static bool end_unstarted(struct session_entry *e)
{
    if (e->session.state != SESSION_PENDING || e->sent_to[0] || e->named)
        return false;
    session_set_failed(e, "start", "stopped before it was started");
    return true;
}

static void set_stopping(struct session_entry *e)
{
    if (e->session.state != SESSION_STOPPING)
        session_set_state(e, SESSION_STOPPING);
}

int session_stop(struct session_entry *e, uint32_t grace_ms, struct err *err)
{
    if (!session_is_live(e) || end_unstarted(e))
        return 0;
    if (session_check_awake(e, err) < 0)
        return -1;
    if (e->kill_asked)
        return 0;
    if (!e->grace.event && timer_init(&e->grace, e->core->loop, on_grace, e) < 0)
        return err_sys(err, ENOMEM, "stopping a session");
    e->stop_asked = true;
    e->told.stop = false;
    timer_start(&e->grace, grace_ms);
    set_stopping(e);
    session_tell(e);
    return 0;
}

int session_kill(struct session_entry *e, struct err *err)
{
    bool nothing = !session_is_live(e) && e->left == 0;
    if (nothing || end_unstarted(e))
        return 0;
    if (session_check_awake(e, err) < 0)
        return -1;
    e->kill_asked = true;
    e->told.kill = false;
    if (session_is_live(e))
        set_stopping(e);
    session_tell(e);
    return 0;
}

int session_signal(struct session_entry *e, int signo, int target, struct err *err)
{
    if (signo < 1 || signo > 64 || target < 1 || target > TARGET_ALL)
        return err_set(err, ERR_INVALID, "signal %d to target %d: signals are 1-64", signo, target);
    if (!session_is_live(e)) {
        err_set(err, ERR_PRECONDITION, "session %s has ended", e->session.id);
        return err_tag(err, "SESSION_ENDED", "session/%s", e->session.id);
    }
    if (session_check_awake(e, err) < 0)
        return -1;
    struct agent_client *agent = session_agent(e);
    if (!agent)
        return err_set(err, ERR_UNAVAILABLE, "the guest's agent is not connected");
    return agent_client_signal(agent, e->session.id, signo, target, err);
}

/* Delete */

struct deletion {
    struct session_entry *session; /* referenced */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

/* The agent kills what lives. Not reached now: it names the session when it is, and that it
 * was deleted is remembered (session_deletion.c). */
static void forget(struct session_entry *e)
{
    struct agent_client *agent = session_agent(e);
    struct err why = ERR_INIT;
    bool told = agent && agent_client_delete_session(agent, e->session.id, NULL) == 0;
    session_deletion_add(e->core->sessions, e->session.vm_id, e->session.id, told);
    if (!e->named) /* else its agent has it */
        output_forget(e);
    if (e->silent) {
        err_set(&why, ERR_DEADLINE, "the guest does not answer; %s",
                e->sent_to[0] ? "what it may have started is ended as soon as it does"
                              : "nothing has been started, and nothing will be");
        err_tag(&why, "GUEST_SILENT", "vm/%s", e->session.vm_id);
    } else {
        err_set(&why, ERR_NOT_FOUND, "session %s was deleted", e->session.id);
        err_tag(&why, "SESSION_NOT_FOUND", "session/%s", e->session.id);
    }
    session_remove(e, &why);
}

void session_stay(struct session_entry *e)
{
    e->n_deletions--;
    if (session_is_going(e))
        return;
    e->withdrawn = e->silent = false;
    session_tell(e);
    session_await_claim(e);
    session_write_again(e);
    session_touch(e); /* starters have waited for this */
}

static void on_deleted(void *arg, const struct err *err)
{
    struct deletion *d = arg;
    struct session_entry *e = d->session;
    if (err)
        session_stay(e);
    else if (!e->removed)
        forget(e);
    if (d->done)
        d->done(d->arg, err);
    session_unref(e);
    free(d);
}

int session_delete(struct session_entry *e, bool force,
                   void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    if (e->removed) {
        err_set(err, ERR_NOT_FOUND, "session %s has been deleted", e->session.id);
        return err_tag(err, "SESSION_NOT_FOUND", "session/%s", e->session.id);
    }
    if (session_is_live(e) && !force) {
        err_set(err, ERR_PRECONDITION, "session %s is %s; stop it first, or force", e->session.id,
                session_state_name(e->session.state));
        return err_tag(err, "SESSION_RUNNING", "session/%s", e->session.id);
    }
    if (e->left > 0 && !force)
        return session_forget_later(e, done, arg, err);
    return session_delete_row(e, false, done, arg, err);
}

int session_delete_row(struct session_entry *e, bool wait,
                       void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    struct deletion *d = calloc(1, sizeof(*d));
    if (!d)
        return err_sys(err, ENOMEM, "deleting a session");
    *d = (struct deletion){session_ref(e), done, arg};
    struct store_txn *txn = store_txn_new();
    char resource[96];
    snprintf(resource, sizeof(resource), "session/%s", e->session.id);
    store_delete_session(txn, e->session.id);
    session_deletion_put(e, txn);
    event_emit(e->core, txn, "session.deleted", resource, e->session.vm_id, "", NULL);
    e->n_deletions++;
    if (wait)
        store_commit(e->core->store, txn, on_deleted, d);
    else
        store_propose(e->core->store, txn, on_deleted, d);
    return 0;
}
