/* A Unix socket between daemon and agent that misbehaves as channels do: it cuts connections after
 * a number of bytes, and hands bytes on in odd pieces. PROXY_PORT behaves as virtio-serial: the
 * agent's side stays open when the daemon's is cut, what the daemon had under way is lost
 * mid-frame, and what the agent had written is delivered to the next connection. PROXY_VSOCK is a
 * socket that has to be asked for the guest's port 52, and refuses the first connections as a guest
 * does that has not come so far. On the loop of the test. */
#ifndef BANGER_TESTS_PROXY_H
#define BANGER_TESTS_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "rpc/event/loop.h"

enum proxy_kind { PROXY_SOCKET, PROXY_PORT, PROXY_VSOCK };
enum { PROXY_VSOCK_PORT = 52, PROXY_VSOCK_REFUSALS = 3 };

struct proxy {
    struct loop *loop;
    enum proxy_kind kind;
    char path[96], upstream[96];
    int listen_fd, down_fd, up_fd;
    struct watch listen_watch, down_watch, up_watch;
    struct buf to_up, to_down;
    size_t cut_min, cut_max; /* bytes, both ways together, until the next cut; 0: never */
    size_t budget;
    bool refuse; /* take no new connections' bytes */
    unsigned cuts, refusals;
    size_t passed;
};

void proxy_open(struct proxy *p, struct loop *loop, enum proxy_kind kind, const char *path,
                const char *upstream);
/* From now on; counts for the connection that is open, too. */
void proxy_set_cuts(struct proxy *p, size_t min, size_t max);
void proxy_cut(struct proxy *p);
void proxy_close(struct proxy *p);

#endif
