/* Structured log: one line an entry on stderr, key=value, a level first.
 * Thread-safe: each entry is one write(2). Text from outside is escaped. Of entries that say the
 * same (format and subject) LOG_BURST go through in LOG_WINDOW_MS, the rest are counted: what a
 * guest or a peer can make happen again and again must not fill a disk. Debug entries are not held
 * back. */
#ifndef BANGER_BASE_LOG_H
#define BANGER_BASE_LOG_H

#include <stddef.h>

enum { LOG_BURST = 20, LOG_WINDOW_MS = 10000 };

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct err;

void log_set_level(enum log_level level);
/* Where entries go; 2 (stderr) until set. The fd is borrowed. */
void log_set_fd(int fd);
/* Told of the bytes of each entry, on the thread that has written it; for log_file.c. */
void log_on_written(void (*written)(size_t n_bytes));

/* fmt makes the message; subject is what it is about, such as "vm/4f…", or NULL. */
void log_entry(enum log_level level, const char *subject, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Message, then the error's code and text. */
void log_err(enum log_level level, const char *subject, const struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(subject, ...) log_entry(LOG_LEVEL_DEBUG, subject, __VA_ARGS__)
#define log_info(subject, ...)  log_entry(LOG_LEVEL_INFO, subject, __VA_ARGS__)
#define log_warn(subject, ...)  log_entry(LOG_LEVEL_WARN, subject, __VA_ARGS__)
#define log_error(subject, ...) log_entry(LOG_LEVEL_ERROR, subject, __VA_ARGS__)

#endif
