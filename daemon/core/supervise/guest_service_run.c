/* What a service is to do, and what the end of a run means; see guest_service.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/guest_service_internal.h"
#include "daemon/store/store.h"

enum { TRY_AGAIN_MS = 1000, DOUBLINGS_MAX = 20 };

/* Its run */

static bool is_live(const struct guest_service_entry *e)
{
    if (!e->run || session_is_removed(e->run))
        return false;
    const struct session *shown = session_shown(e->run);
    return !shown || !session_is_terminal(shown->state);
}

static void run_changed(void *arg, struct session_entry *run)
{
    (void)run;
    guest_service_look_soon(arg);
}

void guest_service_set_run(struct guest_service_entry *e, struct session_entry *run)
{
    if (run)
        session_ref(run);
    session_unwatch(&e->watch);
    session_unref(e->run);
    e->run = run;
    if (run)
        session_watch(run, &e->watch, run_changed, e);
}

const char *guest_service_run(const struct guest_service_entry *e)
{
    return e->run && !session_is_removed(e->run) ? session_record(e->run)->id : "";
}

/* The store */

struct course_version {
    struct guest_service_entry *e; /* referenced */
    struct guest_service_course course;
};

static void on_written(void *arg, const struct err *err)
{
    struct course_version *v = arg;
    if (!err)
        v->e->on_disk.course = v->course;
    else
        log_err(LOG_LEVEL_ERROR, v->e->row.id, err, "cannot write how the service does");
    guest_service_unref(v->e);
    free(v);
}

void guest_service_save(struct guest_service_entry *e, const char *kind, const char *detail)
{
    struct core *core = e->of->core;
    struct course_version *v = e->going || e->removed ? NULL : malloc(sizeof(*v));
    char resource[96];
    if (e->going || e->removed)
        return;
    if (!v) {
        log_error(e->row.id, "out of memory: how the service does is not written");
        return;
    }
    e->row.updated_ns = clock_real_ns();
    e->refs++;
    *v = (struct course_version){e, e->row.course};
    struct store_txn *txn = store_txn_new();
    struct guest_service row = e->row;                   /* its blobs are borrowed */
    row.wanted = e->asked ? e->wanted_next : row.wanted; /* what it comes behind says so */
    if (e->next) {
        row.spec = e->next->spec;
        row.policy = e->next->policy;
    }
    store_put_guest_service(txn, &row);
    snprintf(resource, sizeof(resource), "service/%s", e->row.id);
    if (kind)
        event_emit(core, txn, kind, resource, e->row.vm_id, detail, NULL);
    store_commit(core->store, txn, on_written, v);
}

/* A run's end */

static uint64_t backoff_ms(const struct guest_service_entry *e)
{
    const struct guest_service_policy *p = &e->row.policy;
    uint32_t n = e->row.course.restarts; /* at least 1 */
    uint64_t wait_ms = p->backoff_first_ms;
    for (uint32_t i = 1; i < n && i < DOUBLINGS_MAX && wait_ms < p->backoff_max_ms; i++)
        wait_ms *= 2;
    return wait_ms < p->backoff_max_ms ? wait_ms : p->backoff_max_ms;
}

/* It went with its VM: no fault of its own. */
static bool went_with_its_vm(const struct session *s)
{
    return s->state == SESSION_LOST && strcmp(s->lost_reason, "agent_lost") != 0;
}

static void describe(const struct session *s, char out[TEXT_BYTES])
{
    if (s->state != SESSION_EXITED)
        snprintf(out, TEXT_BYTES, "%s", s->last_error);
    else if (s->exit_kind == SESSION_EXIT_CODE)
        snprintf(out, TEXT_BYTES, "it exited with %d", s->exit_code);
    else if (s->exit_kind == SESSION_EXIT_OOM)
        snprintf(out, TEXT_BYTES, "it was killed for memory");
    else
        snprintf(out, TEXT_BYTES, "signal %d ended it", s->exit_signo);
}

static void settle(struct guest_service_entry *e, bool failed)
{
    struct guest_service_course *c = &e->row.course;
    const struct vm_entry *vm = vm_find_id(e->of->core, e->row.vm_id);
    snprintf(c->settled_boot, sizeof(c->settled_boot), "%s", vm ? vm_record(vm)->boot_id : "");
    c->failed = failed;
    guest_service_save(e, failed ? "service.failed" : "service.done", c->last_error);
}

