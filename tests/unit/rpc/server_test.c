/* rpc/event's server over real Unix sockets: identity, socket files, deadlines, drain. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { WAIT_MS = 10000 };

struct fixture {
    char dir[64], path[96];
    struct loop *loop;
    struct rpc_server *server;
    struct echo_stats stats;
    struct timer limit; /* ends a wait that lasts too long */
    bool late, refuse, drained;
    bool again;         /* identify was asked so */
    enum rpc_role role; /* NONE: operator */
    struct rpc_client *client;
    struct watch watch;
    int fd; /* the client's; -1 */
    bool lost;
};

static void on_limit(void *arg)
{
    struct fixture *f = arg;
    f->late = true;
    loop_stop(f->loop);
}

/* Our own, as we have them. */
static void check_groups(const struct rpc_peer *peer)
{
    static gid_t own[65536];
    int n = getgroups(sizeof(own) / sizeof(own[0]), own);
    CHECK_INT(peer->gid, getgid());
    CHECK_INT(peer->n_groups, n);
    for (int i = 0; i < n; i++)
        CHECK_INT(peer->groups[i], own[i]);
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    struct fixture *f = arg;
    f->again = peer->again;
    if (f->refuse)
        return err_set(err, ERR_DENIED, "not today");
    if (peer->kind == RPC_PEER_INSECURE) {
        CHECK_INT(peer->uid, (uid_t)-1);
        CHECK(strncmp(peer->address, "127.0.0.1:", 10) == 0);
        peer->role = RPC_ROLE_VIEWER;
        return 0;
    }
    CHECK_INT(peer->kind, RPC_PEER_UNIX);
    CHECK_INT(peer->uid, getuid());
    CHECK_INT(peer->pid, getpid());
    check_groups(peer);
    snprintf(peer->principal, sizeof(peer->principal), "unix:%u", (unsigned)peer->uid);
    peer->role = f->role ? f->role : RPC_ROLE_OPERATOR;
    return 0;
}

static void open_fixture(struct fixture *f, int64_t handshake_ms)
{
    struct err err = ERR_INIT;
    *f = (struct fixture){.dir = "/tmp/banger-rpc.XXXXXX", .fd = -1};
    CHECK(mkdtemp(f->dir) != NULL);
    snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
    f->loop = loop_new(&err);
    const struct rpc_server_config config = {
        .identify = identify, .arg = f, .handshake_timeout_ms = handshake_ms, .max_connections = 4};
    f->server = rpc_server_new(f->loop, &config, &err);
    timer_init(&f->limit, f->loop, on_limit, f);
    CHECK_INT(rpc_server_add(f->server, &echo_rpc_service, &echo_handlers, &f->stats, &err), 0);
    CHECK_INT(rpc_server_listen_unix(f->server, f->path, 0, &err), 0);
    CHECK_STR(err.message, "");
}

static void run(struct fixture *f)
{
    struct err err;
    timer_start(&f->limit, WAIT_MS);
    CHECK_INT(loop_run(f->loop, &err), 0);
    CHECK(!f->late);
    timer_stop(&f->limit);
}

static void client_flush(struct fixture *f)
{
    struct err err;
    const uint8_t *data;
    for (ssize_t n; f->fd >= 0 && (n = rpc_client_output(f->client, &data, &err)) > 0;)
        CHECK_INT(send(f->fd, data, (size_t)n, MSG_NOSIGNAL), n);
}

static void client_ready(void *arg, int events)
{
    (void)events;
    struct fixture *f = arg;
    struct err err;
    uint8_t block[65536];
    ssize_t n = recv(f->fd, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        f->lost = true;
        watch_want(&f->watch, 0);
        err_set(&err, ERR_UNAVAILABLE, "the server closed the connection");
        rpc_client_lost(f->client, &err);
        loop_stop(f->loop);
        return;
    }
    (void)rpc_client_receive(f->client, block, (size_t)n, &err); /* -1 when it was given up */
    client_flush(f);
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void attach_client(struct fixture *f, int fd)
{
    struct err err;
    f->client = rpc_client_new("localhost", &err);
    f->fd = fd;
    watch_init(&f->watch, f->loop, f->fd, client_ready, f);
    watch_want(&f->watch, WATCH_READ);
    client_flush(f);
}

static void connect_client(struct fixture *f)
{
    attach_client(f, connect_to(f->path));
}

static void drop_client(struct fixture *f)
{
    rpc_client_free(f->client);
    f->client = NULL;
    if (f->fd >= 0) {
        watch_done(&f->watch);
        close(f->fd);
    }
    f->fd = -1;
}

static void close_fixture(struct fixture *f)
{
    drop_client(f);
    rpc_server_free(f->server);
    timer_done(&f->limit);
    loop_free(f->loop);
    struct stat st;
    CHECK_INT(lstat(f->path, &st), -1); /* the socket file went with the server */
    CHECK_INT(rmdir(f->dir), 0);
}

/* Collects one call's end and stops the loop. */
struct wait {
    struct fixture *f;
    struct err status;
    int n_messages;
};

static void wait_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
    ((struct wait *)arg)->n_messages++;
}

