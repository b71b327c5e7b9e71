/* Processes by evidence: our own, a child's, a stranger's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/process.h"
#include "tests/support/check.h"

enum { ENDS_MS = 20000 };

static char mark[64];

static bool marked(void *arg, const struct process_info *info)
{
    (void)arg;
    return process_has_arg(info, mark);
}

/* A child with the mark on its command line, and one below it; both have exec'ed when this returns,
 * so that only the first has the mark. */
static pid_t start_marked_as(uid_t uid)
{
    int ends[2];
    char byte;
    if (pipe(ends) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        if (uid != geteuid() && setresuid(uid, uid, uid) < 0)
            _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        setenv("BANGER_TEST_MARK", "a value", 1);
        execlp("sh", "sh", "-c", "sh -c 'echo; exec sleep 1000' & wait", mark, "--option", "value",
               (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    CHECK_INT(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static pid_t start_marked(void)
{
    return start_marked_as(geteuid());
}

/* As one in a jail is: what it executes has that user from its first instruction. */
static void test_root_finds_other_users_too(void)
{
    struct process_info info = {.pid = 0};
    struct err err = ERR_INIT;
    int pidfd = -1;
    if (geteuid() != 0) {
        printf("     left out: it needs root\n");
        return;
    }
    pid_t pid = start_marked_as(65534);
    CHECK_INT(process_hold(pid, 0, marked, NULL, &pidfd, &info, &err), 0);
    CHECK_INT(info.uid, 65534);
    process_signal_descendants(pid, SIGKILL, &err);
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    close(pidfd);
}

static int hold_as_another(pid_t pid)
{
    struct process_info info;
    struct err err = ERR_INIT;
    int pidfd = -1;
    if (setresuid(65534, 65534, 65534) < 0)
        return 126;
    bool held = process_hold(pid, 0, marked, NULL, &pidfd, &info, &err) == 0;
    return held || err.code != ERR_NOT_FOUND;
}

/* Of root's there is none for them, whatever it has on its command line. */
static void test_others_find_their_own(void)
{
    int status = 0;
    if (geteuid() != 0) {
        printf("     left out: it needs root\n");
        return;
    }
    pid_t pid = start_marked(), other = fork();
    if (other == 0)
        _exit(hold_as_another(pid));
    CHECK_INT(waitpid(other, &status, 0), other);
    CHECK_INT(status, 0);
    process_signal_descendants(pid, SIGKILL, NULL);
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void test_read(void)
{
    struct process_info info;
    struct err err = ERR_INIT;
    CHECK_INT(process_read(getpid(), &info, &err), 0);
    CHECK_INT(info.ppid, getppid());
    CHECK_INT(info.uid, geteuid());
    CHECK_CONTAINS(info.exe, "host_process_test");
    CHECK(info.start_time > 0);
    CHECK_INT(process_read(0x7ffffff0, &info, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    char id[PROCESS_BOOT_ID_BYTES];
    CHECK_INT(process_boot_id(id, &err), 0);
    CHECK_INT(strlen(id), 36);
}

static bool look_for_mark(void *arg, const struct process_info *info)
{
    pid_t *found = arg;
    if (marked(NULL, info))
        *found = info->pid;
    return *found == 0;
}

/* 0: there is none. */
static pid_t find_marked(struct process_unread *unread)
{
    struct err err = ERR_INIT;
    pid_t found = 0;
    CHECK_INT(process_each(look_for_mark, &found, unread, &err), 0);
    return found;
}

static void test_find(void)
{
    struct process_info info;
    struct err err = ERR_INIT;
    struct process_unread unread;
    int pidfd = -1;
    char value[16];
    CHECK_INT(find_marked(&unread), 0);
    CHECK_INT(unread.n, 0);
    pid_t pid = start_marked();
    CHECK_INT(find_marked(&unread), pid);
    uint64_t start = 0;
    CHECK_INT(process_start_time(pid, &start, &err), 0);
    /* Nobody, us, another that had its number before. */
    const struct {
        pid_t pid;
        uint64_t start;
    } wrong[] = {{0, 0}, {-5, 0}, {0x7ffffff0, 0}, {getpid(), 0}, {pid, start + 1}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        err_clear(&err);
        CHECK_INT(process_hold(wrong[i].pid, wrong[i].start, marked, NULL, &pidfd, &info, &err),
                  -1);
        CHECK_INT(err.code, ERR_NOT_FOUND);
    }
    CHECK_INT(process_hold(pid, start, marked, NULL, &pidfd, &info, &err), 0);
    CHECK_INT(info.pid, pid);
    CHECK_INT(info.start_time, start);
    CHECK_STR(process_arg_after(&info, "--option"), "value");
    CHECK(process_arg_after(&info, "value") == NULL);
    CHECK_INT(process_read_env(pid, "BANGER_TEST_MARK", value, sizeof(value), &err), 0);
    CHECK_STR(value, "a value");
    CHECK_INT(process_read_env(pid, "BANGER_TEST_MAR", value, sizeof(value), &err), -1);
    /* One that cannot be read is told, and hides no other. */
    process_hide(getpid());
    CHECK_INT(find_marked(&unread), pid);
    process_hide(pid);
    CHECK_INT(find_marked(&unread), 0);
    CHECK_INT(unread.n, 1);
    CHECK_INT(unread.first.sys, EACCES);
    process_hide(0);
    CHECK(!process_gone(pidfd));
    CHECK_INT(process_signal(pidfd, SIGSTOP, &err), 0); /* or it ends with its sleep */
    CHECK_INT(process_signal_descendants(pid, SIGKILL, &err), 0);
    CHECK_INT(process_signal(pidfd, SIGKILL, &err), 0);
    siginfo_t how;
    CHECK_INT(waitid(P_PIDFD, (id_t)pidfd, &how, WEXITED | WNOWAIT), 0);
    /* A zombie is no process to find, and still ours to reap. */
    int other = -1;
    err_clear(&err);
    CHECK_INT(process_hold(pid, start, marked, NULL, &other, &info, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    struct process_exit e;
    CHECK(process_gone(pidfd));
    process_reap(pidfd, &e);
    CHECK(e.known);
    CHECK_INT(e.signo, SIGKILL);
    process_reap(pidfd, &e);
    CHECK(!e.known);
    CHECK_INT(process_signal(pidfd, SIGTERM, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    close(pidfd);
}

/* A reaper of all below it, which are four generations, and orphans that have
 * left its session. Each holds the pipe. */
static _Noreturn void be_root(int pipe_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    dup2(pipe_fd, 1);
    execlp("sh", "sh", "-c",
           "sh -c 'sh -c \"sleep 1000 & sh -c \\\"sleep 1000 & echo; wait\\\"; wait\"; wait' & "
           "sh -c 'setsid sh -c \"sleep 1000 & sleep 1000 & echo\"'; wait",
           (char *)NULL);
    _exit(127);
}

static void test_all_below_are_ended(void)
{
    struct err err = ERR_INIT;
    int ends[2];
    char bytes[2];
    if (!CHECK_INT(pipe2(ends, O_CLOEXEC), 0))
        return;
    pid_t root = fork();
    if (root == 0)
        be_root(ends[1]);
    close(ends[1]);
    for (size_t n = 0; n < sizeof(bytes); n++) /* everybody is there */
        CHECK_INT(read(ends[0], &bytes[n], 1), 1);
    kill(root, SIGSTOP);
    CHECK_INT(process_signal_descendants(root, SIGKILL, &err), 0);
    kill(root, SIGKILL);
    CHECK_INT(waitpid(root, NULL, 0), root);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, ENDS_MS), 1);
    CHECK_INT(read(ends[0], bytes, 1), 0); /* nobody has the other end */
    close(ends[0]);
}

int main(void)
{
    snprintf(mark, sizeof(mark), "banger-test-mark-%d", (int)getpid());
    RUN(test_read);
    RUN(test_find);
    RUN(test_root_finds_other_users_too);
    RUN(test_others_find_their_own);
    RUN(test_all_below_are_ended);
    return check_end();
}
