/* The daemon noun: the local daemon started, stopped, asked for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <banger/local.h>

#include "nouns.h"
#include "table.h"

enum { SOCKET_BYTES = 4096, STOP_MS = 30000, STATUS_NOT_RUNNING = 3, STATUS_NO_ANSWER = 4 };

static int daemon_socket(const struct cli *cli, char socket_path[SOCKET_BYTES])
{
    struct banger_error error;
    if (cli->options.socket) {
        snprintf(socket_path, SOCKET_BYTES, "%s", cli->options.socket);
        return 0;
    }
    if (banger_local_socket(socket_path, SOCKET_BYTES, &error) == 0)
        return 0;
    cli_fail(&error, "find the daemon's socket");
    return -1;
}

/* Where we reached it: not always where the environment says. */
static const char *daemon_at(const struct cli *cli)
{
    const char *target = banger_target(cli->client);
    return strncmp(target, "unix:", 5) == 0 ? target + 5 : target;
}

static int daemon_start(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    printf("bangerd is running at %s\n", daemon_at(cli));
    return cli_end_output(cli);
}

/* Whether somebody accepts connections there. */
static bool daemon_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
                               errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return listens;
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Without a process to look at: waits until the daemon has closed our connection and its socket. */
static int daemon_wait_gone(struct cli *cli, const char *socket_path)
{
    long long deadline = now_ms() + STOP_MS;
    int wait_ms = 5;
    while (daemon_listens(socket_path)) {
        if (now_ms() > deadline)
            return cli_usage("the daemon has not ended within %d seconds", STOP_MS / 1000);
        struct pollfd fd = {.fd = banger_fd(cli->client), .events = POLLIN};
        poll(&fd, 1, wait_ms);
        (void)banger_process(cli->client, NULL);
        wait_ms = wait_ms < 100 ? wait_ms * 2 : 100;
    }
    return 0;
}

/* A pidfd of the process that listens on the socket of our connection; -1 where it cannot be seen.
 * While the connection is open, the pid is its own. */
static int daemon_process(const struct cli *cli)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof(peer);
    const char *target = banger_target(cli->client);
    if (strncmp(target, "unix:", 5) == 0)
        target += 5;
    if (target[0] != '/' || strlen(target) >= sizeof(address.sun_path))
        return -1;
    strcpy(address.sun_path, target);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), pidfd = -1;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0)
        pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
    struct pollfd cut = {.fd = fd, .events = POLLRDHUP};
    if (pidfd >= 0 && poll(&cut, 1, 0) > 0 && cut.revents & (POLLHUP | POLLERR)) {
        close(pidfd);
        pidfd = -1;
    }
    if (fd >= 0)
        close(fd);
    return pidfd;
}

/* Until the process has ended, and with it its store is closed. */
static int daemon_wait_end(int pidfd)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    int n;
    do
        n = poll(&fd, 1, STOP_MS);
    while (n < 0 && errno == EINTR);
    close(pidfd);
    return n == 1 ? 0 : cli_usage("the daemon has not ended within %d seconds", STOP_MS / 1000);
}

/* One that holds the state folder and cannot be reached. */
static int daemon_stop_silent(struct cli *cli, int pidfd, const struct banger_local_daemon *daemon)
{
    if (!daemon->ending && syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 &&
        errno != ESRCH) {
        close(pidfd);
        return cli_usage("end the daemon (process %d): %s", daemon->pid, strerror(errno));
    }
    if (daemon_wait_end(pidfd) != 0)
        return EXIT_BANGER;
    puts("bangerd has ended; VMs run on");
    return cli_end_output(cli);
}

