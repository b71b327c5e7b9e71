/* Gives back what comes; see tool.h. */
#include "agent/tool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int tool_echo(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static char block[64 * 1024];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            tool_fail(errno, "cannot read: %s", strerror(errno));
        if (n == 0)
            return 0;
        tool_write(STDOUT_FILENO, block, (unsigned long)n);
    }
}
