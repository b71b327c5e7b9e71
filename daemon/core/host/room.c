/* See room.h. */
#include "daemon/core/host/room.h"

#include "daemon/core/core.h"
#include "daemon/host/room.h"

int core_check_room(const struct core *core, uint64_t bytes, struct err *err)
{
    return room_check(core->config.state_dir, bytes, err);
}
