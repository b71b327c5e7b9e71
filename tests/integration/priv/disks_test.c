/* Requests with files, to a real helper: each is answered by a process of its own, after which the
 * helper is as it was. What a host without device-mapper cannot have ends there in an error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/priv/priv_call.h"
#include "daemon/priv/priv_cow.h"
#include "tests/support/check.h"

enum { IMAGE_BYTES = 1 << 20, HELD_MS = 10000 };

static char top[] = "/tmp/banger-disks-XXXXXX", image[64], cow[64];

static enum err_code make(int base_fd, int cow_fd, char message[256])
{
    const int fds[] = {base_fd, cow_fd};
    struct err err = ERR_INIT;
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = BANGER__PRIV__V1__OPERATION__OPERATION_MAKE;
    r.kind = BANGER__PRIV__V1__KIND__KIND_DM;
    r.vm = (char *)"0123456789abcdef";
    r.bytes = IMAGE_BYTES;
    priv_call_with(&r, fds, base_fd < 0 ? 0 : cow_fd < 0 ? 1 : 2, &err);
    snprintf(message, 256, "%s", err.message);
    return err.code;
}

static enum err_code ask(Banger__Priv__V1__Operation operation, Banger__Priv__V1__Kind kind)
{
    struct err err = ERR_INIT;
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = operation;
    r.kind = kind;
    r.vm = (char *)"0123456789abcdef";
    priv_call(&r, NULL, NULL, &err);
    return err.code;
}

static pid_t helper(void)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (CHECK(file != NULL)) {
        CHECK_INT(fscanf(file, "%d", &pid), 1);
        fclose(file);
    }
    return pid;
}

static int count_fds(pid_t pid)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static void test_files_are_looked_at_and_do_not_stay(void)
{
    char message[256];
    auto_fd int base = open(image, O_RDONLY | O_CLOEXEC), changes = open(cow, O_RDWR | O_CLOEXEC);
    CHECK_INT(ask(BANGER__PRIV__V1__OPERATION__OPERATION_PROBE, BANGER__PRIV__V1__KIND__KIND_TAP),
              ERR_NONE);
    pid_t first = helper();
    int fds = count_fds(first);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(make(-1, -1, message), ERR_INVALID);
        CHECK_CONTAINS(message, "image");
        CHECK_INT(make(base, -1, message), ERR_INVALID);
        CHECK_CONTAINS(message, "copy-on-write file");
        CHECK_INT(make(changes, base, message), ERR_DENIED);
        CHECK_CONTAINS(message, "reading and writing");
    }
    CHECK_INT(ask(BANGER__PRIV__V1__OPERATION__OPERATION_PROBE, BANGER__PRIV__V1__KIND__KIND_TAP),
              ERR_NONE); /* after all that was done apart */
    CHECK_INT(helper(), first);
    CHECK_INT(count_fds(first), fds);
}

/* Whether the host can or not: it is there whole then, or not at all. */
static void test_a_disk_is_made_or_said_not_to_be(void)
{
    char message[256];
    auto_fd int base = open(image, O_RDONLY | O_CLOEXEC), changes = open(cow, O_RDWR | O_CLOEXEC);
    bool can = ask(BANGER__PRIV__V1__OPERATION__OPERATION_PROBE, BANGER__PRIV__V1__KIND__KIND_DM) ==
               ERR_NONE;
    pid_t first = helper();
    enum err_code code = make(base, changes, message);
    printf("     %s\n", code == ERR_NONE ? "made" : message);
    CHECK((code == ERR_NONE) == can);
    if (!can) /* it was asked, and had an answer */
        CHECK_CONTAINS(message, "banger-");
    CHECK_INT(ask(BANGER__PRIV__V1__OPERATION__OPERATION_FIND, BANGER__PRIV__V1__KIND__KIND_DM) ==
                  ERR_NONE,
              can);
    CHECK_INT(ask(BANGER__PRIV__V1__OPERATION__OPERATION_REMOVE, BANGER__PRIV__V1__KIND__KIND_DM),
              ERR_NONE); /* also where there can be none */
    CHECK_INT(helper(), first);
}

