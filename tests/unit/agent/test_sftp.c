/* The SFTP server, request by request: what OpenSSH's clients do not send. What they do send is
 * tests/e2e/ssh_test.sh's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sftp.h"
#include "tests/support/check.h"

enum { WAIT_MS = 60000, OK = 0, END = 1, NO_SUCH = 2, FAILURE = 4, BAD = 5, UNSUPPORTED = 8 };

static int sock;
static pid_t server;
static struct sftp_packet request, answer; /* not on the stack */
static char folder[] = "/tmp/test_sftp.XXXXXX";

static void begin(void)
{
    int pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    server = fork();
    if (server == 0) {
        dup2(pair[1], 0);
        dup2(pair[1], 1);
        closefrom(3);
        _exit(chdir(folder) < 0 ? 9 : sftp_run());
    }
    close(pair[1]);
    sock = pair[0];
}

/* Its exit status. */
static int end(void)
{
    int status = 0;
    shutdown(sock, SHUT_WR);
    CHECK_INT(waitpid(server, &status, 0), server);
    close(sock);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool take(void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct pollfd p = {.fd = sock, .events = POLLIN};
        ssize_t n = poll(&p, 1, WAIT_MS) == 1 ? read(sock, (char *)data + at, len - at) : 0;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Sends what was put together; the type of the answer, which is to that id. */
static int ask(uint32_t id)
{
    uint8_t head[4], *data = answer.data;
    for (int i = 0; i < 4; i++)
        request.data[i] = (uint8_t)((request.len - 4) >> (24 - 8 * i));
    if (write(sock, request.data, request.len) != (ssize_t)request.len || !take(head, 4))
        return -1;
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (len > sizeof(answer.data) || !take(data, len))
        return -1;
    answer.len = len;
    answer.at = 1;
    answer.wrong = false;
    CHECK_INT(sftp_get_u32(&answer), id);
    return data[0];
}

static void status_is(uint32_t id, uint32_t code)
{
    CHECK_INT(ask(id), SFTP_STATUS);
    CHECK_INT(sftp_get_u32(&answer), code);
}

static void open_file(const char *name, uint32_t flags, char handle[2])
{
    uint32_t len;
    sftp_begin(&request, SFTP_OPEN, 5);
    sftp_put_text(&request, name);
    sftp_put_u32(&request, flags);
    sftp_put_u32(&request, 0);
    CHECK_INT(ask(5), SFTP_HANDLE);
    const uint8_t *bytes = sftp_get_bytes(&answer, &len);
    if (CHECK_INT(len, 2))
        memcpy(handle, bytes, 2);
}

static void test_it_says_what_it_is(void)
{
    begin();
    sftp_begin(&request, SFTP_INIT, 6);
    CHECK_INT(ask(3), SFTP_VERSION);
    sftp_begin(&request, 99, 7);
    status_is(7, UNSUPPORTED);
    sftp_begin(&request, SFTP_EXTENDED, 8);
    sftp_put_text(&request, "nothing@example.org");
    status_is(8, UNSUPPORTED);
    CHECK_INT(end(), 0);
}

static void test_a_file_is_written_and_read_anywhere(void)
{
    char handle[2] = "";
    uint32_t len;
    begin();
    open_file("file", 2 | 1 | 8, handle);
    sftp_begin(&request, SFTP_WRITE, 1);
    sftp_put_bytes(&request, handle, 2);
    sftp_put_u64(&request, 1000000);
    sftp_put_text(&request, "far");
    status_is(1, OK);
    sftp_begin(&request, SFTP_READ, 2);
    sftp_put_bytes(&request, handle, 2);
    sftp_put_u64(&request, 999999);
    sftp_put_u32(&request, UINT32_MAX);
    CHECK_INT(ask(2), SFTP_DATA);
    const uint8_t *data = sftp_get_bytes(&answer, &len);
    CHECK_INT(len, 4);
    CHECK(memcmp(data, "\0far", 4) == 0);
    sftp_begin(&request, SFTP_READ, 3);
    sftp_put_bytes(&request, handle, 2);
    sftp_put_u64(&request, 1000003);
    sftp_put_u32(&request, 10);
    status_is(3, END);
    CHECK_INT(end(), 0);
}

static void test_what_makes_no_sense_is_refused(void)
{
    begin();
    sftp_begin(&request, SFTP_STAT, 1); /* no path at all */
    status_is(1, BAD);
    sftp_begin(&request, SFTP_STAT, 2); /* one that is said to be longer than the packet */
    sftp_put_u32(&request, 0xfffffff0);
    status_is(2, BAD);
    sftp_begin(&request, SFTP_STAT, 3);
    sftp_put_bytes(&request, "a\0b", 3);
    status_is(3, BAD);
    sftp_begin(&request, SFTP_STAT, 4);
    char longest[PATH_MAX + 10];
    memset(longest, 'a', sizeof(longest));
    sftp_put_bytes(&request, longest, sizeof(longest));
    status_is(4, BAD);
    sftp_begin(&request, SFTP_READ, 5); /* of what is not open */
    sftp_put_bytes(&request, "\xff\xff", 2);
    sftp_put_u64(&request, 0);
    sftp_put_u32(&request, 1);
    status_is(5, NO_SUCH);
    sftp_begin(&request, SFTP_CLOSE, 6);
    sftp_put_bytes(&request, "long name", 9);
    status_is(6, NO_SUCH);
    sftp_begin(&request, SFTP_SETSTAT, 7); /* billions of attributes */
    sftp_put_text(&request, "file");
    sftp_put_u32(&request, SFTP_HAS_EXTENDED);
    sftp_put_u32(&request, UINT32_MAX);
    status_is(7, BAD);
    CHECK_INT(end(), 0);
}

static void test_open_files_are_bounded(void)
{
    char handle[2] = "";
    begin();
    for (int i = 0; i < SFTP_HANDLES; i++)
        open_file("file", 1, handle);
    sftp_begin(&request, SFTP_OPEN, 5);
    sftp_put_text(&request, "file");
    sftp_put_u32(&request, 1);
    sftp_put_u32(&request, 0);
    status_is(5, FAILURE);
    sftp_begin(&request, SFTP_CLOSE, 6);
    sftp_put_bytes(&request, handle, 2);
    status_is(6, OK);
    open_file("file", 1, handle);
    CHECK_INT(end(), 0);
}

static void test_a_packet_beyond_all_bounds_ends_it(void)
{
    const uint8_t head[8] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    begin();
    CHECK_INT(write(sock, head, sizeof(head)), sizeof(head));
    CHECK_INT(end(), EXIT_FAILURE);
    begin();
    CHECK_INT(write(sock, "\0\0\0\1x", 5), 5); /* too short for an id */
    CHECK_INT(end(), EXIT_FAILURE);
}

int main(void)
{
    char path[64];
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return check_skip("no folder below /tmp");
    RUN(test_it_says_what_it_is);
    RUN(test_a_file_is_written_and_read_anywhere);
    RUN(test_what_makes_no_sense_is_refused);
    RUN(test_open_files_are_bounded);
    RUN(test_a_packet_beyond_all_bounds_ends_it);
    snprintf(path, sizeof(path), "%s/file", folder);
    unlink(path);
    CHECK_INT(rmdir(folder), 0);
    return check_end();
}
