/* Programs run to their end. */
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/host/run.h"
#include "tests/support/check.h"

static struct run_result r;

static void test_ends(void)
{
    struct err err = ERR_INIT;
    const char *hello[] = {"sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    CHECK_INT(run_program(hello, 5000, -1, &r, &err), 0);
    CHECK_INT(r.code, 3);
    CHECK_STR(r.out, "out\nerr\n");
    CHECK_INT(run_checked(hello, 5000, -1, &err), -1);
    CHECK_CONTAINS(err.message, "code 3: out\nerr");
    const char *dies[] = {"sh", "-c", "kill -9 $$", NULL};
    CHECK_INT(run_program(dies, 5000, -1, &r, &err), 0);
    CHECK_INT(r.signo, SIGKILL);
    const char *nothing[] = {"/nonexistent/program", NULL};
    CHECK_INT(run_program(nothing, 5000, -1, &r, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

static void test_sbin_is_searched(void)
{
    struct err err = ERR_INIT;
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/usr/bin:/bin", 1);
    const char *argv[] = {"mke2fs", "-V", NULL};
    CHECK_INT(run_checked(argv, 5000, -1, &err), 0);
    setenv("PATH", path, 1);
    free(path);
}

static void test_keeps_the_tail(void)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", "seq 1 20000; printf end", NULL};
    CHECK_INT(run_program(argv, 10000, -1, &r, &err), 0);
    CHECK(r.out_len == RUN_OUTPUT_BYTES - 1);
    CHECK_STR(r.out + r.out_len - 9, "20000\nend");
}

static void test_deadline_and_cancel(void)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", "echo begun; sleep 1000", NULL};
    int64_t begun = clock_mono_ms();
    CHECK_INT(run_program(argv, 300, -1, &r, &err), -1);
    CHECK_INT(err.code, ERR_DEADLINE);
    CHECK_STR(r.out, "begun\n");
    int cancel = eventfd(1, EFD_CLOEXEC);
    CHECK_INT(run_program(argv, 60000, cancel, &r, &err), -1);
    CHECK_INT(err.code, ERR_ABORTED);
    CHECK(clock_mono_ms() - begun < 5000);
    close(cancel);
}

/* A grandchild that keeps the output open delays nothing. */
static void test_output_held_open(void)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", "sleep 5 & echo done", NULL};
    int64_t begun = clock_mono_ms();
    CHECK_INT(run_program(argv, 10000, -1, &r, &err), 0);
    CHECK_STR(r.out, "done\n");
    CHECK(clock_mono_ms() - begun < 4000);
}

int main(void)
{
    RUN(test_ends);
    RUN(test_sbin_is_searched);
    RUN(test_keeps_the_tail);
    RUN(test_deadline_and_cancel);
    RUN(test_output_held_open);
    return check_end();
}
