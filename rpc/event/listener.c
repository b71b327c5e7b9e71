/* Listeners of the gRPC server, and those on Unix sockets; see connection.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/open_files.h"
#include "rpc/event/connection.h"
#include "rpc/event/loop_turn.h"

enum {
    ACCEPT_AT_ONCE = 32,
    BACKLOG = 256,
    RETRY_MS = 200,
    OWNER_FILES = 32, /* so many are kept for our own user on a Unix socket */
};

/* What the socket says of the peer; a TLS peer is identified after its handshake. */
static int listener_look_at(struct listener *l, int fd, struct rpc_peer *peer, struct err *err)
{
    peer->kind = l->kind;
    peer->uid = (uid_t)-1; /* nobody: 0 would be root */
    peer->gid = (gid_t)-1;
    if (l->kind == RPC_PEER_UNIX)
        snprintf(peer->address, sizeof(peer->address), "unix:%.*s", (int)sizeof(peer->address) - 6,
                 l->path);
    else if (listener_tcp_peer(fd, peer, err) < 0)
        return -1;
    return l->kind == RPC_PEER_TLS ? 0 : peer_identify(l->server, fd, peer, err);
}

/* The last files are the owner's: who sees to it that others go must get in. Numbers of files are
 * given from below, so a high one says that few are left. */
static int listener_has_files(const struct rpc_peer *peer, int fd, struct err *err)
{
    bool owner = peer->kind == RPC_PEER_UNIX && (peer->uid == 0 || peer->uid == geteuid());
    if (owner || (uint64_t)fd + OWNER_FILES < open_files_limit())
        return 0;
    err_set(err, ERR_LIMIT, "too many connections: %d files are open", fd);
    return err_tag(err, "TOO_MANY_CONNECTIONS", NULL);
}

static void listener_take(struct listener *l, int fd)
{
    struct rpc_server *server = l->server;
    struct rpc_peer peer = {0};
    struct err err, full;
    if (listener_look_at(l, fd, &peer, &err) < 0) {
        close(fd);
    } else if (listener_has_files(&peer, fd, &full) == 0) {
        if (connection_open(server, fd, &peer, l->tls, NULL, &err) == 0)
            return;
    } else if (!l->tls) {
        if (connection_open(server, fd, &peer, NULL, &full, &err) == 0)
            return;
    } else { /* who that is would be known after a handshake */
        close(fd);
        err = full;
    }
    log_err(LOG_LEVEL_WARN, "rpc", &err, "refuse a connection on %s", l->path);
}

static void listener_accept(struct listener *l)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int peer_fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer_fd >= 0) {
            listener_take(l, peer_fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* Readable all the time, and nothing to be done about it now. */
            struct err err;
            err_sys(&err, errno, "accept on %s", l->path);
            log_err(LOG_LEVEL_WARN, "rpc", &err, "wait before the next connection");
            event_del(&l->event);
            timer_start(&l->retry, RETRY_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void listener_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct listener *l = arg;
    struct loop_turn turn = loop_turn_begin(l->server->loop);
    listener_accept(l);
    loop_turn_end(&turn, "new clients", LOOP_CALLBACK(listener_on_readable));
}

static void listener_on_retry(void *arg)
{
    struct listener *l = arg;
    if (event_add(&l->event, NULL) < 0)
        timer_start(&l->retry, RETRY_MS);
}

/* 0: nobody listens there (a stale socket file or nothing). */
static int listener_probe(const struct sockaddr_un *addr, struct err *err)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(err, errno, "%s", addr->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s exists and is no socket", addr->sun_path);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED)
        return 0;
    return err_set(err, ERR_EXISTS, "%s: another server listens there", addr->sun_path);
}

/* Bound under another name, made ready, then renamed: nobody ever sees it half-made. */
static int listener_bind(struct listener *l, mode_t mode, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX}, temp = {.sun_family = AF_UNIX};
    char suffix[ID_BYTES];
    id_make(suffix);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", l->path);
    int n = snprintf(temp.sun_path, sizeof(temp.sun_path), "%s.%.6s", l->path, suffix);
    if (n < 0 || (size_t)n >= sizeof(temp.sun_path))
        return err_set(err, ERR_INVALID, "the socket path %s is too long", l->path);
    if (listener_probe(&addr, err) < 0)
        return -1;
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    /* The mode of a socket file comes from its inode at bind; fchmod before bind sets it safely. */
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&temp, sizeof(temp)) < 0)
        return err_sys(err, errno, "listen on %s", l->path);
    struct stat st;
    if (chmod(temp.sun_path, mode) < 0 || listen(fd, BACKLOG) < 0 ||
        lstat(temp.sun_path, &st) < 0 || rename(temp.sun_path, addr.sun_path) < 0) {
        err_sys(err, errno, "listen on %s", l->path);
        unlink(temp.sun_path);
        return -1;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->fd = take_fd(&fd);
    return 0;
}

