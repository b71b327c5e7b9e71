/* A listener within the guest:
 *
 *   listen tcp HOST PORT      HOST "": the guest's IPv4 loopback; PORT 0: any
 *   listen unix PATH
 *
 * says on stdout, a line each, "listening NAME ADDRESS PORT" (of Unix: the path, and 0), then
 * "accepted ID ADDRESS PORT" of each connection that comes. The connection itself is fetched by the
 * tool dial, from the abstract socket NAME, on which only its own user and root are given any. One
 * that nobody fetches is closed after a while, and no more are accepted while too many wait. Ends
 * with its stdin. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/tool.h"
#include "agent/tool_socket.h"
#include "base/clock.h"

enum { LISTEN_WAITING = 64, LISTEN_KEPT_MS = 30000, LISTEN_ASK_MS = 2000 };

struct waiting {
    int fd; /* 0: none */
    uint64_t id;
    int64_t since_ms;
};

struct listener {
    int sock, hand_sock;
    const char *path; /* of a Unix socket, to be removed; or NULL */
    uint64_t last_id;
    unsigned n;
    struct waiting waiting[LISTEN_WAITING];
};

static struct listener listener;

static void listen_write_address(char *out, size_t size, const char *word,
                                 const struct sockaddr_storage *a, const char *path)
{
    char host[INET6_ADDRSTRLEN] = "";
    unsigned port = 0;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        port = ntohs(in->sin_port);
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)a;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        port = ntohs(in->sin6_port);
    }
    int n = snprintf(out, size, "%s %s %u\n", word, path ? path : host, port);
    tool_write(STDOUT_FILENO, out, (unsigned long)n);
}

static void listen_accept(struct listener *l)
{
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof(from);
    int fd = accept4(l->sock, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    char word[64], line[256];
    for (size_t i = 0; i < LISTEN_WAITING; i++) {
        struct waiting *w = &l->waiting[i];
        if (w->fd)
            continue;
        *w = (struct waiting){fd, ++l->last_id, clock_mono_ms()};
        l->n++;
        snprintf(word, sizeof(word), "accepted %" PRIu64, w->id);
        listen_write_address(line, sizeof(line), word, &from, l->path ? "-" : NULL);
        return;
    }
    close(fd);
}

static void waiting_drop(struct listener *l, struct waiting *w)
{
    close(w->fd);
    w->fd = 0;
    l->n--;
}

/* The one that the asker names, which is a tool of ours or there is none. */
static void listen_hand_out(struct listener *l)
{
    int asker = accept4(l->hand_sock, NULL, NULL, SOCK_CLOEXEC);
    if (asker < 0)
        return;
    struct ucred who = {0};
    socklen_t len = sizeof(who);
    struct pollfd p = {.fd = asker, .events = POLLIN};
    char id[24] = "";
    bool ours = getsockopt(asker, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
                (who.uid == geteuid() || who.uid == 0);
    if (ours && poll(&p, 1, LISTEN_ASK_MS) == 1)
        (void)!read(asker, id, sizeof(id) - 1);
    uint64_t wanted = strtoull(id, NULL, 10);
    for (size_t i = 0; wanted && i < LISTEN_WAITING; i++) {
        struct waiting *w = &l->waiting[i];
        if (!w->fd || w->id != wanted)
            continue;
        if (socket_give(asker, w->fd) == 0)
            waiting_drop(l, w);
        close(asker);
        return;
    }
    socket_give(asker, -1);
    close(asker);
}

/* Milliseconds until the next is too old, or -1. */
static int listen_drop_old(struct listener *l)
{
    int64_t now = clock_mono_ms(), next = -1;
    for (size_t i = 0; i < LISTEN_WAITING; i++) {
        struct waiting *w = &l->waiting[i];
        int64_t left = w->fd ? w->since_ms + LISTEN_KEPT_MS - now : -1;
        if (w->fd && left <= 0)
            waiting_drop(l, w);
        else if (w->fd && (next < 0 || left < next))
            next = left;
    }
    return (int)next;
}

static void listen_open(struct listener *l, int argc, char **argv, char name[SOCKET_NAME_BYTES])
{
    uint64_t random[2];
    bool tcp = argc == 4 && strcmp(argv[1], "tcp") == 0;
    if (!tcp && (argc != 3 || strcmp(argv[1], "unix") != 0))
        tool_fail(EINVAL, "listen tcp HOST PORT | unix PATH");
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        tool_fail(errno, "no random bytes: %s", strerror(errno));
    snprintf(name, SOCKET_NAME_BYTES, "@banger-%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    l->hand_sock = socket_listen_unix(name);
    l->sock = tcp ? socket_listen_tcp(argv[2], argv[3]) : socket_listen_unix(argv[2]);
    l->path = tcp ? NULL : argv[2];
}

int tool_listen(int argc, char **argv)
{
    char name[SOCKET_NAME_BYTES], word[SOCKET_NAME_BYTES + 16], line[512], byte;
    struct listener *l = &listener;
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    listen_open(l, argc, argv, name);
    getsockname(l->sock, (struct sockaddr *)&at, &len);
    snprintf(word, sizeof(word), "listening %s", name + 1);
    listen_write_address(line, sizeof(line), word, &at, l->path);
    for (;;) {
        int wait_ms = listen_drop_old(l);
        struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = l->hand_sock, .events = POLLIN},
                              {.fd = l->n < LISTEN_WAITING ? l->sock : -1, .events = POLLIN}};
        if (poll(p, 3, wait_ms) < 0 && errno != EINTR)
            tool_fail(errno, "cannot wait: %s", strerror(errno));
        if (p[1].revents)
            listen_hand_out(l);
        if (p[2].revents)
            listen_accept(l);
        if (p[0].revents && read(STDIN_FILENO, &byte, 1) <= 0)
            break;
    }
    if (l->path && l->path[0] != '@')
        unlink(l->path);
    return 0;
}
