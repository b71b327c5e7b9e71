/* A signal while vm run waits for a boot: the creation is cancelled, nothing is left, and the exit
 * status says by which signal. */
#include "tests/support/check.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/clients/fake_server.h"

enum { PATIENCE_MS = 20000 };

static pid_t start_banger(const struct fake *f, char *const argv[])
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("BANGER_SOCKET", f->socket, 1);
        execv(BANGER_TEST_CLI, argv);
        _exit(99);
    }
    return pid;
}

static void check_interrupt(int signo, bool rm)
{
    struct fake f = {0};
    char *with_rm[] = {(char *)"banger", (char *)"vm",   (char *)"run", (char *)"--rm",
                       (char *)"--",     (char *)"true", NULL};
    char *without[] = {(char *)"banger", (char *)"vm", (char *)"run", (char *)"true", NULL};
    fake_start(&f);
    pid_t pid = start_banger(&f, rm ? with_rm : without);
    struct pollfd watching = {.fd = f.watching[0], .events = POLLIN};
    CHECK_INT(poll(&watching, 1, PATIENCE_MS), 1);
    kill(pid, signo);
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 128 + signo);
    fake_stop(&f);
    CHECK_INT(f.n_cancels, 1);
    CHECK_INT(f.n_deletes, 1);
}

static void test_interrupts(void)
{
    check_interrupt(SIGINT, true);
    check_interrupt(SIGINT, false);
    check_interrupt(SIGTERM, true);
}

int main(void)
{
    RUN(test_interrupts);
    return check_end();
}
