/* The kinds of guest channel by their place in the model. */
#include "daemon/guest/channel.h"

const struct channel_kind *channel_find(enum guest_channel_kind kind)
{
    return kind == GUEST_CHANNEL_VSOCK ? &channel_vsock : &channel_unix;
}
