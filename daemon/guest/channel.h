/* A byte channel into a guest, as a table of calls: the agent protocol runs over any kind of it.
 *
 * A kind is a const table, a channel one connection of it, on the loop's thread. Nothing blocks,
 * and nothing is reported from inside a call of the table: `ready` comes from the loop alone, as
 * long as what is wanted can be done (level-triggered), and may close the channel. A channel is a
 * stream without messages: any call may move less than it was given, one byte included.
 *
 * It may be used from the moment it is opened. Where a kind has to shake hands first, nothing is
 * taken and nothing comes until it has; a peer that is silent meanwhile ends it after open_ms.
 *
 * The end of a channel has one place: recv says it, behind the bytes that came before it, whether
 * the other end has gone (a stream that is closed in one direction is over), a send has failed or
 * the handshake has; WATCH_READ is ready for it. Whoever wants the guest again opens another
 * channel: what was under way in either direction may be lost, at any byte.
 *
 * tests/integration/guest/channel_conformance.c holds every kind to this. */
#ifndef BANGER_DAEMON_GUEST_CHANNEL_H
#define BANGER_DAEMON_GUEST_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/model/model.h"
#include "rpc/event/loop.h"

struct channel;
struct err;
struct iovec;

enum {
    CHANNEL_OPEN_MS = 5000,
    CHANNEL_SSH_OPEN_MS = 60000, /* ssh's: keys, and a copy of the agent, by an emulated guest */
};

/* A connected TCP socket, the callee's; or -1 with err, borrowed. */
typedef void channel_dialed_fn(void *arg, int fd, const struct err *err);

/* Where a guest with an SSH server is, what to bring along, and which key it has to show. */
struct channel_ssh_config {
    const char *program; /* banger-ssh: daemon/guest/ssh/ssh.h */
    const char *user;    /* in the guest */
    const char *key;     /* file: a private key that the guest trusts, without a passphrase */
    const char *agent;   /* file: banger-agent for the guest */
    /* In the guest: where it goes, with its socket and its spool; "~/…": from the user's home. */
    const char *folder;
    bool no_system; /* the agent's option: for tests */
    /* The guest's, "TYPE SHA256:…": a channel whose guest shows another is over. "": any. */
    char host_key[SSH_HOST_KEY_BYTES];
    /* Which one the guest has shown: before the channel is open, or instead of it (refused). */
    void (*saw_host_key)(void *arg, const char *host_key, bool refused);
    /* Makes the connection: 0 and done comes once, later, unless hang_up comes before; or -1 with
     * err. One at a time. NULL: config.port of 127.0.0.1. */
    int (*dial)(void *arg, channel_dialed_fn *done, void *done_arg, struct err *err);
    void (*hang_up)(void *arg);
    void *arg; /* of these three */
};

/* Where the guest is; what a kind does not know is ignored by it. */
struct channel_config {
    const struct channel_kind *kind;
    char socket_path[SOCKET_PATH_BYTES];
    uint32_t port;   /* vsock: the guest's; ssh without dial: of 127.0.0.1, the guest's server */
    int64_t open_ms; /* for a handshake; 0: the kind's */
    const struct channel_ssh_config *ssh; /* outlives every channel */
};

typedef void channel_ready_fn(void *arg, int events); /* events: WATCH_* of loop.h */

struct channel_kind {
    const char *name; /* for people */
    int64_t open_ms;  /* that a handshake may take where the config says nothing; 0: it has none */
    /* The channel, the caller's to close, or NULL with err (nobody listens, no such path, no
     * memory). config is borrowed for the call. */
    struct channel *(*open)(struct loop *loop, const struct channel_config *config,
                            channel_ready_fn *ready, void *arg, struct err *err);
    /* How many bytes of the vector were taken, from its beginning; 0 when none can be now, or never
     * again: then recv says why. */
    size_t (*send)(struct channel *c, const struct iovec *iov, size_t n);
    /* Bytes read, 0 when there are none now, or -1 with err: the channel is over, and every further
     * call says the same. len is not 0. */
    ssize_t (*recv)(struct channel *c, void *room, size_t len, struct err *err);
    /* Replaces what ready is to come for: WATCH_READ, WATCH_WRITE; at first nothing. */
    void (*want)(struct channel *c, int events);
    /* False once it is known to be over, which is when nothing more can be sent; no system call. */
    bool (*is_alive)(const struct channel *c);
    /* At any time, from inside ready too; nothing comes after it, and c is gone. */
    void (*close)(struct channel *c);
};

/* A kind's channel starts with this. */
struct channel {
    const struct channel_kind *kind;
};

/* channel_NAME, in daemon/guest/channel_NAME.c.
 * unix: a Unix socket whose other end is the agent: virtio-serial under qemu, or sim.
 * vsock: a port of the guest's vsock behind the VMM's Unix socket, as Firecracker has it.
 * ssh: a guest's own SSH server, which gets the agent by SFTP and runs it. */
#define CHANNEL_DECLARE(value, name) extern const struct channel_kind channel_##name;
GUEST_CHANNEL_KINDS(CHANNEL_DECLARE)
#undef CHANNEL_DECLARE

/* Never NULL. */
const struct channel_kind *channel_find(enum guest_channel_kind kind);

/* How long its handshake may take. */
static inline int64_t channel_open_ms(const struct channel_config *c)
{
    return c->open_ms > 0 ? c->open_ms : c->kind->open_ms;
}

static inline size_t channel_send(struct channel *c, const struct iovec *iov, size_t n)
{
    return c->kind->send(c, iov, n);
}

static inline ssize_t channel_recv(struct channel *c, void *room, size_t len, struct err *err)
{
    return c->kind->recv(c, room, len, err);
}

static inline void channel_want(struct channel *c, int events)
{
    c->kind->want(c, events);
}

/* NULL is none. */
static inline bool channel_is_alive(const struct channel *c)
{
    return c && c->kind->is_alive(c);
}

/* NULL is fine. */
static inline void channel_close(struct channel *c)
{
    if (c)
        c->kind->close(c);
}

#endif
