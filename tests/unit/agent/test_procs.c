/* A session's processes without cgroups: found by their mark, also while they exec. */
#include "agent/procs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/check.h"

enum { LOOKS = 3000, AWAIT_MS = 10000 };

static bool await_count(const char *id, uint32_t want)
{
    int64_t end_ms = clock_mono_ms() + AWAIT_MS;
    while (procs_signal_all(0, id, 0) != want && clock_mono_ms() < end_ms)
        continue;
    return procs_signal_all(0, id, 0) == want;
}

/* It becomes a new program all the time; whenever one looks, it is there. */
static void test_a_process_that_execs_is_seen(void)
{
    char script[] = "/tmp/banger-procs-XXXXXX";
    int fd = mkstemp(script);
    unsigned missed = 0;
    CHECK(fd >= 0 && write(fd, "exec /bin/sh \"$0\"\n", 18) == 18);
    close(fd);
    pid_t pid = fork();
    if (pid == 0) {
        execle("/bin/sh", "sh", script, NULL, (char *[]){PROCS_MARK "=busy", NULL});
        _exit(127);
    }
    CHECK(await_count("busy", 1));
    for (int i = 0; i < LOOKS; i++)
        missed += procs_signal_all(0, "busy", 0) != 1;
    CHECK_INT(missed, 0);
    CHECK_INT(procs_signal_all(0, "busy", SIGKILL), 1);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(procs_signal_all(0, "busy", 0), 0);
    unlink(script);
}

/* What has ended and is not reaped counts no more. */
static void test_a_zombie_is_not_waited_for(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execle("/bin/sleep", "sleep", "60", NULL, (char *[]){PROCS_MARK "=ended", NULL});
        _exit(127);
    }
    CHECK(await_count("ended", 1));
    siginfo_t info;
    CHECK_INT(procs_signal_all(0, "ended", SIGKILL), 1);
    CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_INT(procs_signal_all(0, "ended", 0), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    RUN(test_a_process_that_execs_is_seen);
    RUN(test_a_zombie_is_not_waited_for);
    return check_end();
}
