/* See sink.h. A pipe is opened anew by its /proc name, so that O_NONBLOCK is ours alone; for
 * anything else poll is asked first and no more than PIPE_BUF bytes are written at once. */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void sink_init(struct sink *sink, int fd)
{
    *sink = (struct sink){.fd = fd, .blocking = true};
    struct stat st;
    if (fstat(fd, &st) < 0)
        return;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
        sink->file = true;
        return;
    }
    if (!S_ISFIFO(st.st_mode))
        return;
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (own < 0)
        return;
    sink->fd = own;
    sink->own = true;
    sink->blocking = false;
}

void sink_done(struct sink *sink)
{
    if (sink->own)
        close(sink->fd);
}

ssize_t sink_write(struct sink *sink, const void *data, size_t len)
{
    if (sink->blocking && !sink->file) {
        struct pollfd p = {.fd = sink->fd, .events = POLLOUT};
        if (poll(&p, 1, 0) <= 0)
            return 0;
        if (len > PIPE_BUF)
            len = PIPE_BUF;
    }
    ssize_t n = write(sink->fd, data, len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n;
}
