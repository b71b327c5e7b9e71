/* An output that may be slow: never blocks, never changes flags that other programs share. */
#ifndef BANGER_SHELL_SINK_H
#define BANGER_SHELL_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sink {
    int fd;        /* to write to and to poll */
    bool own;      /* fd was opened here */
    bool blocking; /* fd may block: small pieces, after poll */
    bool file;     /* always ready */
};

void sink_init(struct sink *sink, int fd);
void sink_done(struct sink *sink);
/* Bytes written, 0 when it takes nothing now (poll sink->fd for POLLOUT), -1 with errno. */
ssize_t sink_write(struct sink *sink, const void *data, size_t len);

#endif