static void wait_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    struct wait *w = arg;
    w->status = *status;
    loop_stop(w->f->loop);
}

static const struct rpc_call_events wait_events = {.message = wait_message, .closed = wait_closed};

static struct err call(struct fixture *f, int method, const echo_request *r, int64_t timeout_ms,
                       int *n_messages)
{
    struct wait w = {.f = f};
    struct rpc_call_options o = {.timeout_ms = timeout_ms};
    struct err err;
    struct rpc_call *c =
        rpc_client_start(f->client, echo_method(method), &o, &r->base, &wait_events, &w, &err);
    if (!c)
        return err;
    client_flush(f);
    run(f);
    rpc_call_unref(c);
    if (n_messages)
        *n_messages = w.n_messages;
    return w.status;
}

static void test_calls(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    struct stat st;
    CHECK_INT(stat(f.path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    connect_client(&f);
    echo_request r = REQUEST_INIT;
    r.text = "over a socket";
    int n;
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, &n).code, ERR_NONE);
    CHECK_INT(n, 1);
    CHECK_INT(call(&f, ECHO_ADMIN, &r, 0, NULL).code, ERR_DENIED);
    static uint8_t payload[30000];
    r.payload = (ProtobufCBinaryData){sizeof(payload), payload};
    r.count = 500;
    CHECK_INT(call(&f, ECHO_SERVER_STREAM, &r, 0, &n).code, ERR_NONE);
    CHECK_INT(n, 500);
    CHECK_INT(rpc_server_connections(f.server), 1);
    close_fixture(&f);
}

/* The client does not look at its clock: the server's timer ends the call. */
static void test_server_deadline(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    connect_client(&f);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    CHECK_INT(call(&f, ECHO_UNARY, &r, 30, NULL).code, ERR_DEADLINE);
    CHECK_INT(f.stats.last_code, ERR_DEADLINE);
    close_fixture(&f);
}

