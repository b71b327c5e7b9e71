/* statvfs and a comparison; see room.h. */
#include "daemon/host/room.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/model/model.h"

int room_check(const char *folder, uint64_t bytes, struct err *err)
{
    char path[PATH_BYTES + 64];
    struct statvfs st;
    if ((size_t)snprintf(path, sizeof(path), "%s", folder) >= sizeof(path))
        return err_set(err, ERR_INVALID, "path too long: %s", folder);
    while (statvfs(path, &st) < 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || !slash || slash[1] == '\0')
            return err_sys(err, errno, "cannot see how much room is in %s", path);
        slash[slash == path] = '\0'; /* up to the root */
    }
    /* Some blocks are root's alone. */
    uint64_t blocks = geteuid() == 0 ? st.f_bfree : st.f_bavail, free;
    if (__builtin_mul_overflow(blocks, (uint64_t)st.f_frsize, &free))
        free = UINT64_MAX;
    if (free >= ROOM_RESERVE_BYTES && free - ROOM_RESERVE_BYTES >= bytes)
        return 0;
    err_set(err, ERR_LIMIT,
            "%s has too little room: %" PRIu64 " bytes are needed and %" PRIu64
            " kept in reserve, %" PRIu64 " are free",
            path, bytes, ROOM_RESERVE_BYTES, free);
    return err_tag(err, "DISK_FULL", "host");
}
