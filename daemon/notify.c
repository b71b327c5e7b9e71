/* See notify.h. Signs of life come from a timer of the loop's, twice within the time that the
 * manager gives: a loop that stands still sends none. */
#include "daemon/notify.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/err.h"
#include "base/log.h"
#include "rpc/event/loop.h"

struct notify {
    struct timer alive;
    int64_t every_ms; /* 0: nobody watches */
};

static void notify_alive(void *arg)
{
    struct notify *n = arg;
    sd_notify(0, "WATCHDOG=1");
    timer_start(&n->alive, n->every_ms);
}

struct notify *notify_new(struct loop *loop, struct err *err)
{
    uint64_t within_us = 0;
    struct notify *n = calloc(1, sizeof(*n));
    if (!n || timer_init(&n->alive, loop, notify_alive, n) < 0) {
        free(n);
        err_sys(err, ENOMEM, "cannot tell the service manager of us");
        return NULL;
    }
    if (sd_watchdog_enabled(0, &within_us) > 0)
        n->every_ms = (int64_t)(within_us / 2000) + 1;
    if (n->every_ms > 0)
        timer_start(&n->alive, 0);
    return n;
}

void notify_free(struct notify *n)
{
    if (n)
        timer_done(&n->alive);
    free(n);
}

int notify_take_socket(const char *path)
{
    int n = sd_listen_fds(1), taken = -1;
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
        if (taken < 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0) {
            taken = fd;
            continue;
        }
        log_warn("bangerd", "the service manager hands in a socket that is not that at %s", path);
        close(fd);
    }
    return taken;
}

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}
