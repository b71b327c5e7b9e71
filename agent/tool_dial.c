/* A connection within the guest:
 *
 *   dial tcp HOST PORT        HOST "": the guest's loopback
 *   dial unix PATH
 *   dial accepted NAME ID     one that the tool listen has accepted; NAME is that listener's
 *   dial sftp                 to an SFTP server of our own (sftp.h), a process beside this one
 *
 * See tool_relay.c for what goes through stdin and stdout. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sftp.h"
#include "agent/tool.h"
#include "agent/tool_socket.h"

static int dial_accepted(const char *name, const char *id)
{
    char path[SOCKET_NAME_BYTES];
    snprintf(path, sizeof(path), "@%s", name);
    int sock = socket_dial_unix(path);
    if (write(sock, id, strlen(id) + 1) < 0)
        tool_fail(errno, "cannot ask the listener: %s", strerror(errno));
    fcntl(sock, F_SETFL, 0); /* the answer is waited for */
    int fd = socket_take(sock);
    close(sock);
    if (fd < 0)
        tool_fail(ENOENT, "no accepted connection %.40s is waiting", id);
    return fd;
}

/* It ends with its connection, and with this tool, whose process group it is in. */
static int dial_sftp(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        tool_fail(errno, "no sockets: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        tool_fail(errno, "no process: %s", strerror(errno));
    if (pid == 0) {
        dup2(pair[1], STDIN_FILENO);
        dup2(pair[1], STDOUT_FILENO);
        close(pair[0]);
        close(pair[1]);
        _exit(sftp_run());
    }
    close(pair[1]);
    return pair[0];
}

int tool_dial(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    if (strcmp(kind, "tcp") == 0 && argc == 4)
        socket_relay(socket_dial_tcp(argv[2], argv[3]));
    if (strcmp(kind, "unix") == 0 && argc == 3)
        socket_relay(socket_dial_unix(argv[2]));
    if (strcmp(kind, "accepted") == 0 && argc == 4)
        socket_relay(dial_accepted(argv[2], argv[3]));
    if (strcmp(kind, "sftp") == 0 && argc == 2)
        socket_relay(dial_sftp());
    tool_fail(EINVAL, "dial tcp HOST PORT | unix PATH | accepted NAME ID | sftp");
}