static void test_socket_files(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    struct err err;
    CHECK_INT(rpc_server_listen_unix(f.server, f.path, 0, &err), -1);
    CHECK_INT(err.code, ERR_EXISTS);
    /* A file that is no socket stays. */
    char file[128];
    snprintf(file, sizeof(file), "%s/file", f.dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    CHECK_INT(rpc_server_listen_unix(f.server, file, 0, &err), -1);
    CHECK_INT(err.code, ERR_EXISTS);
    CHECK_INT(unlink(file), 0);
    /* A stale socket is replaced. */
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", file);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    CHECK_INT(rpc_server_listen_unix(f.server, file, 0660, &err), 0);
    struct stat st;
    CHECK_INT(stat(file, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0660);
    char name[200];
    memset(name, 'x', sizeof(name) - 1);
    name[199] = '\0';
    CHECK_INT(rpc_server_listen_unix(f.server, name, 0, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    close_fixture(&f);
}

static void test_tcp(void)
{
    static const char *const bad[] = {"",          "80",          "127.0.0.1",       "127.0.0.1:",
                                      "[::1]",     "127.0.0.1:x", "127.0.0.1:-1",    "localhost:80",
                                      "0.0.0.0:0", "[::]:0",      "127.0.0.1:65536", "192.0.2.1:0"};
    struct fixture f;
    struct err err;
    uint16_t port = 0;
    open_fixture(&f, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(rpc_server_listen_tcp_insecure(f.server, bad[i], &port, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
    }
    CHECK_INT(rpc_server_listen_tcp_insecure(f.server, "127.0.0.1:0", &port, &err), 0);
    CHECK(port != 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    attach_client(&f, fd);
    echo_request r = REQUEST_INIT;
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
    CHECK_INT(call(&f, ECHO_ADMIN, &r, 0, NULL).code, ERR_DENIED);
    close_fixture(&f);
}

static bool note_connection(void *arg, const struct rpc_connection_info *info)
{
    struct rpc_connection_info *last = arg;
    CHECK(info->peer->uid == getuid());
    *last = *info;
    return true;
}

/* Listed while a call is open; kicked, both sides hear of it. */
static void test_list_and_kick(void)
{
    struct fixture f;
    struct err err;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    struct rpc_connection_info info = {0};
    open_fixture(&f, 0);
    connect_client(&f);
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
    r.hang = true;
    struct rpc_call *c =
        rpc_client_start(f.client, echo_method(ECHO_UNARY), NULL, &r.base, &seen_events, &s, &err);
    client_flush(&f);
    r.hang = false;
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
    rpc_server_each_connection(f.server, note_connection, &info);
    CHECK_INT(info.id, 1);
    CHECK_INT(info.n_calls, 1);
    CHECK(info.bytes_in > 100 && info.bytes_out > 50);
    CHECK(info.since_ns > 0 && info.since_ns <= clock_real_ns());
    CHECK_INT(info.n_calls_done, 2);
    CHECK(info.active_ns >= info.since_ns && info.active_ns <= clock_real_ns());
    CHECK_STR(info.tls_version, "");
    CHECK_INT(rpc_server_kick(f.server, 7, "", &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_INT(rpc_server_kick(f.server, info.id, "kicked by a test", &err), 0);
    CHECK_INT(rpc_server_connections(f.server), 1);
    while (!f.lost && !f.late)
        run(&f);
    CHECK_INT(rpc_server_connections(f.server), 0);
    CHECK_INT(f.stats.last_code, ERR_CANCELLED);
    CHECK_INT(s.status.code, ERR_UNAVAILABLE);
    rpc_call_unref(c);
    close_fixture(&f);
}

/* Asked again, as a changed configuration does: the same answer leaves all as it is, another cuts.
 */
static void test_identify_again(void)
{
    struct fixture f;
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    for (int i = 0; i < 2; i++) {
        f.lost = f.refuse = false;
        f.role = RPC_ROLE_NONE;
        connect_client(&f);
        CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
        CHECK(!f.again);
        CHECK_INT(rpc_server_identify_again(f.server), 0);
        CHECK(f.again);
        CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
        f.refuse = i == 0;
        f.role = RPC_ROLE_VIEWER;
        CHECK_INT(rpc_server_identify_again(f.server), 1);
        CHECK_INT(rpc_server_identify_again(f.server), 0); /* is cut already */
        while (!f.lost && !f.late)
            run(&f);
        CHECK_INT(rpc_server_connections(f.server), 0);
        drop_client(&f);
    }
    close_fixture(&f);
}

/* More groups than usual, in a process that may have them. */
static void test_many_groups(void)
{
    enum { MANY = 300 };
    gid_t before[1024], many[MANY];
    int n = getgroups(sizeof(before) / sizeof(before[0]), before);
    for (gid_t i = 0; i < MANY; i++)
        many[i] = 70000 + i;
    if (n < 0 || setgroups(MANY, many) < 0) {
        printf("     not as this user: %s\n", strerror(errno));
        return;
    }
    test_calls();
    CHECK_INT(setgroups((size_t)n, before), 0);
}

/* Limits that change under a server: at once for all, or with the next connection. */
static void stop_loop(void *arg, int events)
{
    (void)events;
    loop_stop(arg);
}

static void test_other_limits(void)
{
    struct fixture f;
    struct watch watch;
    struct seen s = {0};
    struct rpc_server_config limits = {.max_buffered_output_bytes = 100, .max_connections = 1};
    echo_request r = REQUEST_INIT;
    static char text[200];
    memset(text, 'x', sizeof(text) - 1);
    r.text = text;
    open_fixture(&f, 0);
    connect_client(&f);
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
    rpc_server_set_limits(f.server, &limits);
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE); /* as it was when it came */
    r.hang = true;
    struct rpc_call *busy =
        rpc_client_start(f.client, echo_method(ECHO_UNARY), NULL, &r.base, &seen_events, &s, NULL);
    client_flush(&f);
    r.hang = false;
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE); /* behind it: it has come */
    int second = connect_to(f.path);
    char bytes[256];
    watch_init(&watch, f.loop, second, stop_loop, f.loop);
    watch_want(&watch, WATCH_READ);
    do
        run(&f);
    while (recv(second, bytes, sizeof(bytes), 0) > 0 && !f.late); /* one is enough */
    CHECK(!f.lost);
    rpc_call_cancel(busy);
    rpc_call_unref(busy);
    watch_done(&watch);
    close(second);
    limits.max_connections = 4;
    rpc_server_set_limits(f.server, &limits);
    drop_client(&f);
    connect_client(&f);
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_LIMIT);
    close_fixture(&f);
}

/* Too old: sent away, and cut when the grace is over. */
static void test_max_age(void)
{
    struct fixture f;
    struct err err;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    rpc_server_free(f.server);
    const struct rpc_server_config config = {
        .identify = identify, .arg = &f, .max_age_ms = 30, .max_age_grace_ms = 30};
    f.server = rpc_server_new(f.loop, &config, &err);
    CHECK_INT(rpc_server_add(f.server, &echo_rpc_service, &echo_handlers, &f.stats, &err), 0);
    CHECK_INT(rpc_server_listen_unix(f.server, f.path, 0, &err), 0);
    connect_client(&f);
    r.hang = true;
    struct rpc_call *c =
        rpc_client_start(f.client, echo_method(ECHO_UNARY), NULL, &r.base, &seen_events, &s, &err);
    client_flush(&f);
    while (!f.lost && !f.late)
        run(&f);
    CHECK(rpc_client_draining(f.client));
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_UNAVAILABLE);
    CHECK_INT(rpc_server_connections(f.server), 0);
    rpc_call_unref(c);
    close_fixture(&f);
}

static void test_refused(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    f.refuse = true;
    connect_client(&f);
    run(&f);
    CHECK(f.lost);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close_fixture(&f);
}

/* A peer that says nothing is cut off. */
static void test_handshake_timeout(void)
{
    struct fixture f;
    open_fixture(&f, 30);
    struct err err;
    f.client = rpc_client_new("localhost", &err);
    f.fd = connect_to(f.path);
    watch_init(&f.watch, f.loop, f.fd, client_ready, &f);
    watch_want(&f.watch, WATCH_READ);
    err_set(&err, ERR_UNAVAILABLE, "not begun");
    rpc_client_lost(f.client, &err); /* so that it sends nothing when the server greets */
    while (!f.lost && !f.late)
        run(&f);
    CHECK(f.lost);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close_fixture(&f);
}

static void on_drained(void *arg)
{
    struct fixture *f = arg;
    f->drained = true;
    loop_stop(f->loop);
}

/* A hanging call keeps its connection until the grace is over. */
static void test_drain(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    connect_client(&f);
    echo_request r = REQUEST_INIT;
    r.text = "x";
    CHECK_INT(call(&f, ECHO_UNARY, &r, 0, NULL).code, ERR_NONE);
    r.hang = true;
    struct seen s = {0};
    struct err err;
    struct rpc_call *c =
        rpc_client_start(f.client, echo_method(ECHO_UNARY), NULL, &r.base, &seen_events, &s, &err);
    client_flush(&f);
    rpc_server_drain(f.server, 50, on_drained, &f);
    CHECK(!f.drained);
    while (!f.drained && !f.late)
        run(&f);
    CHECK_INT(rpc_server_connections(f.server), 0);
    CHECK_INT(f.stats.n_started, f.stats.n_closed);
    while (!f.lost && !f.late)
        run(&f);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_UNAVAILABLE);
    rpc_call_unref(c);
    close_fixture(&f);
}

int main(void)
{
    RUN(test_calls);
    RUN(test_server_deadline);
    RUN(test_socket_files);
    RUN(test_tcp);
    RUN(test_list_and_kick);
    RUN(test_identify_again);
    RUN(test_many_groups);
    RUN(test_other_limits);
    RUN(test_max_age);
    RUN(test_refused);
    RUN(test_handshake_timeout);
    RUN(test_drain);
    return check_end();
}
