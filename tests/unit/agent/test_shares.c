/* How a guest is divided; a tree of cgroups, on folders that behave as such. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cgroup_tree.h"
#include "agent/shares.h"
#include "base/fs.h"
#include "tests/support/check.h"

#define MIB ((uint64_t)1 << 20)

static void test_the_agent_keeps_memory_and_processes_of_its_own(void)
{
    static const uint64_t memory[] = {1 * MIB, 20 * MIB, 60 * MIB, 218 * MIB, 4096 * MIB, 1 << 30};
    for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
        struct shares s = shares_of(memory[i], 1674);
        CHECK(s.memory_bytes > 0 && s.memory_bytes < memory[i]);
        CHECK(memory[i] - s.memory_bytes <= 64 * MIB);
        if (memory[i] >= 20 * MIB)
            CHECK(memory[i] - s.memory_bytes >= 8 * MIB);
    }
    CHECK_INT(shares_of(218 * MIB, 1674).pids, 1674 - 1674 / 8 - 64);
    CHECK_INT(shares_of(218 * MIB, 100).pids, 50);
    CHECK_INT(shares_of(218 * MIB, 32768).pids, 32768 - 4096 - 64);
}

static void test_what_was_made_below_is_removed_with_it(void)
{
    char dir[] = "/tmp/banger-shares.XXXXXX", path[600];
    CHECK(mkdtemp(dir) != NULL);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof(path), "%s/s/a/b/c", dir);
    CHECK_INT(fs_make_dirs(path, 0700, NULL), 0);
    snprintf(path, sizeof(path), "%s/s/d", dir);
    CHECK_INT(fs_make_dirs(path, 0700, NULL), 0);
    snprintf(path, sizeof(path), "%s/s/a/kept", dir); /* a file keeps a folder as a process does */
    CHECK_INT(fs_write_atomic(path, "", 0, 0600, NULL), 0);
    CHECK(!cgroup_tree_remove(fd, "s"));
    CHECK_INT(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/s/d", dir);
    CHECK(access(path, F_OK) < 0);
    snprintf(path, sizeof(path), "%s/s/a/kept", dir);
    CHECK_INT(unlink(path), 0);
    CHECK(cgroup_tree_remove(fd, "s"));
    CHECK(cgroup_tree_remove(fd, "s")); /* not there is fine */
    CHECK(!cgroup_tree_signal(fd, "s", 0));
    close(fd);
    CHECK_INT(rmdir(dir), 0);
}

/* Folders one in the other, longer than any path may be. */
static void make_chain(int fd, const char *name, int depth)
{
    int at = dup(fd);
    for (int i = 0; i < depth; i++) {
        CHECK_INT(mkdirat(at, i ? "deeper" : name, 0700), 0);
        int next = openat(at, i ? "deeper" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
}

static bool remove_in_turns(int fd, const char *name)
{
    for (int turn = 0; turn < 20; turn++)
        if (cgroup_tree_remove(fd, name))
            return true;
    return false;
}

static void test_what_was_made_below_is_removed_however_deep_and_many(void)
{
    char dir[] = "/tmp/banger-shares.XXXXXX", path[64];
    CHECK(mkdtemp(dir) != NULL);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_chain(fd, "deep", 1500);
    CHECK(remove_in_turns(fd, "deep"));
    make_chain(fd, "wide", 2);
    for (int i = 0; i < 1200; i++) {
        snprintf(path, sizeof(path), "wide/deeper/%d", i);
        CHECK_INT(mkdirat(fd, path, 0700), 0);
    }
    CHECK(!cgroup_tree_remove(fd, "wide")); /* a turn is short */
    CHECK(remove_in_turns(fd, "wide"));
    close(fd);
    CHECK_INT(rmdir(dir), 0);
}

/* What takes SIGTERM is a process that only one deep below is in. */
static void test_a_signal_reaches_however_deep(void)
{
    char dir[] = "/tmp/banger-shares.XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_chain(fd, "deep", 300);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    int at = dup(fd);
    for (int i = 0; i < 300; i++) {
        int next = openat(at, i ? "deeper" : "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    int procs = openat(at, "cgroup.procs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dprintf(procs, "%d\n", (int)pid);
    close(procs);
    CHECK(cgroup_tree_signal(fd, "deep", SIGTERM));
    int status = 0;
    kill(pid, SIGKILL); /* behind the other, by which it ends */
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(WTERMSIG(status), SIGTERM);
    CHECK_INT(unlinkat(at, "cgroup.procs", 0), 0);
    close(at);
    CHECK(cgroup_tree_remove(fd, "deep"));
    close(fd);
    CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
    RUN(test_the_agent_keeps_memory_and_processes_of_its_own);
    RUN(test_what_was_made_below_is_removed_with_it);
    RUN(test_what_was_made_below_is_removed_however_deep_and_many);
    RUN(test_a_signal_reaches_however_deep);
    return check_end();
}
