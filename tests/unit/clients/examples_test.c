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

/* What the server sends back comes out by name. */
static void test_metadata(void)
{
    struct fake f = {0};
    char command[512], line[128], all[512] = "";
    fake_start(&f);
    snprintf(command, sizeof(command), "\"%s\" %s box echo-a=1 echo-a=2 trail-x-bin=four",
             BANGER_TEST_CALL_METADATA, f.target);
    FILE *out = popen(command, "r");
    while (out && fgets(line, sizeof(line), out))
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s", line);
    CHECK_INT(out ? pclose(out) : -1, 0);
    fake_stop(&f);
    CHECK_CONTAINS(all, "header  echo-a: 1\nheader  echo-a: 2\n");
    CHECK_CONTAINS(all, "trailer trail-x-bin: 666f7572\n");
}

int main(void)
{
    RUN(test_metadata);
    RUN(test_poll);
    RUN(test_libevent);
    return check_end();
}
