/* banger against a server of the test's. A signal while vm run waits for a boot: the creation is
 * cancelled, nothing is left, and the exit status says by which signal. */
#include "tests/support/check.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/clients/fake_server.h"

enum { PATIENCE_MS = 20000 };

static pid_t start_banger(const char *socket, char *const argv[])
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("BANGER_SOCKET", socket, 1);
        if (!freopen("/dev/null", "w", stdout))
            _exit(98);
        execv(BANGER_TEST_CLI, argv);
        _exit(99);
    }
    return pid;
}

/* A connection that breaks under an attach: it comes back, unless told not to. */
static void check_break(const char *how, int want)
{
    struct fake f = {.stdout_bytes = 1 << 20, .cuts = 1, .cut_least = 300000, .cut_most = 300000};
    char *args[] = {(char *)"banger",       (char *)"session", (char *)"attach",
                    (char *)(uintptr_t)how, (char *)"s",       NULL};
    int status = -1;
    fake_start(&f);
    pid_t pid = start_banger(f.proxy_socket, args);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    fake_stop(&f);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), want);
}

static void test_reattach(void)
{
    check_break("--no-stdin", 7);
    check_break("--no-reattach", 125);
}

static void check_interrupt(int signo, bool rm)
{
    struct fake f = {0};
    char *with_rm[] = {(char *)"banger", (char *)"vm",   (char *)"run", (char *)"--rm",
                       (char *)"--",     (char *)"true", NULL};
    char *without[] = {(char *)"banger", (char *)"vm",   (char *)"run",
                       (char *)"--",     (char *)"true", NULL};
    fake_start(&f);
    pid_t pid = start_banger(f.socket, rm ? with_rm : without);
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
    RUN(test_reattach);
    RUN(test_interrupts);
    return check_end();
}
