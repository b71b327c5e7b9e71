/* Whether there is room for what is about to be begun. */
#ifndef BANGER_DAEMON_CORE_HOST_ROOM_H
#define BANGER_DAEMON_CORE_HOST_ROOM_H

#include <stdint.h>

struct core;
struct err;

/* What a build needs at its height: the tree, its archive and the file system lie side by side. */
#define ROOM_BUILD_BYTES ((uint64_t)1 << 30)

/* 0 if bytes fit into the state folder's file system and leave its reserve; -1 with ERR_LIMIT
 * (DISK_FULL), whose message has both numbers. Any thread; see room_check (daemon/host/room.h). */
int core_check_room(const struct core *core, uint64_t bytes, struct err *err);

#endif
