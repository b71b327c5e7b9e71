/* The files of a console log: PATH, and PATH.1 with what was before. Each byte has an offset that
 * stays, counted from the first that was ever written. For workers. */
#ifndef BANGER_DAEMON_VMM_CONSOLE_LOG_H
#define BANGER_DAEMON_VMM_CONSOLE_LOG_H

#include <stdint.h>

struct err;

/* Both as they are at one moment. */
struct console_log {
    int fd, old_fd;          /* -1: there is none */
    uint64_t base, old_base; /* offsets of their first bytes; base is old's end */
    uint64_t end;            /* offset behind the last byte */
};

/* Never fails: a log that is not there is empty. To be closed. */
void console_log_open(const char *path, struct console_log *log);
void console_log_close(struct console_log *log);
/* PATH becomes PATH.1, in place of the one before. */
void console_log_rotate(const char *path);
/* Removes all of it; missing files are fine. */
void console_log_remove(const char *path, struct err *err);

#endif
