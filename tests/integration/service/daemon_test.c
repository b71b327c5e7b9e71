/* Who a running daemon lets in, and what it refuses to start with. daemon_test */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/methods.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"

enum { NOBODY = 65534, ADMITTED = 0, TURNED_AWAY = 3, NO_CONNECTION = 4 };

static struct harness h;

/* In a child: as this user, one call. */
static int try_as(uid_t uid)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct banger_error error = {0};
        if (setgid(uid) < 0 || setuid(uid) < 0)
            _exit(NO_CONNECTION);
        struct banger_client *client = harness_connect_once(&h);
        Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
        Banger__V1__Identity *me = banger_who_am_i(client, &request, NULL, &error);
        int sys = error.sys;
        banger_message_free(me ? &me->base : NULL);
        banger_close(client);
        _exit(me ? ADMITTED : sys == EACCES || sys == EPERM ? NO_CONNECTION : TURNED_AWAY);
    }
    int status = 0;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_only_own_user_and_root_get_in(void)
{
    CHECK_INT(try_as(0), ADMITTED);
    CHECK_INT(try_as(NOBODY), NO_CONNECTION); /* the folder and the socket's mode keep out */
    struct stat st;
    CHECK_INT(stat(h.socket, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK_INT(stat(h.state, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    /* Even where someone has opened the doors. */
    char folder[sizeof(h.socket)];
    snprintf(folder, sizeof(folder), "%s", h.socket);
    CHECK_INT(chmod(h.socket, 0666), 0);
    for (char *slash; (slash = strrchr(folder, '/')) && slash > folder + 4;) {
        *slash = '\0';
        CHECK_INT(chmod(folder, 0711), 0);
    }
    CHECK_INT(try_as(NOBODY), TURNED_AWAY);
    CHECK_INT(try_as(0), ADMITTED);
}

static void check_no_start(const char *why)
{
    char *log = NULL;
    size_t len = 0;
    CHECK_INT(harness_try_start(&h, NULL), -1);
    CHECK_INT(fs_read(h.log, 1 << 20, &log, &len, NULL), 0);
    CHECK_CONTAINS(log, why);
    free(log);
}

static void test_what_it_does_not_start_with(void)
{
    const char *driver = h.driver;
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    h.driver = "qmeu";
    check_no_start("--driver: no driver \"qmeu\"");
    h.driver = driver;
    CHECK_INT(chmod(h.state, 0777), 0);
    check_no_start("everyone may write to");
    CHECK_INT(chmod(h.state, 0700), 0);
    CHECK_INT(chown(h.state, NOBODY, (gid_t)-1), 0);
    check_no_start("belongs to user 65534");
    CHECK_INT(chown(h.state, 0, (gid_t)-1), 0);
    harness_start(&h, NULL);
    CHECK_INT(try_as(0), ADMITTED);
}

int main(void)
{
    if (geteuid() != 0)
        return check_skip("needs root to become another user");
    harness_open(&h, "sim");
    RUN(test_only_own_user_and_root_get_in);
    RUN(test_what_it_does_not_start_with);
    CHECK(harness_close(&h));
    return check_end();
}