/* The next one is asked, with the same files. */
static void test_a_helper_that_has_died_is_replaced(void)
{
    char message[256];
    auto_fd int base = open(image, O_RDONLY | O_CLOEXEC), changes = open(cow, O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(kill(helper(), SIGKILL), 0);
        CHECK_INT(make(changes, base, message), ERR_DENIED);
        CHECK_CONTAINS(message, "reading and writing");
        CHECK_INT(kill(helper(), SIGKILL), 0);
        CHECK_INT(
            ask(BANGER__PRIV__V1__OPERATION__OPERATION_PROBE, BANGER__PRIV__V1__KIND__KIND_TAP),
            ERR_NONE); /* nor is there an error left of the first */
    }
}

/* A child of ours that traces it: until it ends, nobody is told of the other's end. */
static pid_t hold(pid_t pid)
{
    int said[2];
    char byte = 0;
    if (!CHECK_INT(pipe2(said, O_CLOEXEC), 0))
        return 0;
    pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || write(said[1], &byte, 1) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(said[1]);
    CHECK_INT(read(said[0], &byte, 1), 1);
    close(said[0]);
    return tracer;
}

static void test_one_that_cannot_be_reaped_holds_up_nobody(void)
{
    Banger__Priv__V1__Operation probe = BANGER__PRIV__V1__OPERATION__OPERATION_PROBE;
    CHECK_INT(ask(probe, BANGER__PRIV__V1__KIND__KIND_TAP), ERR_NONE);
    pid_t first = helper(), tracer = hold(first);
    int64_t begun = clock_mono_ms();
    priv_end();
    CHECK(clock_mono_ms() - begun < HELD_MS);
    CHECK_INT(kill(first, 0), 0); /* its number is still its own */
    CHECK_INT(kill(tracer, SIGKILL), 0);
    CHECK_INT(waitpid(tracer, NULL, 0), tracer);
    CHECK_INT(ask(probe, BANGER__PRIV__V1__KIND__KIND_TAP), ERR_NONE);
    CHECK(helper() != first);
    priv_end();
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
    CHECK_INT(errno, ECHILD);
}

/* What one of an earlier build says of what it does not know yet. */
static void test_an_older_helper_is_told(void)
{
    struct err err = ERR_INIT;
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = (Banger__Priv__V1__Operation)63;
    r.kind = BANGER__PRIV__V1__KIND__KIND_TAP;
    CHECK_INT(priv_call(&r, NULL, NULL, &err), -1);
    CHECK_INT(err.code, ERR_UNIMPLEMENTED);
    CHECK_CONTAINS(err.message, "banger-priv is of an older build");
}

static void make_file(char *path, size_t size, const char *name, uint64_t bytes)
{
    snprintf(path, size, "%s/%s", top, name);
    auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, (off_t)bytes), 0);
}

int main(void)
{
    struct err err = ERR_INIT;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
        return check_skip("it needs root and /dev/net/tun");
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    make_file(image, sizeof(image), "image", IMAGE_BYTES);
    make_file(cow, sizeof(cow), "cow", priv_cow_bytes(IMAGE_BYTES, IMAGE_BYTES));
    const struct priv_config config = {
        .state_dir = top, .socket = "", .pool = PRIV_POOL, .program = PRIV_FILE};
    CHECK_INT(priv_use(&config, &err), 0);
    RUN(test_files_are_looked_at_and_do_not_stay);
    RUN(test_a_disk_is_made_or_said_not_to_be);
    RUN(test_a_helper_that_has_died_is_replaced);
    RUN(test_one_that_cannot_be_reaped_holds_up_nobody);
    RUN(test_an_older_helper_is_told);
    priv_end();
    unlink(image);
    unlink(cow);
    char lock[96];
    snprintf(lock, sizeof(lock), "%s/priv.lock", top);
    unlink(lock);
    rmdir(top);
    return check_end();
}
