/* What a name has led to is opened before the guest is told of it: so it connects at once. What is
 * open already for long enough is told at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/host/tap_names.h"
#include "rpc/event/worker.h"

struct pin_job {
    struct job job;
    struct guest_names *guest; /* counted */
    struct tap_pins pins;
    char vm_id[ID_BYTES];
    struct dns_question q;
    struct sockaddr_in from;
    struct dns_answer answer;
    uint32_t which; /* 0: nobody is to be told */
    struct err err;
};

static void pin_run(struct job *job)
{
    struct pin_job *j = container_of(job, struct pin_job, job);
    tap_names_pin(j->vm_id, &j->pins, &j->err);
}

static void pin_done(struct job *job);

static int pin_submit(struct pin_job *j, struct guest_names *g)
{
    j->job.run = pin_run;
    j->job.done = pin_done;
    j->guest = g;
    j->pins.guest = g->address;
    j->pins.port = g->port;
    memcpy(j->vm_id, vm_record(g->vm)->id, sizeof(j->vm_id));
    int n = egress_names_ports(&g->allow.names, j->which ? j->which : UINT32_MAX, j->pins.ports);
    j->pins.n_ports = n > 0 ? (size_t)n : 0;
    if (g->n_pins == NAMES_PINS_MAX || workers_submit(g->core->privileged, &j->job, &j->err) < 0)
        return -1;
    g->n_pins++;
    g->refs++;
    return 0;
}

/* Those whose places others have taken. */
static void pin_forget(struct guest_names *g, const uint32_t *gone, size_t n)
{
    struct pin_job *j = n > 0 ? calloc(1, sizeof(*j)) : NULL;
    if (!j)
        return; /* they end by themselves */
    memcpy(j->pins.addresses, gone, n * sizeof(*gone));
    j->pins.n = n;
    if (pin_submit(j, g) < 0)
        free(j);
}

static void pin_note(struct guest_names *g, const struct pin_job *j)
{
    uint32_t gone[TAP_PINS_MAX];
    int64_t now_ms = clock_mono_ms();
    size_t n = 0;
    for (size_t i = 0; i < j->pins.n; i++) {
        egress_pins_add(&g->pins, j->pins.addresses[i], j->which,
                        now_ms + (int64_t)j->pins.seconds * 1000, now_ms, &gone[n]);
        n += gone[n] != 0;
    }
    pin_forget(g, gone, n);
}

static void pin_done(struct job *job)
{
    struct pin_job *j = container_of(job, struct pin_job, job);
    struct guest_names *g = j->guest;
    g->n_pins--;
    if (j->err.code != ERR_NONE && !g->closed && g->port == j->pins.port)
        log_err(LOG_LEVEL_WARN, j->vm_id, &j->err, "an address of a name cannot be opened");
    if (j->which && !g->closed) {
        if (j->err.code == ERR_NONE && g->port == j->pins.port)
            pin_note(g, j);
        else
            j->answer = (struct dns_answer){.code = DNS_FAILED};
        guest_names_reply(g, &j->q, &j->from, &j->answer);
    }
    free(j);
    guest_names_unref(g);
}

/* An address that the host itself has, or one of a whole network: what leads there begins there. */
static bool is_own(uint32_t address)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(DNS_PORT),
                             .sin_addr.s_addr = htonl(address)},
                       from = {.sin_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return fd < 0 || errno == EACCES; /* a broadcast */
    return getsockname(fd, (struct sockaddr *)&from, &len) < 0 ||
           from.sin_addr.s_addr == to.sin_addr.s_addr;
}

static void pin_clean(struct guest_names *g, const struct dns_question *q, struct dns_answer *a)
{
    char text[INET_ADDRSTRLEN] = "";
    uint32_t taken = egress_answer_clean(a, &g->listed);
    size_t kept = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!is_own(a->addresses[i]))
            a->addresses[kept++] = a->addresses[i];
        else
            taken = a->addresses[i];
    }
    a->n = kept;
    if (!taken)
        return;
    taken = htonl(taken);
    inet_ntop(AF_INET, &taken, text, sizeof(text));
    log_warn(vm_record(g->vm)->id, "%s leads to %s, which no name opens to a guest", q->name, text);
}

/* Those that are not open for about as long. */
static void pin_pick(const struct guest_names *g, struct pin_job *j)
{
    int64_t now_ms = clock_mono_ms();
    int64_t until_ms = now_ms + ((int64_t)j->pins.seconds - EGRESS_PIN_GRACE_S / 2) * 1000;
    for (size_t i = 0; i < j->answer.n; i++) {
        const struct egress_pin *p = egress_pins_find(&g->pins, j->answer.addresses[i], now_ms);
        bool open = p && (j->which & ~p->which) == 0 && p->until_ms >= until_ms;
        if (!open && egress_name_may_lead_to(j->answer.addresses[i]))
            j->pins.addresses[j->pins.n++] = j->answer.addresses[i];
    }
}

void names_pin(struct guest_names *g, const struct dns_question *q, const struct sockaddr_in *from,
               struct dns_answer *answer)
{
    struct pin_job *j = calloc(1, sizeof(*j));
    const struct dns_answer failed = {.code = DNS_FAILED};
    pin_clean(g, q, answer);
    if (answer->ttl_s > EGRESS_PIN_MAX_S)
        answer->ttl_s = EGRESS_PIN_MAX_S;
    if (j) {
        j->q = *q;
        j->from = *from;
        j->answer = *answer;
        j->which = egress_names_match(&g->allow.names, q->name);
        j->pins.seconds = egress_pin_seconds(answer->ttl_s);
        pin_pick(g, j);
    }
    if (j && j->pins.n > 0 && pin_submit(j, g) == 0)
        return;
    guest_names_reply(g, q, from, j && j->pins.n == 0 ? answer : &failed);
    free(j);
}
