/* The lock file while others look into it. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/state_dir.h"
#include "tests/support/check.h"

static void test_a_reader_of_the_new_lock_file_is_waited_for(void)
{
    char dir[] = "/tmp/banger-state-XXXXXX", lock[64];
    struct state_dir s;
    struct err err = ERR_INIT;
    struct paths paths = {.state_dir = ""};
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    snprintf(paths.state_dir, sizeof(paths.state_dir), "%s", dir);
    snprintf(lock, sizeof(lock), "%s/lock", dir);
    if (CHECK_INT(state_dir_open(&s, &paths, "1", 0, &err), 0)) {
        for (int looks = 4; looks <= 5; looks++) {
            unlink(lock);
            int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
            CHECK_INT(flock(fd, LOCK_SH), 0);
            for (int i = 0; i < 4; i++)
                CHECK_INT(state_dir_look(&s, &err), 0);
            if (looks == 5) {
                CHECK_INT(state_dir_look(&s, &err), -1);
                CHECK_INT(err.code, ERR_EXISTS);
            }
            close(fd);
            CHECK_INT(state_dir_look(&s, &err), 0);
        }
    }
    state_dir_close(&s);
    fs_remove_tree(dir, NULL);
}

/* What a daemon that was killed had just forked has its lock and its socket until it becomes
 * another program. */
static pid_t leave_a_child(const struct paths *paths, const char *lock)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, paths->socket);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(listener, 8), 0);
    pid_t child = fork();
    if (child == 0) {
        poll(NULL, 0, 300);
        _exit(0);
    }
    close(listener);
    close(fd);
    return child;
}

static void test_what_a_killed_daemon_has_left_is_waited_for(void)
{
    char dir[] = "/tmp/banger-state-XXXXXX", lock[64];
    struct state_dir s;
    struct err err = ERR_INIT;
    struct paths paths = {.state_dir = ""};
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    snprintf(paths.state_dir, sizeof(paths.state_dir), "%s", dir);
    snprintf(paths.socket, sizeof(paths.socket), "%s/sock", dir);
    snprintf(lock, sizeof(lock), "%s/lock", dir);
    pid_t child = leave_a_child(&paths, lock);
    CHECK_INT(state_dir_open(&s, &paths, "1", 10000, &err), 0);
    CHECK_STR(err.message, "");
    state_dir_close(&s);
    CHECK_INT(waitpid(child, NULL, 0), child);
    fs_remove_tree(dir, NULL);
}

int main(void)
{
    RUN(test_what_a_killed_daemon_has_left_is_waited_for);
    RUN(test_a_reader_of_the_new_lock_file_is_waited_for);
    return check_end();
}
