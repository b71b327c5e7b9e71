/* Connecting to one of a host's addresses, the first that answers. Not installed.
 *
 * As RFC 8305 ("Happy Eyeballs") has it: each address gets a start of a quarter of a second before
 * the next is tried beside it, or none where it refuses; families take turns. Nothing waits:
 * sockets are in the owner's epoll set, and dial_step is called when one of them, or the time, is
 * due. */
#ifndef BANGER_CLIENT_DIAL_H
#define BANGER_CLIENT_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct addrinfo;

enum { DIAL_ADDRESSES = 16, DIAL_NEXT_MS = 250, DIAL_TIMEOUT_MS = 10000 };

struct dial {
    int epoll_fd;               /* borrowed */
    const char *name;           /* borrowed; HOST:PORT, for messages */
    struct addrinfo *addresses; /* owned; NULL: it does nothing */
    const struct addrinfo *order[DIAL_ADDRESSES];
    int fds[DIAL_ADDRESSES]; /* by place in order; -1: not begun, or over */
    size_t n, n_begun;       /* addresses */
    int64_t next_ms;         /* when the next address is begun */
    int64_t until_ms;        /* when all of it is given up */
    struct err why;          /* why the latest failed */
};

/* Takes the addresses. */
void dial_start(struct dial *dial, int epoll_fd, const char *name, struct addrinfo *addresses);
/* 1: *fd is connected and the caller's, in no epoll set; 0: not yet; -1: none of them, with
 * ERR_UNAVAILABLE. */
int dial_step(struct dial *dial, int *fd, struct err *err);
/* Monotonic time at which dial_step must be called. */
int64_t dial_due_ms(const struct dial *dial);
/* Gives up. Fine for one that is zero. */
void dial_stop(struct dial *dial);

#endif
