/* See std_fds.h. */
#include "base/std_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void std_fds_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The other way round than it is used, so that use is still an error; the lowest free
         * descriptor is this one. Process 1 may be without /dev. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            (void)!open("/", O_RDONLY | O_DIRECTORY);
    }
}
