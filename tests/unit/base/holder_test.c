/* The note in a state folder's lock file: only a whole one of a process that lives is believed. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/holder.h"
#include "tests/support/check.h"

static char dir[64] = "/tmp/banger-holder-XXXXXX", lock_path[80];

static struct holder made(void)
{
    struct holder h = {.phase = HOLDER_SERVING, .version = "1.2-3-gabc", .socket = "/run/a b/c"};
    struct err err = ERR_INIT;
    snprintf(h.folder_id, sizeof(h.folder_id), "abcdef");
    CHECK_INT(holder_self(&h, &err), 0);
    return h;
}

static void put(const struct holder *h)
{
    char text[HOLDER_TEXT_BYTES];
    size_t n = holder_write(h, text);
    CHECK_INT(fs_write_atomic(lock_path, text, n, 0600, NULL), 0);
}

static void test_note_reads_as_written(void)
{
    char text[HOLDER_TEXT_BYTES];
    struct holder h = made(), back;
    size_t n = holder_write(&h, text);
    CHECK_INT(holder_read(text, &back), 0);
    CHECK_INT(back.pid, getpid());
    CHECK_INT(back.start_time, h.start_time);
    CHECK_STR(back.boot_id, h.boot_id);
    CHECK_STR(back.folder_id, "abcdef");
    CHECK_STR(back.phase, HOLDER_SERVING);
    CHECK_STR(back.version, "1.2-3-gabc");
    CHECK_STR(back.socket, "/run/a b/c");
    /* Cut anywhere, it is none. */
    for (size_t keep = 0; keep < n; keep++) {
        char cut[HOLDER_TEXT_BYTES];
        snprintf(cut, sizeof(cut), "%.*s", (int)keep, text);
        CHECK_INT(holder_read(cut, &back), -1);
        CHECK_INT(back.pid, 0);
    }
    CHECK_INT(holder_read("pid 1\nstart 5\nboot x\nphase serving\nwhole\n", &back), -1);
    CHECK_INT(holder_read("pid -7\nstart 5\nboot x\nphase serving\nwhole\n", &back), -1);
    CHECK_INT(holder_read("pid 77\nstart 0\nboot x\nphase serving\nwhole\n", &back), -1);
}

static void test_only_the_very_process_is_found(void)
{
    struct holder h = made(), found;
    CHECK_INT(holder_find(dir, &found), HOLDER_NOBODY);
    put(&h);
    CHECK_INT(holder_find(dir, &found), HOLDER_ALIVE);
    CHECK_INT(found.pid, getpid());
    int fd = holder_pidfd(&found);
    CHECK(fd >= 0);
    close(fd);
    h.start_time++;
    put(&h);
    CHECK_INT(holder_find(dir, &found), HOLDER_NOBODY);
    CHECK_INT(holder_pidfd(&h), -1);
    h.start_time--;
    snprintf(h.boot_id, sizeof(h.boot_id), "another");
    put(&h);
    CHECK_INT(holder_find(dir, &found), HOLDER_NOBODY);
}

static void test_zombie_holds_nothing(void)
{
    struct holder found;
    pid_t pid = fork();
    if (pid == 0) {
        struct holder h = {.phase = HOLDER_SERVING};
        struct err err = ERR_INIT;
        holder_self(&h, &err);
        put(&h);
        raise(SIGKILL);
    }
    siginfo_t info;
    CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_INT(holder_find(dir, &found), HOLDER_NOBODY);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

/* A daemon from before there were notes, or one in another container. */
static void test_lock_without_a_note_is_held_by_somebody(void)
{
    struct holder found;
    CHECK_INT(fs_write_atomic(lock_path, "", 0, 0600, NULL), 0);
    CHECK_INT(holder_find(dir, &found), HOLDER_NOBODY);
    auto_fd int fd = open(lock_path, O_RDWR | O_CLOEXEC);
    CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), 0);
    CHECK_INT(holder_find(dir, &found), HOLDER_UNKNOWN);
    /* The kernel says who; nobody may be signalled for that. */
    CHECK_INT(found.pid, getpid());
    CHECK_INT(holder_pidfd(&found), -1);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(lock_path, sizeof(lock_path), "%s/lock", dir);
    RUN(test_note_reads_as_written);
    RUN(test_only_the_very_process_is_found);
    RUN(test_zombie_holds_nothing);
    RUN(test_lock_without_a_note_is_held_by_somebody);
    fs_remove_tree(dir, NULL);
    return check_end();
}
