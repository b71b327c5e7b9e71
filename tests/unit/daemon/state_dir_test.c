/* The lock file while others look into it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
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

int main(void)
{
    RUN(test_a_reader_of_the_new_lock_file_is_waited_for);
    return check_end();
}