struct listener *listener_new(struct rpc_server *server, enum rpc_peer_kind kind, const char *path,
                              struct err *err)
{
    if (strlen(path) >= sizeof(((struct listener *)0)->path)) {
        err_set(err, ERR_INVALID, "the address %s is too long", path);
        return NULL;
    }
    struct listener *l = calloc(1, sizeof(*l));
    if (!l) {
        err_sys(err, ENOMEM, "listen on %s", path);
        return NULL;
    }
    l->server = server;
    l->kind = kind;
    l->fd = -1;
    strcpy(l->path, path);
    list_init(&l->link);
    if (timer_init(&l->retry, server->loop, listener_on_retry, l) == 0 &&
        event_assign(&l->event, loop_base(server->loop), -1, 0, NULL, NULL) == 0)
        return l;
    err_sys(err, ENOMEM, "listen on %s", path);
    listener_close(l);
    return NULL;
}

int listener_start(struct listener *l, struct err *err)
{
    event_assign(&l->event, loop_base(l->server->loop), l->fd, EV_READ | EV_PERSIST,
                 listener_on_readable, l);
    bool waits = l->kind == RPC_PEER_TLS && !l->tls;
    if (!waits && event_add(&l->event, NULL) < 0)
        return err_sys(err, ENOMEM, "listen on %s", l->path);
    list_add_tail(&l->server->listeners, &l->link);
    return 0;
}

void listener_set_tls(struct listener *l, struct tls_context *context)
{
    bool waits = !l->tls;
    tls_context_unref(l->tls);
    l->tls = tls_context_ref(context);
    if (waits && event_add(&l->event, NULL) < 0)
        timer_start(&l->retry, RETRY_MS);
}

int rpc_server_listen_unix(struct rpc_server *server, const char *path, mode_t mode,
                           struct err *err)
{
    struct listener *l = listener_new(server, RPC_PEER_UNIX, path, err);
    if (!l)
        return -1;
    if (listener_bind(l, mode ? mode : 0600, err) == 0 && listener_start(l, err) == 0)
        return 0;
    listener_close(l);
    return -1;
}

int rpc_server_listen_given(struct rpc_server *server, const char *path, int fd, struct err *err)
{
    struct listener *l = listener_new(server, RPC_PEER_UNIX, path, err);
    if (!l) {
        close(fd);
        return -1;
    }
    l->fd = fd;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        err_sys(err, errno, "listen on %s", path);
    else if (listener_start(l, err) == 0)
        return 0;
    listener_close(l);
    return -1;
}

int rpc_server_listen_unix_again(struct rpc_server *server, const char *path, mode_t mode,
                                 struct err *err)
{
    struct listener *old = NULL;
    list_foreach(pos, &server->listeners)
    {
        struct listener *l = container_of(pos, struct listener, link);
        if (l->kind == RPC_PEER_UNIX && strcmp(l->path, path) == 0)
            old = l;
    }
    if (rpc_server_listen_unix(server, path, mode, err) < 0)
        return -1;
    if (old)
        listener_close(old);
    return 0;
}

void listener_close(struct listener *l)
{
    timer_done(&l->retry);
    if (l->fd >= 0) {
        struct stat st;
        event_del(&l->event);
        close(l->fd);
        if (l->kind == RPC_PEER_UNIX && lstat(l->path, &st) == 0 && st.st_dev == l->dev &&
            st.st_ino == l->ino)
            unlink(l->path);
    }
    list_remove(&l->link);
    tls_context_unref(l->tls);
    free(l);
}
