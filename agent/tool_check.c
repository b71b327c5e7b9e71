/* Runs a command and tells how it ended, for those that ask again and again whether something is as
 * it should be: `check COMMAND [ARG…]`; see tool.h.
 *
 * What the command writes is not passed on: of one that fails the beginning is a part of what is
 * told. One that takes too long is killed with the tool. */
#include "agent/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_BYTES = 256, CANNOT_RUN = 127 };

static _Noreturn void run(char **argv, int out)
{
    int null = open("/dev/null", O_RDWR);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0) {
        signal(SIGPIPE, SIG_DFL);
        execvp(argv[0], argv);
    }
    dprintf(out, "%s: %s", argv[0], strerror(errno));
    _exit(CANNOT_RUN);
}

/* All of it, of which the beginning is kept. */
static void read_words(int fd, char words[WORDS_BYTES])
{
    char block[4096];
    size_t have = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)) {
        size_t room = WORDS_BYTES - 1 - have;
        size_t take = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
        memcpy(words + have, block, take);
        have += take;
    }
    while (have > 0 && (words[have - 1] == '\n' || words[have - 1] == ' '))
        have--;
    words[have] = '\0';
}

int tool_check(int argc, char **argv)
{
    int ends[2], status = 0;
    char words[WORDS_BYTES];
    if (argc < 2)
        tool_fail(EINVAL, "which command?");
    if (pipe2(ends, O_CLOEXEC) < 0)
        tool_fail(errno, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        tool_fail(errno, "cannot start it: %s", strerror(errno));
    if (pid == 0)
        run(argv + 1, ends[1]);
    close(ends[1]);
    read_words(ends[0], words);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        tool_fail(ECHILD, "signal %d ended it%s%s", WTERMSIG(status), *words ? ": " : "", words);
    tool_fail(ECHILD, "it exited with %d%s%s", WEXITSTATUS(status), *words ? ": " : "", words);
}
