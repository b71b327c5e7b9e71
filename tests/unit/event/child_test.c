/* Child processes: exit codes, signals, exec failures, deadlines, capture, descriptors, groups. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/open_files.h"
#include "rpc/event/child.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"

static struct loop *loop;

struct ended {
    int calls, code, signo;
    bool timed_out, truncated;
    char out[8192];
    size_t out_len;
    char pieces[8192]; /* through output() */
};

static void give_up(void *arg)
{
    (void)arg;
    CHECK(!"the test hung");
    loop_stop(loop);
}

static void run_loop(void)
{
    struct err err = ERR_INIT;
    struct timer limit = {0};
    timer_init(&limit, loop, give_up, NULL);
    timer_start(&limit, 20000);
    CHECK_INT(loop_run(loop, &err), 0);
    timer_done(&limit);
}

static void on_exited(void *arg, const struct child_exit *e)
{
    struct ended *ended = arg;
    ended->calls++;
    ended->code = e->code;
    ended->signo = e->signo;
    ended->timed_out = e->timed_out;
    ended->truncated = e->truncated;
    ended->out_len = e->out_len;
    CHECK_INT(strlen(e->out), e->out_len);
    snprintf(ended->out, sizeof(ended->out), "%s", e->out);
    loop_stop(loop);
}

static void on_output(void *arg, const char *text, size_t len)
{
    struct ended *ended = arg;
    size_t have = strlen(ended->pieces);
    if (have + len < sizeof(ended->pieces))
        memcpy(ended->pieces + have, text, len);
}

static const char *argv_sh[4] = {"sh", "-c", NULL, NULL};

static struct child_spec sh(const char *script, struct ended *ended)
{
    argv_sh[2] = script;
    return (struct child_spec){.argv = argv_sh,
                               .stdin_fd = -1,
                               .log_fd = -1,
                               .max_capture_bytes = 4096,
                               .exited = on_exited,
                               .arg = ended};
}

static struct child *start(const struct child_spec *spec)
{
    struct err err = ERR_INIT;
    struct child *c = child_start(loop, spec, &err);
    if (!c)
        CHECK_STR(err.message, "(no error)");
    return c;
}

static void run_sh(const char *script, struct ended *ended)
{
    memset(ended, 0, sizeof(*ended));
    struct child_spec spec = sh(script, ended);
    struct child *c = start(&spec);
    CHECK_INT(ended->calls, 0);
    if (c)
        run_loop();
    CHECK_INT(ended->calls, 1);
}

static struct ended e;

static void test_exit_code_and_output(void)
{
    run_sh("echo out; echo err >&2; exit 42", &e);
    CHECK_INT(e.code, 42);
    CHECK_INT(e.signo, 0);
    CHECK_STR(e.out, "out\nerr\n");
    CHECK(!e.truncated && !e.timed_out);
    run_sh("exit 0", &e);
    CHECK_INT(e.code, 0);
    CHECK_STR(e.out, "");
}

static void test_signal(void)
{
    run_sh("kill -TERM $$", &e);
    CHECK_INT(e.code, -1);
    CHECK_INT(e.signo, SIGTERM);
}

static void check_fails(const char *program, const char *cwd, int sys, const char *text)
{
    struct err err = ERR_INIT;
    const char *argv[] = {program, NULL};
    struct child_spec spec = {
        .argv = argv, .cwd = cwd, .stdin_fd = -1, .log_fd = -1, .exited = on_exited, .arg = &e};
    CHECK(!child_start(loop, &spec, &err));
    CHECK_INT(err.sys, sys);
    CHECK_CONTAINS(err.message, text);
}

static void test_exec_failures(void)
{
    check_fails("/nonexistent/program", NULL, ENOENT, "cannot start /nonexistent/program");
    check_fails("no-such-program-in-path", NULL, ENOENT, "cannot start no-such-program-in-path");
    check_fails("/etc/passwd", NULL, EACCES, "cannot start /etc/passwd");
    check_fails("true", "/nonexistent", ENOENT, "cannot start true in /nonexistent");
    check_fails("true", "/etc/passwd", ENOTDIR, "cannot start true");
    check_fails("", NULL, 0, "no program");
}

static void test_deadline_kills_the_group(void)
{
    memset(&e, 0, sizeof(e));
    int alive[2];
    CHECK_INT(pipe2(alive, O_CLOEXEC), 0);
    /* Both the shell and its child hold the pipe; neither reacts to SIGTERM. */
    struct child_spec spec = sh("trap '' TERM; echo begun; sleep 1000 & wait; sleep 1000", &e);
    spec.deadline_ms = 100;
    spec.keep_fds = &alive[1];
    spec.n_keep_fds = 1;
    CHECK(start(&spec));
    close(alive[1]);
    run_loop();
    CHECK_INT(e.signo, SIGKILL);
    CHECK(e.timed_out);
    CHECK_STR(e.out, "begun\n");
    struct pollfd p = {.fd = alive[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, 5000), 1);
    CHECK(p.revents & POLLHUP);
    close(alive[0]);
}

