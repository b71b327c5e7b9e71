/* Byte channels into a guest. The agent protocol runs over any of them. */
#ifndef BANGER_DAEMON_GUEST_CHANNEL_H
#define BANGER_DAEMON_GUEST_CHANNEL_H

#include "daemon/model/model.h"

enum channel_kind {
    CHANNEL_UNIX, /* a Unix socket whose other end is the agent: virtio-serial under qemu, or sim */
};

struct channel_config {
    enum channel_kind kind;
    char socket_path[SOCKET_PATH_BYTES];
};

#endif
