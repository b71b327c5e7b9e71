/* Programs that are started at once, and held before their first instruction. */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/support/check.h"

extern char **environ;

enum { WAIT_MS = 20000, PAIR = 2 };

/* What the hold saw and says. */
struct held {
    pid_t pid;
    int out_fd;     /* the program would write to it */
    bool began;     /* it had written when it was held */
    int answer;     /* an errno */
    int forever_fd; /* tell the pid there, and never come back; -1 */
};

static bool has_bytes(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1 && (p.revents & POLLIN) != 0;
}

static int hold(void *arg, pid_t pid)
{
    struct held *h = arg;
    h->pid = pid;
    h->began = has_bytes(h->out_fd, 50);
    if (h->forever_fd >= 0) {
        CHECK_INT(write(h->forever_fd, &pid, sizeof(pid)), sizeof(pid));
        pause();
    }
    return h->answer;
}

/* "echo", with its output in a pipe of which *out_fd is ours. */
static int start_echo(const char *file, struct held *h, int *out_fd, pid_t *pid)
{
    static const char *const argv[] = {"echo", "word", NULL};
    int out[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return errno;
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[] = {null, out[1], null};
    struct launch l = {.file = file, .argv = argv, .env = environ, .fds = fds, .n_fds = 3};
    if (h) {
        h->out_fd = out[0];
        l.hold = hold;
        l.hold_arg = h;
    }
    int sys = launch(&l, pid);
    close(out[1]);
    *out_fd = out[0];
    return sys;
}

static void check_echo(int sys, int out_fd, pid_t pid)
{
    char text[16] = "";
    int status = -1;
    CHECK_INT(sys, 0);
    CHECK_INT(read(out_fd, text, sizeof(text) - 1), 5);
    CHECK_STR(text, "word\n");
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    close(out_fd);
}

static void test_at_once(void)
{
    int out_fd;
    pid_t pid = -1;
    int sys = start_echo(NULL, NULL, &out_fd, &pid);
    check_echo(sys, out_fd, pid);
}

static void test_held(void)
{
    struct held h = {.forever_fd = -1};
    int out_fd;
    pid_t pid = -1;
    int sys = start_echo(NULL, &h, &out_fd, &pid);
    CHECK(!h.began);
    CHECK_INT(h.pid, pid);
    check_echo(sys, out_fd, pid);
}

/* The hold's errno is the result, and no process is left, nor a zombie. */
static void test_not_let_go(void)
{
    struct held h = {.forever_fd = -1, .answer = ECANCELED};
    int out_fd;
    pid_t pid = -1;
    CHECK_INT(start_echo(NULL, &h, &out_fd, &pid), ECANCELED);
    CHECK_INT(pid, -1);
    CHECK(h.pid > 0);
    CHECK_INT(waitpid(h.pid, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD);
    CHECK(!has_bytes(out_fd, 0));
    close(out_fd);
}

static void test_no_program(void)
{
    struct held h = {.forever_fd = -1};
    int out_fd;
    pid_t pid = -1;
    CHECK_INT(start_echo("/nonexistent/echo", NULL, &out_fd, &pid), ENOENT);
    close(out_fd);
    CHECK_INT(start_echo("/nonexistent/echo", &h, &out_fd, &pid), ENOENT);
    close(out_fd);
    CHECK_INT(pid, -1);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}

static int told[2];

static void *hold_forever(void *arg)
{
    struct held h = {.forever_fd = told[1]};
    int out_fd;
    pid_t pid;
    (void)arg;
    start_echo(NULL, &h, &out_fd, &pid);
    return NULL;
}

static void be_parent(void)
{
    pthread_t threads[PAIR];
    for (int i = 0; i < PAIR; i++)
        pthread_create(&threads[i], NULL, hold_forever, NULL);
    for (int i = 0; i < PAIR; i++)
        pthread_join(threads[i], NULL);
    _exit(1);
}

/* Who is held ends with its parent, though another that is held has what was open of it. */
static void test_parent_is_killed(void)
{
    int pidfds[PAIR];
    CHECK_INT(pipe2(told, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0)
        be_parent();
    for (int i = 0; i < PAIR; i++) {
        pid_t pid = -1;
        CHECK(has_bytes(told[0], WAIT_MS));
        CHECK_INT(read(told[0], &pid, sizeof(pid)), sizeof(pid));
        pidfds[i] = pidfd_open(pid, 0);
        CHECK(pidfds[i] >= 0);
    }
    CHECK_INT(kill(parent, SIGKILL), 0);
    CHECK_INT(waitpid(parent, NULL, 0), parent);
    for (int i = 0; i < PAIR; i++) {
        CHECK(has_bytes(pidfds[i], WAIT_MS));
        close(pidfds[i]);
    }
    close(told[0]);
    close(told[1]);
}

int main(void)
{
    RUN(test_at_once);
    RUN(test_held);
    RUN(test_not_let_go);
    RUN(test_no_program);
    RUN(test_parent_is_killed);
    return check_end();
}