static void test_capture_keeps_the_tail(void)
{
    run_sh("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; printf END", &e);
    CHECK(e.truncated);
    CHECK_INT(e.out_len, 4096);
    CHECK_STR(e.out + 4096 - 12, "ine 2999\nEND");
    run_sh("head -c 4096 /dev/zero | tr '\\0' x", &e);
    CHECK(!e.truncated);
    CHECK_INT(e.out_len, 4096);
    run_sh("head -c 100000 /dev/zero | tr '\\0' y", &e);
    CHECK(e.truncated);
    CHECK_INT(e.out_len, 4096);
}

static void test_output_callback(void)
{
    memset(&e, 0, sizeof(e));
    struct child_spec spec = sh("echo one; echo two", &e);
    spec.output = on_output;
    spec.max_capture_bytes = 0;
    CHECK(start(&spec));
    run_loop();
    CHECK_STR(e.pieces, "one\ntwo\n");
    CHECK_STR(e.out, "");
}

/* A grandchild that keeps the output open does not hold back the exit. */
static void test_grandchild_holds_the_pipe(void)
{
    run_sh("sleep 1000 & echo $!; exit 3", &e);
    CHECK_INT(e.code, 3);
    pid_t grandchild = (pid_t)atol(e.out);
    CHECK(grandchild > 1);
    if (grandchild > 1)
        CHECK_INT(kill(grandchild, SIGKILL), 0);
}

static void test_stdin_cwd_env_path(void)
{
    memset(&e, 0, sizeof(e));
    int in[2];
    CHECK_INT(pipe2(in, O_CLOEXEC), 0);
    CHECK_INT(write(in[1], "hello\n", 6), 6);
    close(in[1]);
    const char *env[] = {"COLOUR=blue", NULL};
    struct child_spec spec = sh("cat; pwd; echo $COLOUR $HOME", &e);
    spec.stdin_fd = in[0];
    spec.cwd = "/";
    spec.env = env;
    CHECK(start(&spec));
    close(in[0]);
    run_loop();
    CHECK_STR(e.out, "hello\n/\nblue\n");
}

static void test_log_fd(void)
{
    memset(&e, 0, sizeof(e));
    int log[2];
    CHECK_INT(pipe2(log, O_CLOEXEC), 0);
    struct child_spec spec = sh("echo a; echo b >&2", &e);
    spec.max_capture_bytes = 0;
    spec.log_fd = log[1];
    CHECK(start(&spec));
    close(log[1]);
    run_loop();
    char text[16] = "";
    CHECK_INT(read(log[0], text, sizeof(text) - 1), 4);
    CHECK_STR(text, "a\nb\n");
    CHECK_INT(read(log[0], text, sizeof(text)), 0);
    close(log[0]);
}

/* Pipes whose write ends are 3 and 4 here, opened before anything else, without CLOEXEC. */
static int three_read_fd, four_read_fd;

static void open_three_and_four(void)
{
    int three[2], four[2];
    if (pipe(three) < 0 || pipe(four) < 0)
        exit(1);
    three_read_fd = fcntl(three[0], F_DUPFD, 10);
    int three_write_fd = fcntl(three[1], F_DUPFD, 10);
    four_read_fd = fcntl(four[0], F_DUPFD, 10);
    int four_write_fd = fcntl(four[1], F_DUPFD, 10);
    close(three[0]);
    close(three[1]);
    close(four[0]);
    close(four[1]);
    if (dup2(three_write_fd, 3) != 3 || dup2(four_write_fd, 4) != 4)
        exit(1);
    close(three_write_fd);
    close(four_write_fd);
}

/* Kept descriptors arrive as 3, 4, … whatever their numbers were, crosswise here; nothing else
 * arrives. */
static void test_descriptors(void)
{
    int keep[] = {4, 3};
    memset(&e, 0, sizeof(e));
    struct child_spec spec = sh("echo to3 >&3; echo to4 >&4; ls /proc/$$/fd; true", &e);
    spec.keep_fds = keep;
    spec.n_keep_fds = 2;
    CHECK(start(&spec));
    run_loop();
    CHECK_STR(e.out, "0\n1\n2\n3\n4\n");
    char text[8] = "";
    CHECK_INT(read(four_read_fd, text, 4), 4);
    CHECK_STR(text, "to3\n");
    CHECK_INT(read(three_read_fd, text, 4), 4);
    CHECK_STR(text, "to4\n");
}

