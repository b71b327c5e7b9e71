/* See agent_below.h. */
#include "tests/support/agent_below.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static ssize_t read_text(const char *path, char *out, size_t size)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

static ssize_t read_command(long pid, char text[4096])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
    return read_text(path, text, 4096);
}

/* It, or what is about to become it: a fork of the keeper. */
static bool is_agent(long pid, pid_t keeper)
{
    char text[4096], keepers[4096];
    ssize_t n = read_command(pid, text);
    for (const char *at = text; at < text + n; at += strlen(at) + 1)
        if (strcmp(at, "--kept") == 0)
            return true;
    return n > 0 && read_command(keeper, keepers) == n && memcmp(text, keepers, (size_t)n) == 0;
}

/* A session's process has the agent's command line until it runs its program, but soon a POSIX
 * session of its own. */
static int count_below(pid_t keeper, pid_t *agent)
{
    char path[64], text[16384];
    int n = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)keeper, (int)keeper);
    if (read_text(path, text, sizeof(text)) <= 0)
        return 0;
    for (char *at = text, *end;; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            return n;
        if (is_agent(pid, keeper) && getsid((pid_t)pid) == getsid(keeper)) {
            *agent = (pid_t)pid;
            n++;
        }
    }
}

pid_t agent_below(pid_t keeper)
{
    enum { TRIES = 100000 };
    pid_t agent = 0;
    for (int i = 0, n; i < TRIES && (n = count_below(keeper, &agent)) != 1; i++) {
        if (n == 0)
            return 0;
        sched_yield();
    }
    return agent;
}

void agent_signal_both(pid_t keeper, int signo)
{
    kill(keeper, signo);
    pid_t agent = agent_below(keeper);
    if (agent > 0)
        kill(agent, signo);
}
