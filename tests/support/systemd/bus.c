#include "tests/support/systemd/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

enum { BUS_MS = 10000 };

const char *systemd_bus_lacks(void)
{
    if (geteuid() != 0)
        return "no root";
    return access("/usr/bin/dbus-daemon", X_OK) < 0 ? "no dbus-daemon (dbus)" : NULL;
}

/* in and out become its stdin and stdout. */
static pid_t run(const char *const *argv, int in, int out)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    dup2(in, 0);
    dup2(out, 1);
    closefrom(3);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static pid_t run_told(const char *const *argv, int *in_fd, int *out_fd)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = run(argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    *in_fd = in[1];
    *out_fd = out[0];
    return pid;
}

static const char *read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (n < size - 1 && poll(&p, 1, BUS_MS) > 0 && read(fd, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    return line;
}

const char *systemd_bus_line(struct systemd_bus *b, char *line, size_t size)
{
    return read_line(b->out_fd, line, size);
}

bool systemd_bus_open(struct systemd_bus *b, const char *const *arguments)
{
    char address[96], line[256];
    const char *stand_in[4] = {SYSTEMD_STAND_IN_FILE};
    strcpy(b->dir, "/tmp/banger-bus-XXXXXX");
    if (!mkdtemp(b->dir))
        return false;
    snprintf(address, sizeof(address), "--address=unix:path=%s/bus", b->dir);
    const char *const daemon[] = {"/usr/bin/dbus-daemon", "--session", "--nofork", "--nopidfile",
                                  "--print-address=1",    address,     NULL};
    int out_fd;
    b->daemon = run_told(daemon, &b->daemon_fd, &out_fd);
    bool up = strncmp(read_line(out_fd, line, sizeof(line)), "unix:", 5) == 0;
    close(out_fd);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", strchr(address, '=') + 1, 1);
    for (size_t i = 0; i < 2 && arguments && arguments[i]; i++)
        stand_in[i + 1] = arguments[i];
    b->stand_in = run_told(stand_in, &b->in_fd, &b->out_fd);
    up = up && strcmp(systemd_bus_line(b, line, sizeof(line)), "ready") == 0;
    if (!up)
        fprintf(stderr, "no bus, or no systemd on it: \"%s\"\n", line);
    return up;
}

void systemd_bus_close(struct systemd_bus *b)
{
    close(b->in_fd);
    close(b->out_fd);
    kill(b->stand_in, SIGTERM); /* another child of the test's may have the pipe, too */
    while (waitpid(b->stand_in, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(b->daemon_fd);
    kill(b->daemon, SIGTERM);
    while (waitpid(b->daemon, NULL, 0) < 0 && errno == EINTR)
        continue;
    fs_remove_tree(b->dir, NULL);
    unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}
