/* The rig over SSH: a real sshd per connection (its inetd way), as the user that runs the test. The
 * guest's folder is the rig's, in which the agent's socket is there already: the relay, which is
 * the real one, leads to the rig's listener. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/guest/channel_socket.h"
#include "tests/integration/guest/channel_rig.h"
#include "tests/support/sshd.h"

enum { MEET_MS = 30000 };

static struct {
    struct sshd sshd;
    struct channel_ssh_config config;
} ssh;

static void ssh_begin(struct loop *loop, struct channel_config *config)
{
    char link[160];
    rig_socket_begin(loop, config);
    if (sshd_begin(&ssh.sshd) < 0)
        exit(77);
    snprintf(link, sizeof(link), "%s/agent.sock", ssh.sshd.folder);
    if (symlink(config->socket_path, link) < 0)
        exit(EXIT_FAILURE);
    ssh.config = (struct channel_ssh_config){.program = BANGER_SSH_FILE,
                                             .user = ssh.sshd.user,
                                             .key = ssh.sshd.key,
                                             .agent = TEST_AGENT,
                                             .folder = ssh.sshd.folder,
                                             .no_system = true};
    config->kind = &channel_ssh;
    config->port = ssh.sshd.port;
    config->ssh = &ssh.config;
}

/* One that has gone before it got so far. */
static int gone(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        exit(EXIT_FAILURE);
    close(pair[1]);
    return pair[0];
}

static struct channel *ssh_accept(channel_ready_fn *ready, void *arg)
{
    int pidfd = sshd_serve_one(&ssh.sshd);
    struct pollfd p[2] = {{rig_socket_listener(), POLLIN, 0}, {pidfd, POLLIN, 0}};
    if (pidfd < 0 || poll(p, 2, MEET_MS) <= 0) {
        fprintf(stderr, "nobody came over SSH\n");
        exit(EXIT_FAILURE);
    }
    close(pidfd);
    return rig_socket_take(p[0].revents ? rig_socket_accept() : gone(), ready, arg);
}

static void ssh_shut(struct channel *peer)
{
    shutdown(((struct channel_socket *)peer)->fd, SHUT_WR);
}

static void ssh_end(void)
{
    sshd_end(&ssh.sshd);
    rig_socket_end();
}

const struct rig rig_ssh = {
    .name = "ssh",
    .volume_bytes = 4 << 20,
    .late = true,
    .stride = 25,
    .begin = ssh_begin,
    .accept = ssh_accept,
    .shut = ssh_shut,
    .end = ssh_end,
};
