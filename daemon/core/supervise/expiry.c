/* Expiry: VMs are deleted at the time that their record has.
 *
 * One timer for all, never set for longer than EXPIRY_LOOK_MS: whatever becomes of the clock, the
 * next look is not far. What cannot be deleted is tried again at the next one. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"

enum { EXPIRY_LOOK_MS = 60000 };
static const int64_t expiry_announce_ns = (int64_t)60 * 1000000000;

static void expiry_tell_doubt(const struct expiry_clock *c, const char *what)
{
    log_warn("expiry", "%s by %lld s: what that makes overdue is left alone for %lld s", what,
             (long long)((c->doubt_offset_ns - c->offset_ns) / 1000000000),
             (long long)(EXPIRY_SETTLE_NS / 1000000000));
}

static int64_t expiry_now(struct supervise *of)
{
    bool doubted = of->expiry_clock.doubted;
    int64_t now = expiry_clock_now(&of->expiry_clock, clock_real_ns(), clock_ns(CLOCK_BOOTTIME));
    if (!doubted && of->expiry_clock.doubted)
        expiry_tell_doubt(&of->expiry_clock, "the clock was set forward");
    return now;
}

/* Milliseconds until there is something to do about it. */
static int64_t expiry_wait_ms(const struct supervised *s, int64_t now)
{
    int64_t due = vm_record(s->vm)->expires_ns - (s->expiry_announced ? 0 : expiry_announce_ns);
    int64_t wait_ms = (due - now) / 1000000 + 1;
    if (s->expiry_told || wait_ms > EXPIRY_LOOK_MS)
        return EXPIRY_LOOK_MS;
    return wait_ms < 0 ? 0 : wait_ms;
}

static void expiry_wait(struct supervise *of, int64_t wait_ms)
{
    struct timer *t = &of->expiry_timer;
    if (!timer_pending(t) || t->due_ns > clock_mono_ns() + wait_ms * 1000000)
        timer_start(t, wait_ms);
}

static void expiry_act(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char resource[96];
    vm_resource(e, resource);
    if (vm_record(e)->runtime.state == VM_DELETING ||
        operation_pending(vm_core(e), resource, "vm.delete"))
        return;
    struct operation_entry *op =
        vm_ask_delete(vm_core(e), &(struct vm_delete_request){.vm = vm_record(e)->id}, NULL, &err);
    if (!op)
        log_err(LOG_LEVEL_ERROR, resource, &err, "its time is up, and it cannot be deleted");
    else if (!s->expiry_told)
        supervise_emit(vm_core(e), e, "vm.expired", "its time is up", op);
    s->expiry_told = true;
}

static void expiry_look_at(struct supervised *s, int64_t now)
{
    int64_t left_ns = vm_record(s->vm)->expires_ns - now;
    char detail[64];
    if (left_ns <= 0) {
        expiry_act(s);
    } else if (left_ns <= expiry_announce_ns && !s->expiry_announced) {
        s->expiry_announced = true;
        snprintf(detail, sizeof(detail), "it will be deleted in %lld s",
                 (long long)(left_ns / 1000000000));
        supervise_emit(vm_core(s->vm), s->vm, "vm.expiring", detail, NULL);
    } else if (left_ns > expiry_announce_ns) {
        s->expiry_announced = s->expiry_told = false; /* it was put off */
    }
}

static void expiry_look(void *arg)
{
    struct supervise *of = arg;
    int64_t now = expiry_now(of);
    if (of->core->closing)
        return;
    list_foreach(l, &of->all)
    {
        struct supervised *s = container_of(l, struct supervised, link);
        if (vm_record(s->vm)->expires_ns == 0)
            continue;
        expiry_look_at(s, now);
        expiry_wait(of, expiry_wait_ms(s, now));
    }
}

void expiry_changed(struct supervised *s)
{
    if (vm_record(s->vm)->expires_ns == 0)
        return;
    int64_t now = expiry_now(s->of);
    if (vm_record(s->vm)->expires_ns - now > 0)
        s->expiry_told = false;
    expiry_wait(s->of, expiry_wait_ms(s, now));
}

int expiry_open(struct supervise *of)
{
    struct expiry_clock *c = &of->expiry_clock;
    expiry_clock_seed(c, of->core->known_ns, clock_real_ns(), clock_ns(CLOCK_BOOTTIME));
    if (c->doubted)
        expiry_tell_doubt(c, "the clock is ahead of all that the database knows of");
    return timer_init(&of->expiry_timer, of->core->loop, expiry_look, of);
}
