/* A guest's resolver, where its egress list has names; see names_internal.h.
 *
 * The helper leads what the guest asks, of whatever server, to a socket of ours at the host's end
 * of its tap. Only listed names are there: all else is told at once that it does not exist, which
 * ends every client's search (one that is refused is asked elsewhere, or again, by several). Of a
 * name that is listed there are addresses alone.
 *
 * The socket is another one whenever the list is: what was asked under the list before opens
 * nothing. A daemon's end leaves the guest without answers until the next one has begun; what is
 * open and what is connected stays, as the kernel has it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/host/tap_names.h"
#include "rpc/event/worker.h"

enum { AT_ONCE = 16 };

void guest_names_unref(struct guest_names *g)
{
    if (--g->refs > 0)
        return;
    free(g->text.data);
    free(g);
}

/* Questions */

void guest_names_reply(struct guest_names *g, const struct dns_question *q,
                       const struct sockaddr_in *from, const struct dns_answer *a)
{
    uint8_t packet[DNS_TOLD_BYTES];
    size_t len = dns_answer_write(q, a, packet);
    if (g->fd >= 0)
        sendto(g->fd, packet, len, MSG_DONTWAIT, (const struct sockaddr *)from, sizeof(*from));
}

static void guest_names_question(struct guest_names *g, const uint8_t *packet, size_t len,
                                 const struct sockaddr_in *from)
{
    struct dns_question q;
    struct dns_answer a = {.code = dns_question_read(packet, len, &q)};
    if (a.code < 0 || ntohl(from->sin_addr.s_addr) != g->address)
        return;
    if (a.code == DNS_OK && egress_names_match(&g->allow.names, q.name) == 0)
        a.code = DNS_NO_SUCH_NAME;
    else if (a.code == DNS_OK && dns_question_is_for_addresses(&q)) {
        names_ask_begin(g, &q, from);
        return;
    }
    guest_names_reply(g, &q, from, &a);
}

static void guest_names_ready(void *arg, int events)
{
    struct guest_names *g = arg;
    uint8_t packet[DNS_PACKET_BYTES];
    (void)events;
    for (int i = 0; i < AT_ONCE && g->fd >= 0; i++) {
        struct sockaddr_in from = {.sin_family = AF_UNSPEC};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(g->fd, packet, sizeof(packet), MSG_TRUNC | MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_len);
        if (len < 0)
            return;
        if ((size_t)len <= sizeof(packet) && from_len == sizeof(from))
            guest_names_question(g, packet, (size_t)len, &from);
    }
}

/* The socket, and the way to it */

static void guest_names_shut(struct guest_names *g)
{
    list_foreach(l, &g->asks) names_ask_end(container_of(l, struct names_ask, link));
    watch_done(&g->watch);
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
    g->port = 0;
    names_pin_end(g);
}

