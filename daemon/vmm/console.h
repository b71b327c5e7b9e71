/* The console log of a VM on disk: appended by worker jobs, in order, bounded.
 *
 * At CONSOLE_FILE_BYTES the file becomes PATH.1 (replacing the one before) and a new one begins, so
 * a guest that talks for ever costs twice that (console_log.h has the files). What comes faster
 * than the disk takes it is dropped. The file is opened for each piece, so it may be moved away at
 * any time. While no daemon runs nothing is written: qemu holds the latest QEMU_RING_BYTES, what
 * the sim's agent says waits in its FIFO. Who reads it as it grows: console_watch.h. */
#ifndef BANGER_DAEMON_VMM_CONSOLE_H
#define BANGER_DAEMON_VMM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "daemon/model/model.h"

struct console_job;
struct console_line;
struct vmm_host;

enum { CONSOLE_FILE_BYTES = 1 << 20, CONSOLE_PENDING_BYTES = 256 * 1024 };

struct console {
    struct vmm_host *host;
    char path[PATH_BYTES];
    struct buf pending;      /* not yet given to a job */
    struct console_job *job; /* under way; frees itself */
    bool fresh_due;          /* readers are to be told when all is on disk */
    bool (*refresh)(void *arg);
    void *refresh_arg;
    const struct console_line *line; /* console_input.h; NULL: nothing can be typed */
    void *line_arg;
    struct list link; /* of the host's */
};

void console_init(struct console *c, struct vmm_host *host, const char *path);
/* Asks for what the guest has said; true: console_is_fresh follows, from the loop. Set it for a
 * guest whose words do not come by themselves. */
void console_set_refresh(struct console *c, bool (*refresh)(void *arg), void *arg);
/* All that the guest had said has been appended. */
void console_is_fresh(struct console *c);
/* What is pending is lost, but for a job under way, which runs out alone. */
void console_done(struct console *c);
void console_append(struct console *c, const void *text, size_t len);

#endif
