/* banger against a server whose texts are meant for the terminal: whatever the command and the
 * format, no control character of them reaches it but as an escape. */
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/clients/fake_server.h"

/* A title, a colour by C1's CSI, a line that looks like ours, DEL, and letters that are well. */
#define HOSTILE                                                                                    \
    "a\033]0;b\007c\302\233"                                                                       \
    "31md\r\nbanger: e\177f\tg\302\240\303\251"

enum { OUTPUT_BYTES = 64 << 10 };

static char output[OUTPUT_BYTES];

/* What it prints, on stdout and stderr. */
static void run_banger(const struct fake *f, const char *const args[])
{
    int fds[2], status = -1;
    size_t n = 0;
    fflush(stdout);
    CHECK_INT(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("BANGER_SOCKET", f->socket, 1);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(BANGER_TEST_CLI, (char *const *)(uintptr_t)args);
        _exit(99);
    }
    close(fds[1]);
    for (ssize_t got; n < OUTPUT_BYTES - 1; n += (size_t)got)
        if ((got = read(fds[0], output + n, OUTPUT_BYTES - 1 - n)) <= 0)
            break;
    close(fds[0]);
    output[n] = '\0';
    CHECK_INT(strlen(output), n);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 99);
}

/* Lines of ours are all that is left of control characters. */
static bool is_tame(const char *text)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f ||
            ((unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0))
            return false;
    return true;
}

static void check_tame(const char *const args[])
{
    struct fake f = {0};
    fake_start(&f);
    run_banger(&f, args);
    fake_stop(&f);
    if (!CHECK(is_tame(output)) || !CHECK(strstr(output, "\nbanger: e") == NULL) ||
        !CHECK(strstr(output, "\302\240\303\251") != NULL)) {
        fprintf(stderr, "  (%s %s %s:", args[1], args[2], args[4] ? args[4] : "");
        for (const char *c = output; *c; c++)
            fprintf(stderr, (unsigned char)*c < ' ' || *c == 0x7f ? "<%02x>" : "%c",
                    (unsigned char)*c);
        fprintf(stderr, ")\n");
    }
}

static void test_what_is_shown(void)
{
    check_tame((const char *[]){"banger", "vm", "show", HOSTILE, NULL});
    check_tame((const char *[]){"banger", "vm", "show", HOSTILE, "-o", "json", NULL});
    check_tame((const char *[]){"banger", "vm", "show", HOSTILE, "-o", "yaml", NULL});
    check_tame((const char *[]){"banger", "vm", "show", HOSTILE, "--format", "{name}", NULL});
}

static void test_errors(void)
{
    check_tame((const char *[]){"banger", "vm", "delete", HOSTILE, NULL});
    check_tame((const char *[]){"banger", "vm", "delete", HOSTILE, "--errors", "json", NULL});
}

int main(void)
{
    RUN(test_what_is_shown);
    RUN(test_errors);
    return check_end();
}