static void start_later(struct guest_service_entry *e)
{
    struct guest_service_course *c = &e->row.course;
    char detail[TEXT_BYTES];
    c->restarts++;
    snprintf(detail, sizeof(detail), "restart %u, in %llu ms: %.400s", c->restarts,
             (unsigned long long)backoff_ms(e), c->last_error);
    guest_service_save(e, "service.restarting", detail);
}

/* Once for each run. */
static void judge(struct guest_service_entry *e, const struct session *s)
{
    struct guest_service_course *c = &e->row.course;
    const struct guest_service_policy *p = &e->row.policy;
    if (strcmp(c->judged, s->id) == 0)
        return;
    snprintf(c->judged, sizeof(c->judged), "%s", s->id);
    if (went_with_its_vm(s) || !e->row.wanted) {
        guest_service_save(e, NULL, NULL);
        return;
    }
    bool good =
        s->state == SESSION_EXITED && s->exit_kind == SESSION_EXIT_CODE && s->exit_code == 0;
    bool again = p->restart == RESTART_ALWAYS || (p->restart == RESTART_ON_FAILURE && !good);
    if (s->started_ns > 0 && s->ended_ns - s->started_ns >= (int64_t)p->healthy_ms * 1000000)
        c->restarts = 0;
    describe(s, c->last_error);
    if (!again || (p->restarts_max > 0 && c->restarts >= p->restarts_max))
        settle(e, !good);
    else
        start_later(e);
}

/* Monotonic in what is on disk: the same with the next daemon. 0: at once. */
static int64_t wait_left_ms(const struct guest_service_entry *e)
{
    const struct session *s = e->run && !session_is_removed(e->run) ? session_shown(e->run) : NULL;
    if (!s || went_with_its_vm(s) || e->row.course.restarts == 0)
        return 0;
    int64_t since_ms = (clock_real_ns() - s->ended_ns) / 1000000;
    int64_t left_ms = (int64_t)backoff_ms(e) - (since_ms > 0 ? since_ms : 0);
    return left_ms > 0 ? left_ms : 0;
}

/* Its start */

static bool is_settled(const struct guest_service_entry *e, const struct vm_entry *vm)
{
    const char *settled = e->row.course.settled_boot;
    return *settled && vm && strcmp(settled, vm_record(vm)->boot_id) == 0;
}

static bool runs_here(const struct guest_service_entry *e, const struct vm_entry **vm)
{
    *vm = vm_find_id(e->of->core, e->row.vm_id);
    return *vm && vm_record(*vm)->runtime.state == VM_RUNNING && vm_agent(*vm) &&
           session_vm_is_synced(e->of->core, e->row.vm_id);
}

/* Those that it comes after are ready, or have done what they were for. One that is not there, or
 * not wanted, is waited for. */
static bool may_go_on(const struct guest_service_entry *e)
{
    const char *at = (const char *)e->row.policy.after.data;
    const char *end = at + e->row.policy.after.len;
    for (; at < end; at += strlen(at) + 1) {
        bool there = false;
        for (struct guest_service_entry *o = NULL; (o = guest_service_next(e->of->core, NULL, o));)
            if (strcmp(o->row.vm_id, e->row.vm_id) == 0 && strcmp(o->row.name, at) == 0)
                there = guest_service_is_ready(o) || guest_service_state(o) == GUEST_SERVICE_DONE;
        if (!there)
            return false;
    }
    return true;
}

enum guest_service_state guest_service_state(const struct guest_service_entry *e)
{
    const struct vm_entry *vm;
    const struct session *shown = is_live(e) ? session_shown(e->run) : NULL;
    if (shown && (shown->state == SESSION_STOPPING || !e->row.wanted))
        return GUEST_SERVICE_STOPPING;
    if (shown && shown->state == SESSION_RUNNING)
        return GUEST_SERVICE_RUNNING;
    if (is_live(e) || e->starter)
        return GUEST_SERVICE_STARTING;
    if (!e->row.wanted)
        return GUEST_SERVICE_STOPPED;
    if (!runs_here(e, &vm))
        return GUEST_SERVICE_WAITING;
    if (is_settled(e, vm))
        return e->row.course.failed ? GUEST_SERVICE_FAILED : GUEST_SERVICE_DONE;
    return wait_left_ms(e) > 0 ? GUEST_SERVICE_BACKOFF : GUEST_SERVICE_WAITING;
}

