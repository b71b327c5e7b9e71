/* The console log of a VM on disk: appended by worker jobs, in order, bounded.
 *
 * At CONSOLE_FILE_BYTES the file becomes PATH.1 (replacing the one before) and a new one begins, so
 * a guest that talks for ever costs twice that. What comes faster than the disk takes it is
 * dropped. */
#ifndef BANGER_DAEMON_VMM_CONSOLE_H
#define BANGER_DAEMON_VMM_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "daemon/model/model.h"

struct console_job;
struct err;
struct workers;

enum { CONSOLE_FILE_BYTES = 1 << 20, CONSOLE_PENDING_BYTES = 256 * 1024 };

struct console {
    struct workers *workers;
    char path[PATH_BYTES];
    struct buf pending;      /* not yet given to a job */
    struct console_job *job; /* under way; frees itself */
};

void console_init(struct console *c, struct workers *workers, const char *path);
/* What is pending is lost, but for a job under way, which runs out alone. */
void console_done(struct console *c);
void console_append(struct console *c, const void *text, size_t len);
/* RFC 4648; bytes written to out, or -1 when text is no base64 or more than size bytes. */
ssize_t console_decode_base64(const char *text, size_t len, uint8_t *out, size_t size);
/* Removes the log and its predecessor. On a worker. */
void console_remove(const char *path, struct err *err);

#endif
