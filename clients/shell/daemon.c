/* The daemon noun: the local daemon started, stopped, asked for. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <sys/un.h>
#include <unistd.h>

#include <banger/local.h>

#include "nouns.h"
#include "table.h"

enum { SOCKET_BYTES = 4096, STOP_MS = 30000, STATUS_NOT_RUNNING = 3 };

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

static int daemon_start(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    char socket_path[SOCKET_BYTES];
    if (cli_connect(cli) < 0 || daemon_socket(cli, socket_path) < 0)
        return EXIT_BANGER;
    printf("bangerd is running at %s\n", socket_path);
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

/* Waits until the daemon has closed our connection and its socket. */
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

static int daemon_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    char socket_path[SOCKET_BYTES];
    struct banger_error error;
    if (daemon_socket(cli, socket_path) < 0)
        return EXIT_BANGER;
    if (cli_connect_running(cli, &error) < 0) {
        if (error.code == BANGER_UNAVAILABLE && !daemon_listens(socket_path)) {
            puts("bangerd is not running");
            return cli_end_output(cli);
        }
        return cli_fail(&error, "stop the daemon");
    }
    Banger__V1__ShutdownRequest request = BANGER__V1__SHUTDOWN_REQUEST__INIT;
    Banger__V1__Empty *empty = banger_shutdown(cli->client, &request, NULL, &error);
    FREE_MESSAGE(empty);
    if (!empty && error.code != BANGER_UNAVAILABLE)
        return cli_fail(&error, "stop the daemon");
    if (daemon_wait_gone(cli, socket_path) != 0)
        return EXIT_BANGER;
    puts("bangerd has ended; VMs run on");
    return cli_end_output(cli);
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
        printf("bangerd is not running (%s)\n", socket_path);
        return cli_end_output(cli) ? EXIT_BANGER : STATUS_NOT_RUNNING;
    }
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(cli->client, &request, NULL, &error);
    if (!host)
        return cli_fail(&error, "ask the daemon");
    int status = 0;
    if (cli_is_table(cli))
        printf("bangerd %s is running at %s (up %s, %s)\n", host->version, socket_path,
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
    {"status", NULL, "", "say whether the daemon runs", "Exit status 3 when it does not.", NULL, 0,
     0, 0, false, NAMES_NONE, daemon_status},
};
static const struct command *const daemon_commands[] = {&rows[0], &rows[1], &rows[2], NULL};
const struct noun daemon_noun = {"daemon", "the local daemon", daemon_commands};
