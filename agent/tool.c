/* The tools by name; see tool.h. */
#include "agent/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tool_files.h"

static const struct tool tools[] = {
    {"check", tool_check}, {"dial", tool_dial},        {"echo", tool_echo},
    {"files", tool_files}, {"listen", tool_listen},    {"ports", tool_ports},
    {"read", tool_read},   {"tar-in", tool_tar_in},    {"tar-out", tool_tar_out},
    {"watch", tool_watch}, {"write", tool_write_file},
};

int tool_run(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is EPIPE */
    for (size_t i = 0; argc > 0 && i < sizeof(tools) / sizeof(*tools); i++)
        if (strcmp(tools[i].name, argv[0]) == 0)
            return tools[i].run(argc, argv);
    fprintf(stderr, "%d this agent has no tool %.64s\n", ENOSYS, argc > 0 ? argv[0] : "");
    return TOOL_UNKNOWN;
}

void tool_fail(int sys, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
    fprintf(stderr, "%d %s\n", sys, text);
    exit(TOOL_FAILED);
}

void tool_write(int fd, const void *data, unsigned long len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            tool_fail(errno, "cannot write: %s", strerror(errno));
        at += n;
        len -= (unsigned long)n;
    }
}
