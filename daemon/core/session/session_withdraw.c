/* Starts that are taken back; see session.h.
 *
 * A start is answered when it has happened, or it does not happen. Who waits for it may leave, or
 * the guest may be silent: then its record goes, and only when that is on disk is anybody told.
 * From the moment that it is decided the agent is not told to start it any more; if it was, it is
 * told to delete it, now or after its next hello, and forgets what it had not begun by then. A
 * start also says how long it may be begun, by the agent's own clock, and that is over when it is
 * taken back: so it does not matter how late the guest, or what carries the channel to it, delivers
 * it. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

enum { PAUSE_LOOK_MS = 200 };
enum { MARGIN = 5 }; /* this part of the time until the caller's deadline is for taking it back */

static void on_withdrawn(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* its deletion tells the starters */
}

void session_withdraw(struct session_entry *e)
{
    if (e->withdrawn || e->removed)
        return;
    e->withdrawn = true;
    struct err err = ERR_INIT;
    if (session_delete_row(e, true, on_withdrawn, NULL, &err) == 0)
        return;
    e->withdrawn = false;
    log_err(LOG_LEVEL_ERROR, e->session.id, &err, "a start cannot be taken back");
}

int64_t session_patience_left_ms(const struct session_entry *e)
{
    if (!e->patience.event || !timer_pending(&e->patience) || e->answered)
        return -1;
    int64_t left_ms = (e->patience.due_ns - clock_mono_ns()) / 1000000;
    return left_ms > 0 ? left_ms : 0;
}

/* A paused guest may find the start when it goes on, with as much of its time left as it had: it is
 * as if our time had stood still as well. */
static bool waits_for_pause(struct session_entry *e)
{
    const struct vm_entry *vm = vm_find_id(e->core, e->session.vm_id);
    bool paused = e->told.start && vm && vm_is_paused(vm);
    if (!paused && !e->stood_still)
        return false;
    e->stood_still = paused;
    timer_start(&e->patience, paused ? PAUSE_LOOK_MS : e->patience_ms);
    return true;
}

static void on_patience(void *arg)
{
    struct session_entry *e = arg;
    if (e->answered || e->removed || !session_is_live(e))
        return; /* what has ended, or never will begin, need not be taken back */
    if (waits_for_pause(e))
        return;
    if (!list_empty(&e->starters) && !session_is_starting(e->session.state)) {
        e->stalled = true; /* the guest has answered, and the disk has not */
        session_touch(e);
        return;
    }
    if (!list_empty(&e->starters)) {
        e->silent = true;
        log_warn(e->session.id, "the guest of vm/%s does not answer: a start is taken back",
                 e->session.vm_id);
    } else {
        log_info(e->session.id, "nobody waits for this start any more: it is taken back");
    }
    session_withdraw(e);
}

static int arm(struct session_entry *e, int64_t ms, struct err *err)
{
    bool pending = e->patience.event && timer_pending(&e->patience);
    if (pending && !list_empty(&e->starters) &&
        e->patience.due_ns >= clock_mono_ns() + ms * 1000000)
        return 0; /* others have longer */
    if (!e->patience.event && timer_init(&e->patience, e->core->loop, on_patience, e) < 0)
        return err_sys(err, ENOMEM, "starting a session");
    e->patience_ms = ms;
    timer_start(&e->patience, ms);
    return 0;
}

int session_expect_start(struct session_entry *e, int64_t deadline_ms, struct err *err)
{
    if (e->answered)
        return 0;
    int64_t ms = SESSION_START_MS;
    if (deadline_ms != INT64_MAX) {
        int64_t left = deadline_ms - clock_mono_ms();
        int64_t most = left > 0 ? left - left / MARGIN : 0;
        ms = most < ms ? most : ms;
    }
    if (arm(e, ms, err) < 0)
        return -1;
    if (e->unclaimed) {
        e->unclaimed = false;
        session_tell(e);
    }
    return 0;
}

void session_await_claim(struct session_entry *e)
{
    struct err err = ERR_INIT;
    if (!e->answered && !session_is_going(e) && list_empty(&e->starters) &&
        arm(e, SESSION_CLAIM_MS, &err) < 0)
        session_withdraw(e);
}

void session_start_leave(struct session_starter *starter, bool may_ask_again)
{
    struct session_entry *e = starter->session;
    list_remove(&starter->link);
    free(starter);
    if (e->answered || e->removed || !list_empty(&e->starters))
        return;
    if (may_ask_again)
        session_await_claim(e);
    else
        session_withdraw(e);
}
