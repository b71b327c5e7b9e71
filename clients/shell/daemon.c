/* The daemon noun: the local daemon started, stopped, asked for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <banger/local.h>
#include <banger/remote.h>

#include "nouns.h"
#include "table.h"

enum {
    SOCKET_BYTES = CLI_TARGET_BYTES,
    STOP_MS = 30000,
    ANSWER_MS = 2000, /* a daemon that says nothing for so long hangs */
    MEND_MS = 3000,   /* for one that makes its socket again */
    STATUS_NOT_RUNNING = 3,
    STATUS_NO_ANSWER = 4,
};

/* The daemon that is meant, as far as it was found. */
struct daemon_found {
    char target[SOCKET_BYTES]; /* socket, or a context's name */
    bool far;
    int pidfd; /* of the one that holds the state folder; -1: none, or not known */
    struct banger_local_daemon holder;
    Banger__V1__Host *host; /* its answer; NULL: none */
    struct banger_error error;
};

static void daemon_found_done(struct daemon_found *f)
{
    if (f->pidfd >= 0)
        close(f->pidfd);
    FREE_MESSAGE(f->host);
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* One question, which is answered soon or not at all. */
static bool daemon_ask(struct cli *cli, struct daemon_found *f)
{
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    const char *socket_path = f->holder.socket[0] ? f->holder.socket : f->target;
    banger_close(cli->client);
    cli->client = f->far ? banger_connect_context(f->target, &f->error)
                         : banger_connect(socket_path, &f->error);
    if (!cli->client)
        return false;
    banger_set_retry_ms(cli->client, 0);
    banger_set_wait_for_ready_ms(cli->client, -1);
    banger_set_timeout_ms(cli->client, ANSWER_MS);
    f->host = banger_get_host(cli->client, &request, NULL, &f->error);
    return f->host != NULL;
}

/* Who holds the state folder. A socket that the environment names may be another daemon's than that
 * of the default folder, which is then none of our business. */
static int daemon_holder(struct daemon_found *f)
{
    const char *named = getenv("BANGER_SOCKET"), *folder = getenv("BANGER_STATE_DIR");
    int pidfd = banger_local_find(&f->holder);
    if (pidfd < 0 || !named || !*named || (folder && *folder) ||
        strcmp(f->holder.socket, f->target) == 0)
        return pidfd;
    close(pidfd);
    f->holder = (struct banger_local_daemon){0};
    return -1;
}

/* Finds it without starting one; says nothing. -1 where it cannot even be told which is meant. */
static int daemon_find(struct cli *cli, struct daemon_found *f)
{
    *f = (struct daemon_found){.pidfd = -1};
    if (cli_where(cli, f->target, &f->error) < 0)
        return -1;
    bool local = !f->target[0];
    f->far = !local && f->target[0] != '/' && !cli->options.socket;
    if (local && banger_local_socket(f->target, sizeof(f->target), &f->error) < 0)
        return -1;
    long long deadline = now_ms() + MEND_MS;
    for (;;) {
        if (local && f->pidfd >= 0)
            close(f->pidfd);
        f->pidfd = local ? daemon_holder(f) : -1;
        if (daemon_ask(cli, f) || f->error.code != BANGER_UNAVAILABLE || f->pidfd < 0 ||
            now_ms() > deadline)
            return 0;
        struct pollfd ended = {.fd = f->pidfd, .events = POLLIN};
        poll(&ended, 1, 50); /* it may be making its socket again */
    }
}

/* Starting and ending are for those who are on its machine. */
static int daemon_refuse_far(const struct daemon_found *f, const char *what)
{
    return cli_usage("daemon %s: context \"%.100s\" is of another host, and a daemon is %s there; "
                     "--context local means this machine's",
                     what, f->target, strcmp(what, "stop") == 0 ? "ended" : "started");
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
    struct daemon_found f = {.pidfd = -1};
    struct banger_error error;
    if (cli_where(cli, f.target, &error) < 0)
        return cli_fail(&error, "start the daemon");
    if (f.target[0] && f.target[0] != '/' && !cli->options.socket)
        return daemon_refuse_far(&f, "start");
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    const struct cli_pair pairs[] = {
        {"state", "running"}, {"socket", daemon_at(cli)}, {NULL, NULL}};
    if (!cli_is_table(cli))
        return cli_print_pairs(cli, pairs);
    cli_say(stdout, "bangerd is running at %s", daemon_at(cli));
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

static int daemon_tell_ended(struct cli *cli, const char *state)
{
    const struct cli_pair pairs[] = {{"state", state}, {NULL, NULL}};
    if (!cli_is_table(cli))
        return cli_print_pairs(cli, pairs);
    puts(strcmp(state, "ended") == 0 ? "bangerd has ended; VMs run on" : "bangerd is not running");
    return cli_end_output(cli);
}

/* One that holds the state folder and does not answer. Takes the pidfd. */
static int daemon_stop_silent(struct daemon_found *f)
{
    int pidfd = f->pidfd;
    f->pidfd = -1;
    if (!f->holder.ending && syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 &&
        errno != ESRCH) {
        close(pidfd);
        return cli_usage("end the daemon (process %d): %s", f->holder.pid, strerror(errno));
    }
    return daemon_wait_end(pidfd);
}

static int daemon_stop_found(struct cli *cli, struct daemon_found *f)
{
    struct banger_error error;
    int pidfd = daemon_process(cli);
    Banger__V1__ShutdownRequest request = BANGER__V1__SHUTDOWN_REQUEST__INIT;
    Banger__V1__Empty *empty = banger_shutdown(cli->client, &request, NULL, &error);
    FREE_MESSAGE(empty);
    if (!empty && error.code != BANGER_UNAVAILABLE) {
        if (pidfd >= 0)
            close(pidfd);
        return cli_fail(&error, "stop the daemon");
    }
    return pidfd >= 0 ? daemon_wait_end(pidfd) : daemon_wait_gone(cli, f->target);
}

static int daemon_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    struct daemon_found f = {.pidfd = -1};
    char target[CLI_TARGET_BYTES];
    if (cli_where(cli, target, &f.error) < 0)
        return cli_fail(&f.error, "stop the daemon");
    snprintf(f.target, sizeof(f.target), "%s", target);
    if (target[0] && target[0] != '/' && !cli->options.socket)
        return daemon_refuse_far(&f, "stop");
    if (daemon_find(cli, &f) < 0)
        return cli_fail(&f.error, "stop the daemon");
    int status;
    bool nobody =
        !f.host && f.pidfd < 0 && f.error.code == BANGER_UNAVAILABLE && !daemon_listens(f.target);
    if (nobody)
        status = daemon_tell_ended(cli, "not running");
    else if (!f.host && f.pidfd < 0)
        status = cli_fail(&f.error, "stop the daemon");
    else {
        status = f.host ? daemon_stop_found(cli, &f) : daemon_stop_silent(&f);
        status = status ? status : daemon_tell_ended(cli, "ended");
    }
    daemon_found_done(&f);
    return status;
}

/* No answer: not there, one that hangs or is about to end, or another host's. */
static int daemon_tell_silent(struct cli *cli, const struct daemon_found *f)
{
    const char *at = f->holder.socket[0] ? f->holder.socket : f->target;
    bool hangs = f->pidfd >= 0 || f->far || f->error.code == BANGER_DEADLINE_EXCEEDED;
    const char *state = !hangs ? "not running" : f->holder.ending ? "ending" : "no answer";
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", f->holder.pid);
    const struct cli_pair pairs[] = {{"state", state},
                                     {f->far ? "context" : "socket", at},
                                     {f->holder.pid ? "pid" : NULL, pid},
                                     {NULL, NULL}};
    if (!cli_is_table(cli))
        cli_print_pairs(cli, pairs);
    else if (!hangs)
        cli_say(stdout, "bangerd is not running (%s)", at);
    else if (f->far)
        cli_say(stdout, "bangerd of context %s does not answer: %s", at, f->error.message);
    else if (f->holder.ending)
        cli_say(stdout, "bangerd %s (process %d) is ending", f->holder.version, f->holder.pid);
    else if (f->holder.pid)
        cli_say(stdout, "bangerd %s (process %d) runs and does not answer at %s", f->holder.version,
                f->holder.pid, at);
    else
        cli_say(stdout, "bangerd runs and does not answer at %s", at);
    return cli_end_output(cli) ? EXIT_BANGER : hangs ? STATUS_NO_ANSWER : STATUS_NOT_RUNNING;
}

static bool daemon_is_silent(const struct banger_error *error)
{
    return error->code == BANGER_UNAVAILABLE || error->code == BANGER_DEADLINE_EXCEEDED;
}

static int daemon_status(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    char rss[FORMAT_BYTES], age[FORMAT_BYTES];
    struct daemon_found f;
    int status = 0;
    if (daemon_find(cli, &f) < 0 || (!f.host && !daemon_is_silent(&f.error)))
        status = cli_fail(&f.error, "ask the daemon");
    else if (!f.host)
        status = daemon_tell_silent(cli, &f);
    else if (!cli_is_table(cli))
        status = cli_print_message(cli, &f.host->base);
    else
        cli_say(stdout, "bangerd %s is running at %s (up %s, %s)", f.host->version, daemon_at(cli),
                format_age(age, timestamp_seconds(f.host->started)),
                format_size(rss, f.host->memory_rss_bytes));
    if (f.host && !f.far)
        cli_tell_version(cli, f.host->version);
    daemon_found_done(&f);
    return status ? status : cli_end_output(cli);
}

static const struct command rows[] = {
    {"start", NULL, "", "start the local daemon unless it runs",
     "Every command that needs the local daemon does this by itself.", NULL, 0, 0, 0, false,
     NAMES_NONE, daemon_start},
    {"stop", NULL, "", "end the local daemon; VMs and sessions run on", NULL, NULL, 0, 0, 0, false,
     NAMES_NONE, daemon_stop},
    {"status", NULL, "", "say whether the daemon runs",
     "Exit status 3 when it does not, 4 when it runs and does not answer, or another host's does "
     "not.",
     NULL, 0, 0, 0, false, NAMES_NONE, daemon_status},
};
static const struct command *const daemon_commands[] = {&rows[0], &rows[1], &rows[2], NULL};
const struct noun daemon_noun = {"daemon", "the local daemon", daemon_commands};
