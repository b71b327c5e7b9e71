/* What the kinds of channel over a Unix socket share; for channel_*.c alone. */
#ifndef BANGER_DAEMON_GUEST_CHANNEL_SOCKET_H
#define BANGER_DAEMON_GUEST_CHANNEL_SOCKET_H

#include "base/err.h"
#include "daemon/guest/channel.h"

struct channel_socket {
    struct channel base;
    int fd; /* owned */
    struct watch watch;
    struct err why; /* code set: it is over */
};

/* Connects and watches for nothing yet. 0, or -1 with err and nothing to be undone. */
int channel_socket_open(struct channel_socket *s, const struct channel_kind *kind,
                        struct loop *loop, const char *path, channel_ready_fn *ready, void *arg,
                        struct err *err);
void channel_socket_done(struct channel_socket *s);
/* It is over, for this reason if it is the first. From now on the socket is readable. */
void channel_socket_fail(struct channel_socket *s, const struct err *why);

/* As the methods of the table. */
size_t channel_socket_send(struct channel *c, const struct iovec *iov, size_t n);
ssize_t channel_socket_recv(struct channel *c, void *room, size_t len, struct err *err);
void channel_socket_want(struct channel *c, int events);
bool channel_socket_is_alive(const struct channel *c);

#endif
