/* Who holds a state folder: a note in its lock file, by which clients and other daemons find the
 * daemon that serves the folder, wherever its socket is.
 *
 * A note outlives its writer. It is believed only where a process of that pid is the very one (by
 * its start time and the host's boot). The lock itself is flock's, on the folder and on the file:
 * see daemon/state_dir.h. All of it blocks on files, for a moment. */
#ifndef BANGER_BASE_HOLDER_H
#define BANGER_BASE_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/id.h"
#include "base/paths.h"

struct err;

enum { HOLDER_WORD_BYTES = 64, HOLDER_SOCKET_BYTES = 108, HOLDER_TEXT_BYTES = 1024 };

#define HOLDER_STARTING "starting"
#define HOLDER_SERVING  "serving"
#define HOLDER_ENDING   "ending"

struct holder {
    pid_t pid;
    uint64_t start_time;               /* clock ticks since boot, /proc/PID/stat field 22 */
    char boot_id[HOLDER_WORD_BYTES];   /* in which the pid means anything */
    char folder_id[HOLDER_WORD_BYTES]; /* the state folder's own */
    char phase[HOLDER_WORD_BYTES];     /* HOLDER_STARTING, … */
    char version[HOLDER_WORD_BYTES];   /* of the daemon */
    char socket[HOLDER_SOCKET_BYTES];  /* where it listens; "": nowhere yet */
};

enum holder_found {
    HOLDER_NOBODY,
    HOLDER_ALIVE,   /* the process of the note lives */
    HOLDER_UNKNOWN, /* the lock is held, the note does not say by whom: an older daemon */
};

/* Fills pid, start_time and boot_id with the calling process. */
int holder_self(struct holder *h, struct err *err);
/* Text of the lock file. Returns its length. */
size_t holder_write(const struct holder *h, char text[HOLDER_TEXT_BYTES]);
/* -1 for anything but a whole note; *h is zeros then. */
int holder_read(const char *text, struct holder *h);
/* Whether that very process lives. */
bool holder_lives(const struct holder *h);
/* A pidfd of that very process, or -1 when it has ended. The caller's. */
int holder_pidfd(const struct holder *h);
/* Looks at the lock file in state_dir; *h is zeros unless HOLDER_ALIVE. HOLDER_UNKNOWN has a pid at
 * most, for people: who the kernel says holds the lock. */
enum holder_found holder_find(const char *state_dir, struct holder *h);

#endif
