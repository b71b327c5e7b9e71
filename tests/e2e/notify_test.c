/* What a service manager hears: that the daemon serves, then signs of life, and that it ends.
 * notify_test sim */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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

int main(int argc, char **argv)
{
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    RUN(test_what_is_heard);
    harness_start(&h, NULL);
    CHECK(harness_close(&h));
    return check_end();
}
