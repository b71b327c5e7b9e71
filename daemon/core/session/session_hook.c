/* Hooks of VMs as sessions; see daemon/core/vm/vm_hook.h.
 *
 * The guest ends one that takes too long; a timer here sees to it that nobody waits for a guest
 * that does not. A run is found again by its start's request id, which is the operation's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

enum { RUNS_KEPT = 5, LIMIT_GRACE_MS = 2000 };

struct vm_hook_run {
    struct session_starter *starter; /* until it has started */
    struct session_watch watch;
    struct timer limit;
    uint32_t timeout_ms;
    vm_hook_done_fn *done;
    void *arg;
};

static void run_free(struct vm_hook_run *run)
{
    session_unwatch(&run->watch);
    timer_done(&run->limit);
    free(run);
}

static void end(struct vm_hook_run *run, const struct err *err)
{
    char id[ID_BYTES] = "";
    vm_hook_done_fn *done = run->done;
    void *arg = run->arg;
    if (run->watch.session)
        snprintf(id, sizeof(id), "%s", run->watch.session->session.id);
    run_free(run);
    done(arg, id, err);
}

static int check_end(const struct vm_hook_run *run, const struct session *s, struct err *err)
{
    if (s->timed_out)
        return err_set(err, ERR_DEADLINE, "it took longer than %u ms", run->timeout_ms);
    if (s->state == SESSION_LOST)
        return err_set(err, ERR_UNAVAILABLE, "it was lost: %s", s->lost_reason);
    if (s->state == SESSION_FAILED)
        return err_set(err, ERR_PRECONDITION, "it could not be started: %s", s->last_error);
    if (s->exit_kind == SESSION_EXIT_OOM)
        return err_set(err, ERR_PRECONDITION, "it was killed for memory");
    if (s->exit_kind == SESSION_EXIT_SIGNAL)
        return err_set(err, ERR_PRECONDITION, "signal %d ended it", s->exit_signo);
    if (s->exit_code != 0)
        return err_set(err, ERR_PRECONDITION, "it exited with %d", s->exit_code);
    return 0;
}

static void look(void *arg, struct session_entry *e)
{
    struct vm_hook_run *run = arg;
    struct err err = ERR_INIT;
    if (e->removed) {
        err_set(&err, ERR_NOT_FOUND, "its session was deleted");
        end(run, &err);
    } else if (session_is_terminal(session_shown(e)->state)) {
        end(run, check_end(run, session_shown(e), &err) < 0 ? &err : NULL);
    }
}

static void started(void *arg, struct session_entry *e, const struct err *err)
{
    struct vm_hook_run *run = arg;
    run->starter = NULL;
    if (!e) {
        end(run, err);
        return;
    }
    session_watch(e, &run->watch, look, run);
    look(run, e);
}

static void on_limit(void *arg)
{
    struct vm_hook_run *run = arg;
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "it took longer than %u ms", run->timeout_ms);
    if (run->starter)
        session_start_leave(run->starter, false);
    else
        session_kill(run->watch.session, NULL);
    end(run, &err);
}

static bool is_hook_of(const struct session *s, const void *vm_id)
{
    return s->hook[0] && strcmp(s->vm_id, vm_id) == 0;
}

static int start(struct vm_hook_run *run, const struct vm_hook_start *what, struct err *err)
{
    struct core *core = vm_core(what->vm);
    struct request_meta meta = {.digest = "hook"};
    struct session wanted = {.spec = {.argv = what->hook->argv, /* borrowed */
                                      .output_policy = OUTPUT_DROP_OLDEST,
                                      .drain_policy = DRAIN_AFTER_QUIET,
                                      .timeout_ms = run->timeout_ms}};
    snprintf(meta.request_id, sizeof(meta.request_id), "hook-%s", what->key);
    snprintf(wanted.hook, sizeof(wanted.hook), "%s", what->before);
    session_forget_oldest(core, RUNS_KEPT, is_hook_of, vm_record(what->vm)->id);
    if (session_start(core, what->vm, &wanted, &meta, clock_mono_ms() + run->timeout_ms, started,
                      run, &run->starter, err) < 0)
        return -1;
    timer_start(&run->limit, (int64_t)run->timeout_ms + LIMIT_GRACE_MS);
    return 0;
}

static struct vm_hook_run *begin(const struct vm_hook_start *what, vm_hook_done_fn *done, void *arg,
                                 struct err *err)
{
    struct vm_hook_run *run = calloc(1, sizeof(*run));
    if (!run || timer_init(&run->limit, vm_core(what->vm)->loop, on_limit, run) < 0) {
        free(run);
        err_sys(err, ENOMEM, "a hook");
        return NULL;
    }
    run->timeout_ms = what->hook->timeout_ms;
    run->done = done;
    run->arg = arg;
    if (start(run, what, err) == 0)
        return run;
    run_free(run);
    return NULL;
}

/* One that has not started yet is left to its limit: its caller does not wait. */
static void kill_run(struct vm_hook_run *run)
{
    if (run->starter)
        timer_start(&run->limit, 0);
    else
        session_kill(run->watch.session, NULL);
}

static void leave(struct vm_hook_run *run)
{
    if (run->starter)
        session_start_leave(run->starter, true);
    run_free(run);
}

const struct vm_hook_runner session_hook_runner = {
    .begin = begin,
    .kill = kill_run,
    .leave = leave,
};
