/* What a service manager hears: that the daemon serves, then signs of life, and that it ends. And
 * what it hands in: a socket at which who calls while no daemon runs waits for the next.
 * notify_test sim */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"

enum { HEAR_MS = 10000 };

static struct harness h;

static const char *hear(int fd, char text[256], int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&p, 1, ms) > 0 ? recv(fd, text, 255, 0) : 0;
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_what_is_heard(void)
{
    char text[256], env[160];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", h.dir);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(env, sizeof(env), "NOTIFY_SOCKET=%s", address.sun_path);
    harness_start(&h, (const char *const[]){env, "WATCHDOG_USEC=200000", NULL});
    bool ready = false;
    for (int alive = 0; alive < 3; alive++) {
        while (strcmp(hear(fd, text, HEAR_MS), "READY=1") == 0)
            ready = true;
        CHECK_STR(text, "WATCHDOG=1");
    }
    CHECK(ready);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    while (strcmp(hear(fd, text, HEAR_MS), "WATCHDOG=1") == 0)
        continue;
    CHECK_STR(text, "STOPPING=1");
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(fd, 8), 0);
    return fd;
}

/* A client that says the first words of HTTP/2 to whoever is there. */
static int call_at(const char *path)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(write(fd, preface, sizeof(preface) - 1), (int)sizeof(preface) - 1);
    return fd;
}

static bool is_answered(int fd, int ms)
{
    char frame[9];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0 && recv(fd, frame, sizeof(frame), 0) == (ssize_t)sizeof(frame) &&
           frame[3] == 4; /* SETTINGS */
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    return CHECK_INT(lstat(path, &st), 0) ? st.st_ino : 0;
}

static void test_a_socket_that_is_handed_in(void)
{
    CHECK(unlink(h.socket) == 0 || errno == ENOENT);
    h.given_fd = listen_at(h.socket);
    ino_t given = inode_of(h.socket);
    harness_start(&h, NULL);
    CHECK_INT(inode_of(h.socket), given);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    CHECK_INT(inode_of(h.socket), given); /* it is the manager's */
    int early = call_at(h.socket);
    CHECK(!is_answered(early, 100));
    harness_start(&h, NULL);
    CHECK(is_answered(early, HEAR_MS));
    close(early);
    CHECK_INT(harness_end(&h, SIGKILL), SIGKILL);
    early = call_at(h.socket);
    harness_start(&h, NULL);
    CHECK(is_answered(early, HEAR_MS));
    close(early);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    close(h.given_fd);
    h.given_fd = 0;
}

/* It may mean another daemon's. */
static void test_one_at_another_path_is_left_alone(void)
{
    char other[64], log[256] = "";
    snprintf(other, sizeof(other), "%s/other.sock", h.dir);
    h.given_fd = listen_at(other);
    ino_t given = inode_of(other);
    harness_start(&h, NULL);
    CHECK_INT(inode_of(other), given);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    CHECK_INT(inode_of(other), given);
    snprintf(log, sizeof(log), "grep -q 'a socket that is not that at %s' %s", h.socket, h.log);
    CHECK_INT(system(log), 0);
    close(h.given_fd);
    h.given_fd = 0;
}

int main(int argc, char **argv)
{
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    RUN(test_what_is_heard);
    RUN(test_a_socket_that_is_handed_in);
    RUN(test_one_at_another_path_is_left_alone);
    harness_start(&h, NULL);
    CHECK(harness_close(&h));
    return check_end();
}
