/* Output of a session line by line: which lines are shown, and when they were written.
 *
 * A line that comes in pieces is one; the bytes of both streams are apart. One longer than
 * LOG_LINE_BYTES counts as several. */
#ifndef BANGER_SHELL_LOG_LINES_H
#define BANGER_SHELL_LOG_LINES_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_BYTES = 64 * 1024 };

struct log_line {
    char *data; /* owned; the line so far */
    size_t len;
    int64_t time_ns; /* of its first byte; 0: not known */
};

struct log_lines {
    const char *pattern; /* NULL: every line; borrowed */
    bool ignore_case, invert, timestamps;
    regex_t regex;
    bool compiled;
    struct log_line lines[2];
    unsigned long long n_shown;
};

/* pattern: POSIX extended; NULL: none. 0, or EXIT_BANGER with the error printed. */
int log_lines_init(struct log_lines *l, const char *pattern, bool ignore_case, bool invert,
                   bool timestamps);
void log_lines_done(struct log_lines *l);
/* stream: 1 to standard output, 2 to standard error. -1 with errno: it could not be written. */
int log_lines_take(struct log_lines *l, int stream, const uint8_t *data, size_t len,
                   int64_t time_ns);
/* No more comes behind what has no newline yet. */
int log_lines_end(struct log_lines *l, int stream);

#endif
