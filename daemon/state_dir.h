/* The state folder: made, checked, locked for one daemon, and looked after while it runs.
 *
 * The lock is flock's on the folder itself, which goes with it wherever it is moved and which no
 * cleaner can delete, and on the file "lock" in it, which says who holds it (base/holder.h) and
 * which older daemons ask for alone. Both go with the process, however it ends.
 *
 * Blocking, on the thread that starts and later on the upkeep's worker alone. */
#ifndef BANGER_DAEMON_STATE_DIR_H
#define BANGER_DAEMON_STATE_DIR_H

#include <stdint.h>

#include "base/holder.h"
#include "base/paths.h"

struct err;

struct state_dir {
    char path[PATHS_BYTES];
    int dir_fd, lock_fd; /* -1: none */
    struct holder note;  /* of ourselves, as the lock file has it */
    int refused;         /* looks in a row that found the new lock file locked by another */
};

/* Makes the folder where it is missing, gives it its identity, and takes the lock: waits up to
 * wait_ms for a daemon that is ending. ERR_EXISTS soon where one serves the folder, with its pid
 * and socket in the text; ERR_DENIED where others may write. */
int state_dir_open(struct state_dir *s, const struct paths *paths, const char *version,
                   int64_t wait_ms, struct err *err);
/* Says in the lock file what we do now: HOLDER_SERVING, HOLDER_ENDING; and where we listen. */
int state_dir_tell(struct state_dir *s, const char *phase, const char *socket, struct err *err);
/* Looks after it: a lock file that is gone or another is made and locked again. -1: it is no longer
 * ours, and err says why: ERR_NOT_FOUND where the folder was moved or deleted, ERR_EXISTS where
 * another holds its lock file at several looks in a row: whoever asks who we are has it for a
 * moment. */
int state_dir_look(struct state_dir *s, struct err *err);
/* Gives the lock back. Harmless on a zeroed one whose fds are -1. */
void state_dir_close(struct state_dir *s);

#endif
