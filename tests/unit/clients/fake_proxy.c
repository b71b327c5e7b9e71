/* Passes bytes between one client at a time and the server; cuts the first f->cuts connections
 * after a number of bytes that differs from one to the next, wherever in a frame that is. */
#include "tests/unit/clients/fake_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/clients/fake_server.h"

static void fatal(const char *what)
{
    perror(what);
    abort();
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
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
    struct sockaddr_un address = address_of(f->socket);
    unsigned random = 1;
    for (;;) {
        struct pollfd fds[] = {{.fd = f->proxy_listen, .events = POLLIN},
                               {.fd = f->proxy_stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents)
            return NULL;
        int client = accept4(f->proxy_listen, NULL, NULL, SOCK_CLOEXEC);
        int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client < 0 || connect(server, (struct sockaddr *)&address, sizeof(address)) < 0)
            fatal("proxy");
        int64_t budget = -1;
        if (f->n_connections++ < f->cuts) {
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
    struct sockaddr_un address = address_of(f->proxy_socket);
    f->proxy_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->proxy_listen < 0 ||
        bind(f->proxy_listen, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(f->proxy_listen, 16) < 0 || pipe2(f->proxy_stop, O_CLOEXEC) < 0)
        fatal("proxy");
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
