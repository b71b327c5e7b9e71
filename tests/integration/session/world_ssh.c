/* See world_ssh.h. */
#include "tests/integration/session/world_ssh.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/support/sshd.h"

enum { OPEN_MS = 4000 };

static struct sshd sshd;
static struct channel_ssh_config config;

bool world_ssh_wanted(void)
{
    const char *kind = getenv("BANGER_TEST_CHANNEL");
    return kind && strcmp(kind, "ssh") == 0;
}

/* The agent is the world's, whose end the tests decide: a relay that finds none must not start one,
 * so it finds that somebody else is about to. */
static void hold_lock(void)
{
    char lock[80];
    snprintf(lock, sizeof(lock), "%s/agent.sock.lock", sshd.folder);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        exit(EXIT_FAILURE);
}

static void begin(void)
{
    if (sshd_begin(&sshd) < 0)
        exit(77);
    sshd_serve(&sshd);
    hold_lock();
    config = (struct channel_ssh_config){.program = BANGER_SSH_FILE,
                                         .user = sshd.user,
                                         .key = sshd.key,
                                         .agent = TEST_AGENT,
                                         .folder = sshd.folder,
                                         .no_system = true};
}

void world_ssh_use(struct channel_config *channel)
{
    char link[80];
    if (sshd.listen_fd <= 0)
        begin();
    snprintf(link, sizeof(link), "%s/agent.sock", sshd.folder);
    unlink(link);
    if (symlink(channel->socket_path, link) < 0)
        exit(EXIT_FAILURE);
    channel->kind = &channel_ssh;
    channel->port = sshd.port;
    channel->open_ms = OPEN_MS;
    channel->ssh = &config;
}

void world_ssh_end(void)
{
    if (sshd.listen_fd > 0)
        sshd_end(&sshd);
}
