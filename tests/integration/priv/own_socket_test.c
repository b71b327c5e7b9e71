/* A helper that makes its socket itself, as "sudo banger-priv --listen" does: who may ask there. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "tests/support/check.h"

enum { USER = 4001, LOOK_US = 5000, LOOKS = 6000 };

static char folder[64];
static struct sockaddr_un at = {.sun_family = AF_UNIX};

static int dial(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    int sys = errno;
    close(fd);
    errno = sys;
    return -1;
}

static pid_t begin(const char *sudo_uid)
{
    pid_t pid = fork();
    if (pid == 0) {
        sudo_uid ? setenv("SUDO_UID", sudo_uid, 1) : unsetenv("SUDO_UID");
        execl(PRIV_FILE, PRIV_FILE, "--listen", at.sun_path, NULL);
        _exit(127);
    }
    return pid;
}

/* It listens: nothing tells that to others. */
static void await(pid_t pid)
{
    for (int i = 0; i < LOOKS && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        int fd = dial();
        if (fd >= 0) {
            close(fd);
            return;
        }
        usleep(LOOK_US);
    }
    CHECK(false);
}

static void end(pid_t pid)
{
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static int status_of(pid_t pid)
{
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool may_dial(uid_t uid)
{
    CHECK_INT(seteuid(uid), 0);
    int fd = dial();
    int sys = errno;
    CHECK_INT(seteuid(0), 0);
    if (fd < 0) {
        CHECK_INT(sys, EACCES);
        return false;
    }
    close(fd);
    return true;
}

static void test_it_is_his_who_called_sudo(void)
{
    char uid[16];
    struct stat st;
    snprintf(uid, sizeof(uid), "%d", USER);
    pid_t pid = begin(uid);
    await(pid);
    CHECK_INT(lstat(at.sun_path, &st), 0);
    CHECK_INT(st.st_uid, USER);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK(may_dial(USER));
    CHECK(!may_dial(USER + 1));
    CHECK_INT(status_of(begin(uid)), 1); /* one listens there */
    CHECK(may_dial(USER));
    end(pid);
}

static void test_a_stale_one_is_replaced(void)
{
    struct stat st;
    const struct group *kvm = getgrnam("kvm");
    CHECK_INT(dial(), -1);
    CHECK_INT(errno, ECONNREFUSED);
    pid_t pid = begin(NULL);
    await(pid);
    CHECK_INT(lstat(at.sun_path, &st), 0);
    CHECK_INT(st.st_uid, 0);
    CHECK_INT(st.st_gid, kvm ? kvm->gr_gid : 0);
    CHECK_INT(st.st_mode & 07777, kvm ? 0660 : 0600);
    CHECK(!may_dial(USER));
    end(pid);
}

static void test_what_is_no_socket_is_left_alone(void)
{
    struct stat st;
    CHECK_INT(unlink(at.sun_path), 0);
    int fd = open(at.sun_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK_INT(write(fd, "x", 1), 1);
    close(fd);
    CHECK_INT(status_of(begin(NULL)), 1);
    CHECK_INT(lstat(at.sun_path, &st), 0);
    CHECK(S_ISREG(st.st_mode) && st.st_size == 1);
    CHECK_INT(unlink(at.sun_path), 0);
}

static void test_a_folder_of_others_is_refused(void)
{
    CHECK_INT(chmod(folder, 0777), 0);
    CHECK_INT(status_of(begin(NULL)), 1);
    CHECK_INT(access(at.sun_path, F_OK), -1);
    CHECK_INT(chmod(folder, 0755), 0);
    CHECK_INT(chown(folder, USER, (gid_t)-1), 0);
    CHECK_INT(status_of(begin(NULL)), 1);
    CHECK_INT(access(at.sun_path, F_OK), -1);
    CHECK_INT(chown(folder, 0, (gid_t)-1), 0);
}

int main(void)
{
    if (geteuid() != 0)
        return check_skip("it needs root");
    strcpy(folder, "/tmp/banger-priv-own-XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
        return EXIT_FAILURE;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/priv.sock", folder);
    RUN(test_it_is_his_who_called_sudo);
    RUN(test_a_stale_one_is_replaced);
    RUN(test_what_is_no_socket_is_left_alone);
    RUN(test_a_folder_of_others_is_refused);
    fs_remove_tree(folder, NULL);
    return check_end();
}