static int daemon_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    char socket_path[SOCKET_BYTES];
    struct banger_error error;
    struct banger_local_daemon daemon;
    if (daemon_socket(cli, socket_path) < 0)
        return EXIT_BANGER;
    if (cli_connect_running(cli, &error) < 0) {
        int pidfd = cli_is_local(cli) ? banger_local_find(&daemon) : -1;
        if (pidfd >= 0)
            return daemon_stop_silent(cli, pidfd, &daemon);
        if (error.code == BANGER_UNAVAILABLE && !daemon_listens(socket_path)) {
            puts("bangerd is not running");
            return cli_end_output(cli);
        }
        return cli_fail(&error, "stop the daemon");
    }
    int pidfd = daemon_process(cli);
    Banger__V1__ShutdownRequest request = BANGER__V1__SHUTDOWN_REQUEST__INIT;
    Banger__V1__Empty *empty = banger_shutdown(cli->client, &request, NULL, &error);
    FREE_MESSAGE(empty);
    if (!empty && error.code != BANGER_UNAVAILABLE) {
        if (pidfd >= 0)
            close(pidfd);
        return cli_fail(&error, "stop the daemon");
    }
    if ((pidfd >= 0 ? daemon_wait_end(pidfd) : daemon_wait_gone(cli, socket_path)) != 0)
        return EXIT_BANGER;
    puts("bangerd has ended; VMs run on");
    return cli_end_output(cli);
}

/* No answer: perhaps one that has lost its socket, or hangs. */
static int daemon_status_silent(struct cli *cli, const char *socket_path)
{
    struct banger_local_daemon daemon;
    int pidfd = cli_is_local(cli) ? banger_local_find(&daemon) : -1;
    if (pidfd < 0) {
        printf("bangerd is not running (%s)\n", socket_path);
        return cli_end_output(cli) ? EXIT_BANGER : STATUS_NOT_RUNNING;
    }
    close(pidfd);
    if (daemon.ending)
        printf("bangerd %s (process %d) is ending\n", daemon.version, daemon.pid);
    else
        printf("bangerd %s (process %d) runs and does not answer at %s\n", daemon.version,
               daemon.pid, daemon.socket[0] ? daemon.socket : socket_path);
    return cli_end_output(cli) ? EXIT_BANGER : STATUS_NO_ANSWER;
}

static int daemon_status(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    char socket_path[SOCKET_BYTES], rss[FORMAT_BYTES], age[FORMAT_BYTES];
    struct banger_error error;
    if (daemon_socket(cli, socket_path) < 0)
        return EXIT_BANGER;
    if (cli_connect_running(cli, &error) < 0) {
        if (error.code != BANGER_UNAVAILABLE)
            return cli_fail(&error, "ask the daemon");
        return daemon_status_silent(cli, socket_path);
    }
    cli_tell_version(cli);
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(cli->client, &request, NULL, &error);
    if (!host)
        return cli_fail(&error, "ask the daemon");
    int status = 0;
    if (cli_is_table(cli))
        printf("bangerd %s is running at %s (up %s, %s)\n", host->version, daemon_at(cli),
               format_age(age, timestamp_seconds(host->started)),
               format_size(rss, host->memory_rss_bytes));
    else
        status = cli_print_message(cli, &host->base);
    FREE_MESSAGE(host);
    return status ? status : cli_end_output(cli);
}

static const struct command rows[] = {
    {"start", NULL, "", "start the local daemon unless it runs",
     "Every command that needs the local daemon does this by itself.", NULL, 0, 0, 0, false,
     NAMES_NONE, daemon_start},
    {"stop", NULL, "", "end the daemon; VMs and sessions run on", NULL, NULL, 0, 0, 0, false,
     NAMES_NONE, daemon_stop},
    {"status", NULL, "", "say whether the daemon runs",
     "Exit status 3 when it does not, 4 when it runs and does not answer.", NULL, 0, 0, 0, false,
     NAMES_NONE, daemon_status},
};
static const struct command *const daemon_commands[] = {&rows[0], &rows[1], &rows[2], NULL};
const struct noun daemon_noun = {"daemon", "the local daemon", daemon_commands};
