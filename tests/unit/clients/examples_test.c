/* The programs of docs/libbanger.md: they print a session's output to the byte, through connections
 * that break, and end as the session does. */
#include "tests/support/check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/clients/fake_server.h"

enum { STDOUT = 1, EXIT_OF_SESSION = 7 };

/* Starts program with its stdout in a pipe. */
static pid_t start(const char *program, const struct fake *f, int *out)
{
    int fds[2];
    if (!CHECK_INT(pipe(fds), 0))
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl(program, program, f->proxy_target, "s", f->tls ? f->ca_file : (char *)NULL,
              f->identity_file, (char *)NULL);
        _exit(99);
    }
    close(fds[1]);
    *out = fds[0];
    return pid;
}

static void check_example(const char *program, bool tls)
{
    struct fake f = {
        .tls = tls, .stdout_bytes = 2 << 20, .cuts = 12, .cut_least = 1, .cut_most = 200000};
    uint8_t data[4096];
    uint64_t at = 0;
    bool wrong = false;
    int out = -1, status = -1;
    fake_start(&f);
    pid_t pid = start(program, &f, &out);
    for (ssize_t n; (n = read(out, data, sizeof(data))) > 0;)
        for (ssize_t i = 0; i < n; i++)
            wrong |= data[i] != fake_byte(STDOUT, at++);
    close(out);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    fake_stop(&f);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), EXIT_OF_SESSION);
    CHECK_INT(at, f.stdout_bytes);
    CHECK(!wrong);
    CHECK(f.n_connections > 12);
}

static void test_poll(void)
{
    check_example(BANGER_TEST_FOLLOW_POLL, false);
    check_example(BANGER_TEST_FOLLOW_POLL, true);
}

static void test_libevent(void)
{
    check_example(BANGER_TEST_FOLLOW_LIBEVENT, false);
    check_example(BANGER_TEST_FOLLOW_LIBEVENT, true);
}

int main(void)
{
    RUN(test_poll);
    RUN(test_libevent);
    return check_end();
}
