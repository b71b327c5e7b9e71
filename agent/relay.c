/* The relay; see relay.h. It has no loop but poll, and no state but two buffers: what one side does
 * not take stops the other from being read. */
#include "agent/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/relay.h"

enum { START_MS = 10000, LOOK_US = 5000, PIPE_BYTES = 64 * 1024 };

static int fail(const char *what)
{
    fprintf(stderr, "banger-agent: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int dial(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

/* In a session of its own, a child of nobody that ends, with nothing of ours open: who runs the
 * relay waits for all that holds its output. */
static _Noreturn void become_agent(const char *path, const char *spool, bool no_system,
                                   bool of_machine)
{
    const char *argv[9] = {"banger-agent", "--listen", path};
    size_t n = 3;
    if (spool) {
        argv[n++] = "--spool";
        argv[n++] = spool;
    }
    if (no_system)
        argv[n++] = "--no-system";
    if (of_machine)
        argv[n++] = "--of-machine";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    setsid();
    if (fork() == 0)
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(EXIT_FAILURE);
}

/* Of several relays that find no agent one starts it, and the others find it. */
static int dial_or_start(const char *path, const char *spool, bool no_system, bool of_machine)
{
    int fd = dial(path);
    if (fd >= 0)
        return fd;
    char lock[256];
    snprintf(lock, sizeof(lock), "%s.lock", path);
    auto_fd int lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_fd < 0 || flock(lock_fd, LOCK_EX) < 0)
        return -1;
    fd = dial(path);
    if (fd >= 0)
        return fd;
    pid_t pid = fork();
    if (pid == 0)
        become_agent(path, spool, no_system, of_machine);
    if (pid < 0 || waitpid(pid, NULL, 0) < 0)
        return -1;
    int64_t deadline_ms = clock_mono_ms() + START_MS;
    while ((fd = dial(path)) < 0 && clock_mono_ms() < deadline_ms)
        usleep(LOOK_US);
    return fd;
}

/* One direction. */
struct flow {
    int from, to;
    size_t head, len;
    uint8_t data[PIPE_BYTES];
};

static bool would_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* False at its end: nothing more comes, and all that came was taken; or it cannot be given. */
static bool flow_turn(struct flow *f, short from_events, short to_events)
{
    if (f->len == 0 && from_events) {
        ssize_t n = read(f->from, f->data, sizeof(f->data));
        if (n == 0 || (n < 0 && !would_wait()))
            return false;
        f->head = 0;
        f->len = n > 0 ? (size_t)n : 0;
        to_events = POLLOUT;
    }
    if (f->len > 0 && to_events) {
        ssize_t n = write(f->to, f->data + f->head, f->len);
        if (n < 0 && !would_wait())
            return false;
        f->head += n > 0 ? (size_t)n : 0;
        f->len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The daemon's end is told to the agent, which ends its own; that is the end of it, behind all that
 * the agent has said. */
static int pass(struct flow *in, struct flow *out)
{
    bool in_open = true;
    for (;;) {
        struct pollfd p[4] = {{in_open && !in->len ? in->from : -1, POLLIN, 0},
                              {in_open && in->len ? in->to : -1, POLLOUT, 0},
                              {out->len ? -1 : out->from, POLLIN, 0},
                              {out->len ? out->to : -1, POLLOUT, 0}};
        if (poll(p, 4, -1) < 0 && errno != EINTR)
            return fail("poll");
        if (in_open && !flow_turn(in, p[0].revents, p[1].revents)) {
            in_open = false;
            shutdown(in->to, SHUT_WR);
        }
        if (!flow_turn(out, p[2].revents, p[3].revents))
            return EXIT_SUCCESS;
    }
}

int relay_stdio_run(const char *path, const char *spool, bool no_system, bool of_machine)
{
    static struct flow in, out; /* not on the stack */
    signal(SIGPIPE, SIG_IGN);
    auto_fd int fd = dial_or_start(path, spool, no_system, of_machine);
    if (fd < 0)
        return fail(path);
    if (write(STDOUT_FILENO, RELAY_GREETING, strlen(RELAY_GREETING)) < 0)
        return fail("standard output");
    for (int i = 0; i < 3; i++) {
        int of = i == 2 ? fd : i;
        fcntl(of, F_SETFL, fcntl(of, F_GETFL) | O_NONBLOCK);
    }
    in.from = STDIN_FILENO;
    out.to = STDOUT_FILENO;
    in.to = out.from = fd;
    return pass(&in, &out);
}
