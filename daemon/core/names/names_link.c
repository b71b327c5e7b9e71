/* systemd-resolved asks us for names of VMs, where the key dns_resolved says so.
 *
 * It takes servers for links alone (resolved.h): the link is the tap of one VM that runs, and the
 * server a socket of ours at its end of it. With that VM it goes, and another's takes its place;
 * with none there is no name that has an address. What was set is noted in a file before it is, so
 * that the next daemon undoes what a killed one has left, also where the key is another by then. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/host/object.h"
#include "daemon/host/resolved.h"
#include "rpc/event/worker.h"

enum { LINK_BYTES = 16, LINK_RETRY_MS = 10000, AT_ONCE = 16, NOTE_BYTES = 64 };

struct names_link {
    struct core *core;
    names_link_answer_fn *answer;
    void *arg;
    struct vm_entry *vm; /* counted; whose tap it is; NULL: none's */
    char link[LINK_BYTES];
    uint32_t address; /* our end */
    uint16_t port;
    int fd; /* -1 */
    struct watch watch;
    struct timer retry;
    bool wanted, busy, set, closed;
    struct err why;        /* it is not set */
    struct link_job *next; /* what is to be done when what is under way is */
};

/* Setting, reverting: one at a time, in order; the last that is wanted counts. */
struct link_job {
    struct job job;
    struct names_link *of;
    char note[PATH_BYTES]; /* a file with the link's name in it */
    char link[LINK_BYTES]; /* to be set; "": only what was is undone */
    uint32_t address;
    uint16_t port;
    struct err err;
};

static void note_revert(const char *note, const char *keep, struct err *err)
{
    auto_free char *link = NULL;
    if (fs_read(note, NOTE_BYTES, &link, NULL, NULL) < 0)
        return;
    if (strcmp(link, keep) == 0 || strncmp(link, "bg", 2) != 0 || strlen(link) >= LINK_BYTES)
        return; /* it is set anew; or none of ours */
    if (resolved_revert(link, err) == 0)
        unlink(note);
}

static void link_run(struct job *job)
{
    struct link_job *j = container_of(job, struct link_job, job);
    struct err undone = ERR_INIT;
    note_revert(j->note, j->link, &undone);
    if (!j->link[0] || undone.code != ERR_NONE)
        j->err = undone; /* the note stays, and what it names comes before all else */
    else if (fs_write_atomic(j->note, j->link, strlen(j->link), 0600, &j->err) == 0)
        resolved_set(j->link, j->address, j->port, &j->err);
}

static void link_submit(struct names_link *n, struct link_job *j);

static void link_free(struct names_link *n)
{
    if (n->closed && !n->busy)
        free(n);
}

static void link_done(struct job *job)
{
    struct link_job *j = container_of(job, struct link_job, job);
    struct names_link *n = j->of;
    struct link_job *next = n->next;
    bool current = !next && !n->closed;
    n->next = NULL;
    n->busy = false;
    if (current) {
        bool told = n->why.code != ERR_NONE;
        n->set = j->link[0] && j->err.code == ERR_NONE;
        n->why = j->err;
        if (n->set)
            log_info("names", "systemd-resolved asks for NAME.vm over %s", j->link);
        else if (n->why.code != ERR_NONE && !told)
            log_err(LOG_LEVEL_WARN, "names", &n->why, "that is tried again and again");
        if (n->why.code != ERR_NONE && !n->core->closing)
            timer_start(&n->retry, LINK_RETRY_MS);
    }
    free(j);
    if (next)
        link_submit(n, next);
    link_free(n);
}

static void link_submit(struct names_link *n, struct link_job *j)
{
    if (n->busy) {
        free(n->next);
        n->next = j;
        return;
    }
    n->busy = workers_submit(n->core->quick, &j->job, NULL) == 0;
    if (!n->busy)
        free(j); /* the daemon has ended; the next one undoes it */
}

/* As it is to be now. */
static void link_apply(struct names_link *n)
{
    struct link_job *j = calloc(1, sizeof(*j));
    if (!j)
        return; /* a change of any VM comes here again */
    j->job.run = link_run;
    j->job.done = link_done;
    j->of = n;
    snprintf(j->note, sizeof(j->note), "%s/resolved", n->core->config.state_dir);
    memcpy(j->link, n->link, sizeof(j->link));
    j->address = n->address;
    j->port = n->port;
    n->set = false;
    timer_stop(&n->retry);
    link_submit(n, j);
}

/* The socket */

