/* Published ports: the daemon listens for VMs at addresses of the host, and carries each connection
 * into the guest by the agent's tool dial, as ForwardService does. On the loop's thread.
 *
 * So it needs no privileges, no network of the guest's, and is the same with every driver. Who
 * connects waits in the kernel's backlog until the guest answers, and while too many others are
 * there; who is slow is waited for. */
#ifndef BANGER_DAEMON_CORE_PUBLISH_PUBLISH_H
#define BANGER_DAEMON_CORE_PUBLISH_PUBLISH_H

struct core;
struct err;
struct publish_room;

enum {
    PUBLISH_PER_VM = 128,      /* connections; each is a process in the guest */
    PUBLISH_ALL = 1024,        /* of all VMs, and a quarter of the files that there may be */
    PUBLISH_RETRY_MS = 2000,   /* until a port that was taken is asked for again */
    PUBLISH_LINGER_MS = 30000, /* for a client to take what is left, after its guest's end */
};

/* Listens for VMs from here on, those that run included. */
struct publish_room *publish_room_new(struct core *core, struct err *err);
/* Listeners and connections end. NULL is fine. */
void publish_room_free(struct publish_room *room);

#endif