static void test_signals_are_reset(void)
{
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    run_sh("grep -E 'SigBlk|SigIgn' /proc/self/status", &e);
    signal(SIGPIPE, pipe_before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    unsigned long long blocked = 1, ignored = 1;
    CHECK_INT(sscanf(e.out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    CHECK_INT(blocked, 0);
    CHECK_INT(ignored & 0x7fffffff, 0); /* 32 and 33 are glibc's own */
}

static void on_output_stop(void *arg, const char *text, size_t len)
{
    on_output(arg, text, len);
    loop_stop(loop);
}

static void test_sessions_and_kill(void)
{
    for (int detached = 0; detached < 2; detached++) {
        memset(&e, 0, sizeof(e));
        struct child_spec spec = sh("echo up; exec sleep 1000", &e);
        spec.detached = detached;
        spec.deadline_ms = detached ? 1 : 0; /* does not count for detached ones */
        spec.output = on_output_stop;
        struct child *c = start(&spec);
        run_loop();
        CHECK_STR(e.pieces, "up\n");
        pid_t pid = child_pid(c);
        CHECK_INT(getpgid(pid), pid);
        CHECK_INT(getsid(pid), detached ? pid : getsid(0));
        CHECK(child_pidfd(c) >= 0);
        child_kill(c, SIGTERM);
        run_loop();
        CHECK_INT(e.signo, SIGTERM);
        CHECK(!e.timed_out);
    }
}

static struct child *to_abandon;

static void on_output_abandon(void *arg, const char *text, size_t len)
{
    on_output(arg, text, len);
    child_abandon(to_abandon);
    loop_stop(loop);
}

static void test_abandon(void)
{
    for (int inside = 0; inside < 2; inside++) {
        memset(&e, 0, sizeof(e));
        struct child_spec spec = sh("echo up; exec sleep 1000", &e);
        spec.output = inside ? on_output_abandon : on_output_stop;
        to_abandon = start(&spec);
        pid_t pid = child_pid(to_abandon);
        run_loop();
        if (!inside)
            child_abandon(to_abandon);
        CHECK_INT(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
        kill(pid, SIGKILL);
        CHECK_INT(waitpid(pid, NULL, 0), pid);
        CHECK_INT(e.calls, 0);
    }
}

static int left;

static void count_exit(void *arg, const struct child_exit *exit)
{
    (void)arg;
    CHECK_INT(exit->code, 0);
    CHECK_INT(exit->out_len, 3);
    if (--left == 0)
        loop_stop(loop);
}

static void test_many_at_once(void)
{
    left = 40;
    for (int i = 0; i < 40; i++) {
        struct child_spec spec = sh("echo ok", NULL);
        spec.exited = count_exit;
        CHECK(start(&spec));
    }
    run_loop();
    CHECK_INT(left, 0);
}

/* Ours is raised; a child has the one that we were started with, when it looks. */
static void test_limit_of_open_files(void)
{
    memset(&e, 0, sizeof(e));
    struct rlimit before;
    int in[2];
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit small = {.rlim_cur = 200, .rlim_max = before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &small), 0);
    open_files_raise();
    CHECK(open_files_limit() > 200 || before.rlim_max <= 200);
    CHECK_INT(pipe2(in, O_CLOEXEC), 0);
    struct child_spec spec = sh("read go; ulimit -Sn", &e);
    spec.stdin_fd = in[0];
    CHECK(start(&spec));
    close(in[0]);
    CHECK_INT(write(in[1], "go\n", 3), 3);
    close(in[1]);
    run_loop();
    CHECK_STR(e.out, "200\n");
}

int main(void)
{
    struct err err = ERR_INIT;
    open_three_and_four();
    loop = loop_new(&err);
    if (!loop)
        return 1;
    RUN(test_exit_code_and_output);
    RUN(test_signal);
    RUN(test_exec_failures);
    RUN(test_deadline_kills_the_group);
    RUN(test_capture_keeps_the_tail);
    RUN(test_output_callback);
    RUN(test_grandchild_holds_the_pipe);
    RUN(test_stdin_cwd_env_path);
    RUN(test_log_fd);
    RUN(test_descriptors);
    RUN(test_signals_are_reset);
    RUN(test_sessions_and_kill);
    RUN(test_abandon);
    RUN(test_many_at_once);
    RUN(test_limit_of_open_files);
    loop_free(loop);
    return check_end();
}
