/* What the files of published ports share. */
#ifndef BANGER_DAEMON_CORE_PUBLISH_PUBLISH_INTERNAL_H
#define BANGER_DAEMON_CORE_PUBLISH_PUBLISH_INTERNAL_H

#include "base/list.h"
#include "daemon/core/publish/publish.h"
#include "daemon/core/vm/vm.h"
#include "daemon/model/vm_publish.h"
#include "rpc/event/loop.h"

struct publish_room {
    struct core *core;
    struct vm_listener listener;
    struct list all;   /* struct published */
    unsigned n_relays; /* of all VMs */
    unsigned max_relays;
};

/* One that is listened on. */
struct publish_port {
    struct published *of;
    struct vm_publish asked, at; /* at: with the port as it is */
    struct watch watch;
    int fd;
};

/* What a VM has; in its slot. */
struct published {
    struct list link; /* publish_room.all */
    struct publish_room *room;
    struct vm_entry *vm;                        /* counted */
    struct publish_port *ports[VM_PUBLISH_MAX]; /* owned */
    size_t n_ports;
    struct list relays; /* struct publish_relay, of publish_relay.c */
    unsigned n_relays;
    struct timer retry; /* of what could not be had: a port, or files for more connections */
    bool short_of_files;
    struct vm_condition condition; /* where a port could not be had */
    char missing[TEXT_BYTES];
};

/* publish_listen.c: a socket that listens there; port 0 takes a free one, which `at` has then. The
 * fd, or -1: ERR_PRECONDITION (PORT_TAKEN, ADDRESS_UNAVAILABLE), ERR_LIMIT (FILES_LIMIT). */
int publish_listen(const struct publish_room *room, const struct vm_entry *vm,
                   struct vm_publish *at, struct err *err);
/* Of a guest that takes connections now; accepts, or leaves them waiting. */
void publish_look(struct published *p);
void publish_ready(void *port, int events);

/* publish_relay.c: takes the client's fd. */
void publish_relay_open(struct published *p, const struct vm_publish *to, int fd);
void publish_relays_close(struct published *p);

#endif
