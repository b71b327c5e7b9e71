/* Programs that are started at once, and held before their first instruction: by children with a
 * copy of all descriptors, and then by such as share them (launch_slots.h). */
#include "base/launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/launch_slots.h"
#include "tests/support/check.h"

extern char **environ;

enum { WAIT_MS = 20000, PAIR = 2, THREADS = 4, MANY = 50 };

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

static int let_go(void *arg, pid_t pid)
{
    (void)arg;
    return kill(pid, 0) < 0 ? errno : 0;
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
    struct pollfd end = {.fd = out_fd};
    CHECK_INT(poll(&end, 1, WAIT_MS), 1); /* nobody has the other end any more: not we */
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

static size_t count_fds(void)
{
    size_t n = 0;
    auto_dir DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    return n;
}

/* Its input is the end of ours; of all that we have open it has three. */
static void test_others_are_closed(void)
{
    static const char *const argv[] = {"sh", "-c", "echo /proc/self/fd/*", NULL};
    char text[256] = "";
    int out[2], status = -1;
    pid_t pid = -1;
    size_t before = count_fds();
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    int null = open("/dev/null", O_RDWR); /* NOLINT: it would be inherited */
    const int fds[] = {null, out[1], null};
    struct launch l = {.argv = argv, .env = environ, .fds = fds, .n_fds = 3};
    CHECK_INT(launch(&l, &pid), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(read(out[0], text, sizeof(text) - 1) > 0);
    CHECK_CONTAINS(text, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2");
    CHECK(strlen(text) <=
          strlen("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n"));
    close(null);
    close(out[0]);
    close(out[1]);
    CHECK_INT(count_fds(), before);
}

/* Each has its own descriptors, whoever starts at that moment. */
static void *start_many(void *arg)
{
    char word[16], want[16], text[16];
    const char *argv[] = {"echo", word, NULL};
    snprintf(word, sizeof(word), "%d", *(int *)arg);
    snprintf(want, sizeof(want), "%s\n", word);
    for (int i = 0; i < MANY; i++) {
        struct held h = {.forever_fd = -1};
        int out[2], status = -1;
        pid_t pid = -1;
        CHECK_INT(pipe2(out, O_CLOEXEC), 0);
        const int fds[] = {out[0], out[1], out[1]};
        h.out_fd = out[0];
        struct launch l = {.argv = argv,
                           .env = environ,
                           .fds = fds,
                           .n_fds = 3,
                           .hold = i % 2 ? let_go : NULL,
                           .hold_arg = &h};
        CHECK_INT(launch(&l, &pid), 0);
        CHECK_INT(waitpid(pid, &status, 0), pid);
        memset(text, 0, sizeof(text));
        CHECK_INT(read(out[0], text, sizeof(text) - 1), (long long)strlen(want));
        CHECK_STR(text, want);
        close(out[0]);
        close(out[1]);
    }
    return NULL;
}

static void test_many_at_once(void)
{
    pthread_t threads[THREADS];
    int names[THREADS];
    size_t before = count_fds();
    for (int i = 0; i < THREADS; i++) {
        names[i] = i;
        CHECK_INT(pthread_create(&threads[i], NULL, start_many, &names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(count_fds(), before);
}

/* More than there are slots for; and a program that is not there is told, whatever is at the
 * numbers that become the program's. */
static void test_many_fds(void)
{
    static const char *const there[] = {"true", NULL}, *const not_there[] = {"/nonexistent", NULL};
    int fds[LAUNCH_FDS_MAX + 1], status = -1;
    struct held h = {.forever_fd = -1};
    pid_t pid = -1;
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    auto_fd int high = fcntl(null, F_DUPFD_CLOEXEC, 100);
    for (size_t i = 0; i < LAUNCH_FDS_MAX + 1; i++)
        fds[i] = high;
    struct launch l = {.argv = there, .env = environ, .fds = fds, .n_fds = LAUNCH_FDS_MAX + 1};
    CHECK_INT(launch(&l, &pid), EINVAL);
    l.n_fds = LAUNCH_FDS_MAX;
    CHECK_INT(launch(&l, &pid), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    l.argv = not_there;
    l.hold_arg = &h;
    for (l.n_fds = 0; l.n_fds <= LAUNCH_FDS_MAX; l.n_fds++) {
        l.hold = NULL;
        CHECK_INT(launch(&l, &pid), ENOENT);
        l.hold = let_go;
        CHECK_INT(launch(&l, &pid), ENOENT);
    }
}

/* Whoever has the slots: a launch waits for no other's. */
static void test_slots_are_taken(void)
{
    int slots[1], out_fd;
    pid_t pid = -1;
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int end = launch_slots_take(&null, 1, slots);
    int sys = start_echo(NULL, NULL, &out_fd, &pid);
    if (end != 0)
        launch_slots_give_back();
    check_echo(sys, out_fd, pid);
}

/* Killed while it is held: nobody waits for it. */
static int kill_it(void *arg, pid_t pid)
{
    (void)arg;
    return kill(pid, SIGKILL) < 0 ? errno : 0;
}

static void test_killed_while_held(void)
{
    static const char *const argv[] = {"true", NULL};
    int status = -1;
    pid_t pid = -1;
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[] = {null, null, null};
    struct launch l = {.argv = argv, .env = environ, .fds = fds, .n_fds = 3, .hold = kill_it};
    CHECK_INT(launch(&l, &pid), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void run_all(void)
{
    RUN(test_at_once);
    RUN(test_held);
    RUN(test_not_let_go);
    RUN(test_no_program);
    RUN(test_others_are_closed);
    RUN(test_many_at_once);
    RUN(test_many_fds);
    RUN(test_slots_are_taken);
    RUN(test_killed_while_held);
    RUN(test_parent_is_killed);
}

int main(void)
{
    run_all();
    launch_slots_keep();
    run_all();
    return check_end();
}
