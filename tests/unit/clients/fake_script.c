/* A few HTTP/2 frames by hand (RFC 9113), as a server sends them that goes away at a bad moment. */
#include "tests/unit/clients/fake_script.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/clients/fake_server.h"

enum { HEAD_BYTES = 9, PREFACE_BYTES = 24, FRAME_HEADERS = 1, REFUSED_STREAM = 7 };

/* Exactly len bytes; false when the client leaves, or the test ends. */
static bool read_exactly(const struct fake *f, int fd, uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = f->proxy_stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents)
            return false;
        ssize_t n = recv(fd, data + at, len - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Skips frames up to HEADERS; the stream they open, or 0. */
static uint32_t await_call(const struct fake *f, int fd)
{
    uint8_t head[HEAD_BYTES], body[16384];
    while (read_exactly(f, fd, head, sizeof(head))) {
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (len > sizeof(body) || !read_exactly(f, fd, body, len))
            break;
        if (head[3] == FRAME_HEADERS)
            return (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
                   head[8];
    }
    return 0;
}

static void say(int fd, const void *data, size_t len)
{
    (void)!send(fd, data, len, MSG_NOSIGNAL);
}

static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
static const uint8_t goaway[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void refuse(const struct fake *f, int fd)
{
    uint8_t preface[PREFACE_BYTES];
    say(fd, settings, sizeof(settings));
    uint32_t stream = read_exactly(f, fd, preface, sizeof(preface)) ? await_call(f, fd) : 0;
    const uint8_t reset[] = {0, 0, 4, 3, 0, 0, 0, 0, (uint8_t)stream, 0, 0, 0, REFUSED_STREAM};
    if (stream == 0)
        return;
    if (f->script == FAKE_GOAWAY)
        say(fd, goaway, sizeof(goaway));
    else
        say(fd, reset, sizeof(reset));
}

/* Read and written at once: the client finds all of it in one read. */
static void greet_and_leave(const struct fake *f, int fd)
{
    uint8_t preface[PREFACE_BYTES], both[sizeof(settings) + sizeof(goaway)];
    memcpy(both, settings, sizeof(settings));
    memcpy(both + sizeof(settings), goaway, sizeof(goaway));
    if (!read_exactly(f, fd, preface, sizeof(preface)))
        return;
    say(fd, both, f->script == FAKE_LEAVES ? sizeof(both) : sizeof(settings));
    if (f->script == FAKE_WAVERS && f->n_connections % 5 == 0)
        await_call(f, fd);
    if (f->script != FAKE_LEAVES)
        shutdown(fd, SHUT_RDWR);
}

void fake_script_run(struct fake *f, int fd)
{
    static const char http1[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    uint8_t byte;
    if (f->script == FAKE_HTTP1)
        say(fd, http1, sizeof(http1) - 1);
    else if (f->script == FAKE_LEAVES || f->script == FAKE_CLOSES || f->script == FAKE_WAVERS)
        greet_and_leave(f, fd);
    else if (f->script != FAKE_SILENT)
        refuse(f, fd);
    while (read_exactly(f, fd, &byte, 1))
        ; /* until the client leaves */
}
