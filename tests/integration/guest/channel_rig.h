/* A kind of guest channel with its other end, for the conformance suite. The other end is a channel
 * too, so that a test drives both in the same way. */
#ifndef BANGER_TESTS_CHANNEL_RIG_H
#define BANGER_TESTS_CHANNEL_RIG_H

#include "daemon/guest/channel.h"

struct rig {
    const char *name;
    size_t volume_bytes; /* what is much for it */
    bool late;           /* what one end does shows at the other some time later */
    unsigned stride;     /* of many connections in a row it makes each such one; 0: all */
    /* Peers may come; fills config. */
    void (*begin)(struct loop *loop, struct channel_config *config);
    /* The other end of the oldest channel that was opened and has none, shaken hands with. */
    struct channel *(*accept)(channel_ready_fn *ready, void *arg);
    /* It will send nothing more, but read. */
    void (*shut)(struct channel *peer);
    /* Nobody listens any more; config stays. */
    void (*end)(void);
};

/* One for every kind, and two of the suite's own. */
#define RIG_DECLARE(value, name) extern const struct rig rig_##name;
GUEST_CHANNEL_KINDS(RIG_DECLARE)
#undef RIG_DECLARE
extern const struct rig rig_memory, rig_trickle;

/* Parts of the rigs over Unix sockets. */
struct channel *rig_socket_take(int fd, channel_ready_fn *ready, void *arg);
void rig_socket_begin(struct loop *loop, struct channel_config *config);
int rig_socket_accept(void);
int rig_socket_listener(void);
void rig_socket_end(void);

#endif
