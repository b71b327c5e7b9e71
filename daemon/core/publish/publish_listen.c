/* Sockets that listen for VMs, and when they accept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/publish/publish_internal.h"

enum { BACKLOG = 128, ACCEPT_AT_ONCE = 16 };

/* Another VM's, or NULL: what listens there is none of ours. */
static const struct vm *listen_find_owner(const struct publish_room *room,
                                          const struct vm_entry *self, const struct vm_publish *at)
{
    list_foreach(l, &room->all)
    {
        const struct published *p = container_of(l, struct published, link);
        for (size_t i = 0; p->vm != self && i < p->n_ports; i++)
            if (vm_publish_collides(&p->ports[i]->at, at))
                return vm_record(p->vm);
    }
    return NULL;
}

static int listen_taken(const struct publish_room *room, const struct vm_entry *vm,
                        const struct vm_publish *at, struct err *err)
{
    char text[VM_PUBLISH_TEXT_BYTES];
    const struct vm *owner = listen_find_owner(room, vm, at);
    vm_publish_text(at, text);
    if (owner)
        err_set(err, ERR_PRECONDITION, "VM %s publishes %s already", owner->name, text);
    else
        err_set(err, ERR_PRECONDITION,
                "%s is taken by another program of this host; \"ss -ltnp 'sport = :%u'\" says by "
                "which",
                text, at->host_port);
    return err_tag(err, "PORT_TAKEN", "vm/%s", vm_record(vm)->id);
}

static int listen_failed(const struct publish_room *room, const struct vm_entry *vm,
                         const struct vm_publish *at, struct err *err)
{
    char text[VM_PUBLISH_TEXT_BYTES];
    int sys = errno;
    if (sys == EADDRINUSE)
        return listen_taken(room, vm, at, err);
    if (sys == EMFILE || sys == ENFILE) {
        err_set(err, ERR_LIMIT, "too many files are open to publish %s", vm_publish_text(at, text));
        return err_tag(err, "FILES_LIMIT", NULL);
    }
    err_set(err, ERR_PRECONDITION, "cannot publish %s: %s%s", vm_publish_text(at, text),
            strerror(sys),
            sys == EACCES ? "; ports below net.ipv4.ip_unprivileged_port_start need root" : "");
    return err_tag(err, "ADDRESS_UNAVAILABLE", "vm/%s", vm_record(vm)->id);
}

int publish_listen(const struct publish_room *room, const struct vm_entry *vm,
                   struct vm_publish *at, struct err *err)
{
    const int on = 1;
    struct sockaddr_storage to;
    socklen_t len;
    if (!vm_publish_sockaddr(at, &to, &len))
        return err_set(err, ERR_INVALID, "\"%s\" is no address", at->address);
    auto_fd int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_failed(room, vm, at, err);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (to.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&to, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&to, &len) < 0)
        return listen_failed(room, vm, at, err);
    at->host_port =
        ntohs(to.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)&to)->sin6_port
                                       : ((const struct sockaddr_in *)(const void *)&to)->sin_port);
    int taken = fd;
    fd = -1;
    return taken;
}

static bool listen_accepts(const struct published *p)
{
    return vm_record(p->vm)->runtime.state == VM_RUNNING && vm_guest_is_ready(p->vm) &&
           !vm_is_paused(p->vm) && !p->short_of_files && p->n_relays < PUBLISH_PER_VM &&
           p->room->n_relays < p->room->max_relays;
}

void publish_look(struct published *p)
{
    bool accepts = listen_accepts(p);
    for (size_t i = 0; i < p->n_ports; i++)
        watch_want(&p->ports[i]->watch, accepts ? WATCH_READ : 0);
}

void publish_ready(void *arg, int events)
{
    struct publish_port *port = arg;
    struct published *p = port->of;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE && listen_accepts(p); i++) {
        int fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            publish_relay_open(p, &port->asked, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            p->short_of_files = true; /* readable all the time, and nothing to be done now */
            timer_start(&p->retry, PUBLISH_RETRY_MS);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    publish_look(p);
}
