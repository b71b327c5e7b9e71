/* The kinds of guest channel by their place in the model. */
#include "daemon/guest/channel.h"

const struct channel_kind *channel_find(enum guest_channel_kind kind)
{
#define CHANNEL_ROW(value, name) [GUEST_CHANNEL_##value] = &channel_##name,
    static const struct channel_kind *const kinds[] = {GUEST_CHANNEL_KINDS(CHANNEL_ROW)};
#undef CHANNEL_ROW
    return kinds[kind];
}
