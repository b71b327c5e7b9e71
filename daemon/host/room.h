/* Room on a file system, asked for before work that would fill it. */
#ifndef BANGER_DAEMON_HOST_ROOM_H
#define BANGER_DAEMON_HOST_ROOM_H

#include <stdint.h>

struct err;

/* Kept free of what takes room, so that what frees it, and the store, can go on. */
#define ROOM_RESERVE_BYTES ((uint64_t)128 << 20)

/* 0 if bytes fit below folder (or, while that is missing, its parents) and leave the reserve, for
 * this user. Else -1 with ERR_LIMIT (DISK_FULL); the message has both numbers. One system call,
 * which may take long on a network's file system. */
int room_check(const char *folder, uint64_t bytes, struct err *err);

#endif
