/* What a name has led to is opened before the guest is told of it: so it connects at once. What is
 * open already for long enough is told at once. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/host/own_address.h"
#include "daemon/host/tap_names.h"
#include "rpc/event/worker.h"

/* An answer, and what of it has to be opened. A guest's are opened one after another: what is open,
 * and what has made room, is known before the next is looked at. */
struct pin_job {
    struct job job;
    struct list link;          /* guest_names.pins_waiting */
    struct guest_names *guest; /* counted, where it is under way */
    struct tap_pins closed, opened;
    char vm_id[ID_BYTES];
    struct dns_question q;
    struct sockaddr_in from;
    struct dns_answer answer;
    uint32_t taken; /* out of it, as it is this host's; 0: none */
    uint32_t which;
    struct err err;
};

static void pin_leave_out(struct tap_pins *pins, uint32_t address)
{
    size_t kept = 0;
    for (size_t i = 0; i < pins->n; i++)
        if (pins->addresses[i] != address)
            pins->addresses[kept++] = pins->addresses[i];
    pins->n = kept;
}

/* The host's own addresses come and go: that is looked at as late as can be. */
static int pin_look(struct pin_job *j)
{
    struct dns_answer *a = &j->answer;
    size_t kept = 0;
    for (size_t i = 0; i < a->n; i++) {
        int own = own_address(a->addresses[i], &j->err);
        if (own < 0)
            return -1;
        if (own) {
            j->taken = a->addresses[i];
            pin_leave_out(&j->opened, j->taken);
        } else {
            a->addresses[kept++] = a->addresses[i];
        }
    }
    a->n = kept;
    return 0;
}

static void pin_run(struct job *job)
{
    struct pin_job *j = container_of(job, struct pin_job, job);
    if (pin_look(j) < 0 || (j->closed.n > 0 && tap_names_pin(j->vm_id, &j->closed, &j->err) < 0))
        return;
    if (j->opened.n > 0)
        tap_names_pin(j->vm_id, &j->opened, &j->err);
}

static void pin_done(struct job *job);

/* Those that are not open for about as long. false: all are, and it can be told. */
static bool pin_pick(const struct guest_names *g, struct pin_job *j, int64_t now_ms)
{
    bool all = true;
    int64_t until_ms = now_ms + ((int64_t)j->opened.seconds - EGRESS_PIN_GRACE_S / 2) * 1000;
    j->opened.n = 0;
    for (size_t i = 0; i < j->answer.n; i++) {
        if (egress_pins_open(&g->pins, j->answer.addresses[i], j->which, until_ms))
            continue;
        all = false;
        if (egress_name_may_lead_to(j->answer.addresses[i]))
            j->opened.addresses[j->opened.n++] = j->answer.addresses[i];
    }
    return !all;
}

static void pin_address(const struct guest_names *g, struct tap_pins *pins, uint32_t which)
{
    int n = egress_names_ports(&g->allow.names, which, pins->ports);
    pins->n_ports = n > 0 ? (size_t)n : 0;
    pins->guest = g->address;
    pins->port = g->port;
}

/* false: nothing is under way. What has made room is forgotten, whatever comes of closing it: it is
 * opened again when it is told again. */
static bool pin_submit(struct guest_names *g, struct pin_job *j)
{
    int64_t now_ms = clock_mono_ms();
    if (!pin_pick(g, j, now_ms))
        return false;
    j->closed.n = egress_pins_make_room(&g->pins, j->opened.addresses, j->opened.n, now_ms,
                                        j->closed.addresses);
    pin_address(g, &j->opened, j->which);
    pin_address(g, &j->closed, UINT32_MAX);
    j->job.run = pin_run;
    j->job.done = pin_done;
    memcpy(j->vm_id, vm_record(g->vm)->id, sizeof(j->vm_id));
    if (workers_submit(g->core->privileged, &j->job, &j->err) < 0)
        return false;
    j->guest = g;
    g->pinning = true;
    g->refs++;
    return true;
}

static void pin_say_taken(const struct guest_names *g, const struct dns_question *q,
                          uint32_t address)
{
    const uint32_t bytes = htonl(address);
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &bytes, text, sizeof(text));
    log_warn(vm_record(g->vm)->id, "%s leads to %s, which no name opens to a guest", q->name, text);
}

static void pin_tell(struct guest_names *g, const struct pin_job *j)
{
    const struct dns_answer failed = {.code = DNS_FAILED};
    guest_names_reply(g, &j->q, &j->from, j->err.code == ERR_NONE ? &j->answer : &failed);
}

static void pin_next(struct guest_names *g)
{
    while (!g->pinning && !list_empty(&g->pins_waiting)) {
        struct pin_job *j = container_of(list_first(&g->pins_waiting), struct pin_job, link);
        list_remove(&j->link);
        g->n_pins--;
        if (pin_submit(g, j))
            return;
        pin_tell(g, j);
        free(j);
    }
}

static void pin_note(struct guest_names *g, const struct pin_job *j)
{
    int64_t until_ms = clock_mono_ms() + (int64_t)j->opened.seconds * 1000;
    for (size_t i = 0; i < j->opened.n; i++)
        egress_pins_add(&g->pins, j->opened.addresses[i], j->which, until_ms);
}

static void pin_done(struct job *job)
{
    struct pin_job *j = container_of(job, struct pin_job, job);
    struct guest_names *g = j->guest;
    g->pinning = false;
    if (!g->closed && g->port == j->opened.port) { /* else it was asked under another list */
        if (j->err.code == ERR_NONE)
            pin_note(g, j);
        else
            log_err(LOG_LEVEL_WARN, j->vm_id, &j->err, "an address of a name cannot be opened");
        if (j->taken)
            pin_say_taken(g, &j->q, j->taken);
        pin_tell(g, j);
    }
    free(j);
    pin_next(g);
    guest_names_unref(g);
}

void names_pin_end(struct guest_names *g)
{
    list_foreach(l, &g->pins_waiting)
    {
        list_remove(l);
        free(container_of(l, struct pin_job, link));
    }
    g->n_pins = 0;
    g->pins.n = 0;
}

static void pin_clean(struct guest_names *g, const struct dns_question *q, struct dns_answer *a)
{
    uint32_t taken = egress_answer_clean(a, &g->listed);
    if (taken)
        pin_say_taken(g, q, taken);
}

void names_pin(struct guest_names *g, const struct dns_question *q, const struct sockaddr_in *from,
               struct dns_answer *answer)
{
    const struct dns_answer failed = {.code = DNS_FAILED};
    struct pin_job *j = g->n_pins < NAMES_PINS_MAX ? calloc(1, sizeof(*j)) : NULL;
    if (!j) {
        guest_names_reply(g, q, from, &failed);
        return;
    }
    pin_clean(g, q, answer);
    if (answer->ttl_s > EGRESS_PIN_MAX_S)
        answer->ttl_s = EGRESS_PIN_MAX_S;
    j->q = *q;
    j->from = *from;
    j->answer = *answer;
    j->which = egress_names_match(&g->allow.names, q->name);
    j->opened.seconds = egress_pin_seconds(answer->ttl_s);
    if (!pin_pick(g, j, clock_mono_ms())) {
        pin_tell(g, j);
        free(j);
        return;
    }
    list_add_tail(&g->pins_waiting, &j->link);
    g->n_pins++;
    pin_next(g);
}
