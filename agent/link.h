/* The byte channel to the daemon: finds or accepts it, frames in and out, queues with a bound.
 *
 * Four kinds: a virtio-serial port (opened by path, stays open while the host comes and goes), a
 * listening Unix socket or port of the guest's vsock (one connection at a time), an inherited
 * socket. All are read and written until EAGAIN (edge-triggered epoll). What a frame means is the
 * owner's business: it sees every frame and answers whether the link goes on. */
#ifndef BANGER_AGENT_LINK_H
#define BANGER_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/codec.h"
#include "agent/loop.h"
#include "base/buf.h"
#include "base/frame.h"

enum {
    LINK_DATA_BYTES = 256 * 1024,    /* session output is queued while less than this waits */
    LINK_CONTROL_BYTES = 320 * 1024, /* statuses and acknowledgements likewise */
    LINK_INPUT_BYTES = 384 * 1024,   /* requests are taken while less than this waits */
    LINK_QUEUE_BYTES =
        512 * 1024, /* hard bound; the difference is more than one request's answers */
    LINK_WRITE_BYTES = 32 * 1024, /* virtio-serial takes no more at once */
    LINK_LOOK_MS = 20,       /* between looks for a host that has gone or a port not there yet */
    LINK_LOOK_IDLE_MS = 200, /* the same after LINK_LOOK_BUSY looks */
    LINK_LOOK_BUSY = 250,
    LINK_GONE_MS = 200, /* a host away for so long has gone; see host_gone */
};

struct spool;

enum link_kind { LINK_PORT, LINK_LISTENER, LINK_VSOCK, LINK_SOCKET };

struct link {
    struct loop *loop;
    enum link_kind kind;
    const char *path; /* of LINK_LISTENER; of LINK_PORT: device, or NULL to look it up */
    uint32_t port;    /* of LINK_VSOCK */
    int fd;           /* channel, owned; -1: none */
    int listen_fd;    /* owned; -1 for the other kinds */
    struct loop_io io, accept_io;
    struct loop_timer look; /* runs while there is no host */
    int n_looks;
    int64_t away_since_ms; /* the host was not there at the latest looks; 0: it was */
    struct buf in, out;
    size_t zeros;               /* of a preamble, still to be written ahead of out */
    bool linked;                /* the hello of this link has been taken */
    bool more_in, blocked;      /* unread input may wait; the last write would have blocked */
    bool awaits_room;           /* watched for EPOLLOUT */
    bool ended;                 /* LINK_SOCKET has been closed by the peer */
    uint32_t next_in, next_out; /* sequence numbers */
    /* Called for every whole frame, also while not linked. False: something is wrong, start over.
     */
    bool (*on_frame)(struct link *link, const struct frame *frame);
    /* The link is gone: forget what belonged to it. */
    void (*on_lost)(struct link *link);
};

void link_init(struct link *link, struct loop *loop,
               bool (*on_frame)(struct link *, const struct frame *),
               void (*on_lost)(struct link *));
void link_done(struct link *link);
/* device NULL: the port named "agent". Found when it appears. */
void link_use_port(struct link *link, const char *device);
/* Listens when the guest has a vsock; the host alone is let in. */
void link_use_vsock(struct link *link, uint32_t port);
/* Both: 0, or -1 with errno. The fd is taken, also on failure. */
int link_use_listener(struct link *link, const char *path);
int link_use_socket(struct link *link, int fd);

/* Looks for the port or the vsock now rather than at the next look. */
void link_look(struct link *link);

/* A hello has come: forgets what was queued and begins anew with the preamble. */
void link_restart(struct link *link);

/* The daemon is to say hello again, and must not have to find that out by a ping that nobody
 * answers: zeros are no frame, whatever was cut off before them. */
void link_ask_hello(struct link *link);

/* Queues one control message; it is lost where there is no link. */
void link_send(struct link *link, const PB(FromAgent) * message);
/* Queues a data frame of up to max_bytes of a spool from offset on; returns the bytes it took, 0:
 * none. time_ns: when they were read, 0: is not told. */
size_t link_send_data(struct link *link, uint32_t subscription, int stream, uint64_t offset,
                      int64_t time_ns, size_t max_bytes, struct spool *spool);

static inline bool link_takes_data(const struct link *link)
{
    return link->linked && buf_len(&link->out) < LINK_DATA_BYTES;
}

/* More has come, or is coming: the rest of a frame. */
static inline bool link_has_input(const struct link *link)
{
    return link->more_in || buf_len(&link->in) > 0;
}

static inline bool link_takes_control(const struct link *link)
{
    return link->linked && buf_len(&link->out) < LINK_CONTROL_BYTES;
}

/* Writes what is queued and takes input that had to wait. True if there was progress that makes
 * another pump worthwhile. */
bool link_flush(struct link *link);

#endif
