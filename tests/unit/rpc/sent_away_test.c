/* Who is sent away has a second to read why. That keeps a file open, so it is not for any number of
 * connections: the oldest go, of one principal and in all, and each has been told. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "rpc/event/connection.h"
#include "tests/support/check.h"

enum { WAIT_MS = 10000, ALONE = 3 * LINGER_EACH, TOGETHER = LINGER_MAX + 40 };

static char dir[64] = "/tmp/banger-away.XXXXXX", path[96];
static struct loop *loop;
static struct rpc_server *server;
static struct timer limit;
static unsigned who; /* comes next */
static int fds[ALONE + TOGETHER];
static size_t n_fds, n_bytes; /* of our connections, all open; what the last one has read */

static void on_limit(void *arg)
{
    (void)arg;
    CHECK(!"nothing came in time");
    loop_stop(loop);
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    snprintf(peer->principal, sizeof(peer->principal), "p%u", who);
    peer->role = RPC_ROLE_VIEWER;
    return 0;
}

/* To the end, which the server's side alone has said. */
static void on_readable(void *arg, int events)
{
    (void)events;
    char bytes[4096];
    ssize_t n = recv(*(int *)arg, bytes, sizeof(bytes), MSG_DONTWAIT);
    CHECK(n >= 0);
    n_bytes += n > 0 ? (size_t)n : 0;
    if (n <= 0)
        loop_stop(loop);
}

/* Somebody comes, does not speak HTTP/2, reads that, and stays. */
static void come(void)
{
    struct err err = ERR_INIT;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct watch watch;
    int *fd = &fds[n_fds++];
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CHECK_INT(send(*fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    n_bytes = 0;
    CHECK_INT(watch_init(&watch, loop, *fd, on_readable, fd), 0);
    watch_want(&watch, WATCH_READ);
    timer_start(&limit, WAIT_MS);
    CHECK_INT(loop_run(loop, &err), 0);
    timer_stop(&limit);
    watch_done(&watch);
    CHECK(n_bytes > 0);
}

static void test_one_that_comes_again_and_again(void)
{
    for (int i = 0; i < ALONE; i++) {
        come();
        CHECK(rpc_server_connections(server) <= LINGER_EACH + 1);
    }
    CHECK(rpc_server_connections(server) >= 1);
}

static void test_many_together(void)
{
    for (int i = 0; i < TOGETHER; i++) {
        who = 1 + (unsigned)i;
        come();
        CHECK(rpc_server_connections(server) <= LINGER_MAX + 1);
    }
}

int main(void)
{
    struct err err = ERR_INIT;
    const struct rpc_server_config config = {.identify = identify, .max_connections = 64};
    log_set_level(LOG_LEVEL_ERROR + 1);
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/socket", dir);
    loop = loop_new(&err);
    server = rpc_server_new(loop, &config, &err);
    CHECK_INT(timer_init(&limit, loop, on_limit, NULL), 0);
    CHECK_INT(rpc_server_listen_unix(server, path, 0, &err), 0);
    RUN(test_one_that_comes_again_and_again);
    RUN(test_many_together);
    timer_done(&limit);
    rpc_server_free(server);
    loop_free(loop);
    for (size_t i = 0; i < n_fds; i++)
        close(fds[i]);
    CHECK_INT(rmdir(dir), 0);
    return check_end();
}