static void link_ready(void *arg, int events)
{
    struct names_link *n = arg;
    uint8_t packet[DNS_PACKET_BYTES];
    (void)events;
    for (int i = 0; i < AT_ONCE; i++) {
        struct sockaddr_in from = {.sin_family = AF_UNSPEC};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(n->fd, packet, sizeof(packet), MSG_TRUNC | MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_len);
        if (len < 0)
            return;
        if ((size_t)len <= sizeof(packet) && from_len == sizeof(from) &&
            ntohl(from.sin_addr.s_addr) == n->address) /* this host */
            n->answer(n->arg, n->fd, packet, (size_t)len, &from);
    }
}

static int link_listen(struct names_link *n, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n->address)};
    socklen_t len = sizeof(at);
    n->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (n->fd < 0 || bind(n->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(n->fd, (struct sockaddr *)&at, &len) < 0)
        return err_sys(err, errno, "no socket for systemd-resolved");
    if (watch_init(&n->watch, n->core->loop, n->fd, link_ready, n) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for names");
    watch_want(&n->watch, WATCH_READ);
    n->port = ntohs(at.sin_port);
    return 0;
}

static void link_leave(struct names_link *n)
{
    watch_done(&n->watch);
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
    if (n->vm)
        vm_unref(n->vm);
    n->vm = NULL;
    n->link[0] = '\0';
}

static bool link_may_be_of(const struct vm_entry *e)
{
    const struct vm *vm = vm_record(e);
    return !vm_is_removed(e) && vm->runtime.state == VM_RUNNING && vm_has_vmm(e) &&
           vm_net_address(vm) != 0;
}

static bool link_take(struct names_link *n, struct vm_entry *e)
{
    char name[VM_PATH_BYTES] = "";
    const struct vm *vm = vm_record(e);
    object_tap.derive_name(n->core->config.state_dir, vm->id, OBJECT_TAP, name, NULL);
    n->vm = vm_ref(e);
    n->address = vm_net_address(vm) - 1;
    snprintf(n->link, sizeof(n->link), "%.*s", LINK_BYTES - 1, name);
    if (link_listen(n, &n->why) == 0)
        return true;
    link_leave(n);
    return false;
}

void names_link_look(struct names_link *n, struct vm_entry *changed)
{
    bool had = n->vm != NULL;
    if (!n->wanted || (n->vm && link_may_be_of(n->vm)))
        return;
    if (n->vm)
        link_leave(n);
    bool has = changed && link_may_be_of(changed) && link_take(n, changed);
    for (struct vm_entry *e = NULL; had && !has && (e = vm_next(n->core, e));)
        has = e != changed && link_may_be_of(e) && link_take(n, e);
    if (had || has)
        link_apply(n);
}

void names_link_gone(struct names_link *n, struct vm_entry *e)
{
    if (n->vm != e)
        return;
    link_leave(n);
    for (struct vm_entry *other = NULL; n->wanted && !n->vm && (other = vm_next(n->core, other));)
        if (other != e && link_may_be_of(other))
            link_take(n, other);
    link_apply(n);
}

static void link_again(void *arg)
{
    link_apply(arg);
}

/* The room's */

struct names_link *names_link_new(struct core *core, names_link_answer_fn *answer, void *arg)
{
    struct names_link *n = calloc(1, sizeof(*n));
    if (!n || timer_init(&n->retry, core->loop, link_again, n) < 0) {
        free(n);
        return NULL;
    }
    n->core = core;
    n->answer = answer;
    n->arg = arg;
    n->fd = -1;
    n->wanted = core->config.dns_resolved;
    char note[PATH_BYTES];
    snprintf(note, sizeof(note), "%s/resolved", core->config.state_dir);
    if (access(note, F_OK) == 0) /* a daemon before has left it */
        link_apply(n);
    return n;
}

void names_link_end(struct names_link *n)
{
    bool had = n->vm != NULL;
    n->wanted = false;
    link_leave(n);
    if (had)
        link_apply(n);
}

void names_link_free(struct names_link *n)
{
    if (!n)
        return;
    timer_done(&n->retry);
    link_leave(n);
    n->closed = true;
    link_free(n);
}

const char *names_link_state(const struct names_link *n, bool *failed)
{
    static char text[TEXT_BYTES];
    *failed = n->why.code != ERR_NONE;
    if (*failed)
        snprintf(text, sizeof(text), "%.200s", n->why.message);
    else if (n->set)
        snprintf(text, sizeof(text), "systemd-resolved asks there for NAME.vm, over %s", n->link);
    else
        snprintf(text, sizeof(text), "systemd-resolved is told as soon as a VM with a tap runs");
    return text;
}
