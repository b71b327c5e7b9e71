/* Passes bytes between one client at a time and the server; cuts the first f->cuts connections
 * after a number of bytes that differs from one to the next, wherever in a frame that is. */
#include "tests/unit/clients/fake_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/clients/fake_script.h"
#include "tests/unit/clients/fake_server.h"

static void fatal(const char *what)
{
    perror(what);
    abort();
}

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

/* Of a Unix socket, or of a port of the loopback interface. */
static union address address_of(const struct fake *f, const char *path, uint16_t port)
{
    union address address = {.un = {.sun_family = AF_UNIX}};
    if (f->tls)
        address.in = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_port = htons(port),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    else
        snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", path);
    return address;
}

static socklen_t address_bytes(const struct fake *f)
{
    return f->tls ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_un);
}

static int connect_server(const struct fake *f)
{
    union address address = address_of(f, f->socket, f->port);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &address.any, address_bytes(f)) < 0)
        fatal("connect to the server");
    return fd;
}

/* Moves what is there from one to the other; false at the end, or when the budget is used up. */
static bool pass(int from, int to, int64_t *budget)
{
    char data[16 << 10];
    ssize_t n = recv(from, data, sizeof(data), 0);
    if (n <= 0)
        return false;
    if (*budget >= 0 && n >= *budget)
        n = *budget;
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(to, data + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
    }
    if (*budget >= 0)
        *budget -= n;
    return *budget != 0;
}

/* Passes both ways until one side ends, the budget is used up, or the test does. */
static void pass_both(struct fake *f, int client, int server, int64_t budget)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN},
                               {.fd = server, .events = POLLIN},
                               {.fd = f->proxy_stop[0], .events = POLLIN}};
        if (poll(fds, 3, -1) < 0 || fds[2].revents)
            return;
        if (fds[0].revents && !pass(client, server, &budget))
            return;
        if (fds[1].revents && !pass(server, client, &budget))
            return;
    }
}

static void *run(void *arg)
{
    struct fake *f = arg;
    unsigned random = 1;
    for (;;) {
        struct pollfd fds[] = {{.fd = f->proxy_listen, .events = POLLIN},
                               {.fd = f->proxy_stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents)
            return NULL;
        int client = accept4(f->proxy_listen, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            fatal("accept");
        int64_t budget = -1;
        unsigned n = f->n_connections++;
        if (n < f->n_scripted) {
            fake_script_run(f, client);
            close(client);
            continue;
        }
        int server = connect_server(f);
        if (n < f->cuts) {
            random = random * 1103515245 + 12345;
            budget = f->cut_least + (random >> 8) % (f->cut_most - f->cut_least + 1);
        }
        pass_both(f, client, server, budget);
        close(client);
        close(server);
    }
}

void fake_proxy_start(struct fake *f)
{
    union address address = address_of(f, f->proxy_socket, 0);
    socklen_t len = address_bytes(f);
    f->proxy_listen = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->proxy_listen < 0 || bind(f->proxy_listen, &address.any, len) < 0 ||
        listen(f->proxy_listen, 16) < 0 || pipe2(f->proxy_stop, O_CLOEXEC) < 0 ||
        getsockname(f->proxy_listen, &address.any, &len) < 0)
        fatal("proxy");
    if (f->tls)
        snprintf(f->proxy_target, sizeof(f->proxy_target), "tls:127.0.0.1:%u",
                 ntohs(address.in.sin_port));
    if (pthread_create(&f->proxy_thread, NULL, run, f) != 0)
        fatal("thread");
}

void fake_proxy_stop(struct fake *f)
{
    close(f->proxy_stop[1]);
    pthread_join(f->proxy_thread, NULL);
    close(f->proxy_stop[0]);
    close(f->proxy_listen);
}