static int guest_names_open(struct guest_names *g, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(g->address - 1)};
    socklen_t len = sizeof(at);
    g->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (g->fd < 0 || bind(g->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(g->fd, (struct sockaddr *)&at, &len) < 0)
        return err_sys(err, errno, "no socket at the host's end of its tap");
    if (watch_init(&g->watch, g->core->loop, g->fd, guest_names_ready, g) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for its names");
    watch_want(&g->watch, WATCH_READ);
    g->port = ntohs(at.sin_port);
    return 0;
}

struct lead_job {
    struct job job;
    struct guest_names *guest; /* counted */
    char vm_id[ID_BYTES];
    uint32_t address;
    uint16_t port;
    struct err err;
};

static void lead_run(struct job *job)
{
    struct lead_job *j = container_of(job, struct lead_job, job);
    tap_names_resolve(j->vm_id, j->address, j->port, &j->err);
}

static void guest_names_fail(struct guest_names *g, const struct err *err)
{
    log_err(LOG_LEVEL_WARN, vm_record(g->vm)->id, err,
            "its names are not answered yet; that is tried again");
    timer_start(&g->retry, NAMES_RETRY_MS);
}

static void guest_names_lead(struct guest_names *g);

static void lead_done(struct job *job)
{
    struct lead_job *j = container_of(job, struct lead_job, job);
    struct guest_names *g = j->guest;
    g->busy = false;
    if (!g->closed && g->port != j->port)
        guest_names_lead(g); /* it is another one by now */
    else if (!g->closed && j->err.code != ERR_NONE)
        guest_names_fail(g, &j->err);
    free(j);
    guest_names_unref(g);
}

static void guest_names_lead(struct guest_names *g)
{
    struct err err = ERR_INIT;
    if (g->busy)
        return;
    struct lead_job *j =
        g->fd >= 0 || guest_names_open(g, &err) == 0 ? calloc(1, sizeof(*j)) : NULL;
    if (j) {
        j->job.run = lead_run;
        j->job.done = lead_done;
        j->guest = g;
        memcpy(j->vm_id, vm_record(g->vm)->id, sizeof(j->vm_id));
        j->address = g->address;
        j->port = g->port;
    }
    if (j && workers_submit(g->core->privileged, &j->job, &err) == 0) {
        g->refs++;
        g->busy = true;
        return;
    }
    free(j);
    if (err.code == ERR_NONE)
        err_set(&err, ERR_LIMIT, "out of memory for its names");
    guest_names_shut(g);
    guest_names_fail(g, &err);
}

static void guest_names_again(void *arg)
{
    guest_names_lead(arg);
}

/* Which */

void guest_names_close(struct guest_names *g)
{
    g->closed = true;
    guest_names_shut(g);
    timer_done(&g->retry);
    list_remove(&g->link);
    vm_set_slot(g->vm, VM_SLOT_NAMES, NULL);
    vm_unref(g->vm);
    guest_names_unref(g);
}

static struct guest_names *guest_names_new(struct core *core, struct names_guests *all,
                                           struct vm_entry *e)
{
    struct guest_names *g = calloc(1, sizeof(*g));
    if (!g || timer_init(&g->retry, core->loop, guest_names_again, g) < 0) {
        free(g);
        log_error(vm_record(e)->id, "out of memory for its names");
        return NULL;
    }
    g->core = core;
    g->all = all;
    g->vm = vm_ref(e);
    g->refs = 1;
    g->fd = -1;
    list_init(&g->asks);
    list_init(&g->pins_waiting);
    list_add_tail(&all->list, &g->link);
    vm_set_slot(e, VM_SLOT_NAMES, g);
    return g;
}

static bool guest_names_is_wanted(struct vm_entry *e)
{
    const struct vm *vm = vm_record(e);
    return !vm_is_removed(e) && vm_has_machine(e) && vm_net_address(vm) != 0 &&
           vm_boots(&vm->spec) && vm_egress_has_names(vm);
}

void guest_names_sync(struct core *core, struct names_guests *all, struct vm_entry *e)
{
    struct guest_names *g = vm_slot(e, VM_SLOT_NAMES);
    const struct vm *vm = vm_record(e);
    const struct blob *text = &vm->spec.egress.allow;
    if (!guest_names_is_wanted(e)) {
        if (g)
            guest_names_close(g);
        return;
    }
    if (g && g->rules == vm_rules_made(e) && g->text.len == text->len &&
        memcmp(g->text.data, text->data, text->len) == 0)
        return;
    if (!g && !(g = guest_names_new(core, all, e)))
        return;
    guest_names_shut(g);
    if (blob_set(&g->text, text->data, text->len) < 0) {
        log_error(vm->id, "out of memory for its names");
        guest_names_close(g);
        return;
    }
    g->rules = vm_rules_made(e);
    g->address = vm_net_address(vm);
    vm_egress_of(vm, &g->allow);
    if (egress_compile(&g->allow.list, &g->listed, NULL) < 0)
        g->listed.n = 0; /* no record is loaded with such */
    guest_names_lead(g);
}