static bool is_earlier_run(const struct session *s, const void *arg)
{
    const struct guest_service_entry *e = arg;
    return strcmp(s->service_id, e->row.id) == 0 && strcmp(s->id, guest_service_run(e)) != 0;
}

/* Whose start come after this one's may begin. */
void guest_service_look_at_others(struct guest_service_entry *e)
{
    for (struct guest_service_entry *o = NULL; (o = guest_service_next(e->of->core, NULL, o));)
        if (o != e && strcmp(o->row.vm_id, e->row.vm_id) == 0)
            guest_service_look_soon(o);
}

static void started(void *arg, struct session_entry *run, const struct err *err)
{
    struct guest_service_entry *e = arg;
    e->starter = NULL;
    if (run && e->removed) { /* deleted meanwhile, with force */
        session_stop(run, SESSION_STOP_GRACE_MS, NULL);
    } else if (run) {
        guest_service_set_run(e, run);
        guest_service_look_soon(e);
        guest_service_look_at_others(e);
    } else if (!e->removed) {
        log_err(LOG_LEVEL_WARN, e->row.id, err, "cannot start the service now");
        timer_start(&e->wait, TRY_AGAIN_MS);
    }
    guest_service_unref(e);
}

static void start(struct guest_service_entry *e, struct vm_entry *vm)
{
    struct err err = ERR_INIT;
    struct session wanted = {.spec = e->row.spec}; /* blobs are borrowed */
    snprintf(wanted.service_id, sizeof(wanted.service_id), "%s", e->row.id);
    if (e->row.course.settled_boot[0]) { /* another boot of the guest, or a user's wish */
        e->row.course.settled_boot[0] = '\0';
        e->row.course.restarts = 0;
    }
    e->row.course.runs++;
    guest_service_save(e, NULL, NULL);
    session_forget_oldest(e->of->core, GUEST_SERVICE_RUNS_KEPT, is_earlier_run, e);
    e->refs++;
    if (session_start(e->of->core, vm, &wanted, NULL, INT64_MAX, started, e, &e->starter, &err) ==
        0)
        return;
    e->refs--;
    log_err(LOG_LEVEL_WARN, e->row.id, &err, "cannot start the service now");
    timer_start(&e->wait, TRY_AGAIN_MS);
}

static void stop_run(struct guest_service_entry *e)
{
    struct err err = ERR_INIT;
    if (session_record(e->run)->state != SESSION_STOPPING &&
        session_stop(e->run, SESSION_STOP_GRACE_MS, &err) < 0)
        timer_start(&e->wait, TRY_AGAIN_MS); /* its VM is paused */
}

/* Its end has been counted before it has come: it makes room for one of another spec. */
static bool is_replaced(const struct guest_service_entry *e)
{
    return strcmp(e->row.course.judged, session_record(e->run)->id) == 0;
}

static void act(struct guest_service_entry *e)
{
    const struct vm_entry *vm;
    if (is_live(e)) {
        if (!e->row.wanted || is_replaced(e))
            stop_run(e);
        return;
    }
    if (e->run && !session_is_removed(e->run)) {
        bool news = strcmp(e->row.course.judged, session_record(e->run)->id) != 0;
        judge(e, session_shown(e->run));
        if (news)
            guest_service_look_at_others(e);
    }
    if (e->starter || !e->row.wanted || !runs_here(e, &vm) || is_settled(e, vm))
        return;
    int64_t left_ms = wait_left_ms(e);
    if (left_ms > 0)
        timer_start(&e->wait, left_ms);
    else if (!timer_pending(&e->wait) && may_go_on(e))
        start(e, vm_find_id(e->of->core, e->row.vm_id));
}

void guest_service_look(struct guest_service_entry *e)
{
    if (e->removed || e->of->core->closing || !e->stored)
        return;
    act(e);
    guest_service_look_ready(e);
}
