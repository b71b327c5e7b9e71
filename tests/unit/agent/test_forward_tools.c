/* The tools dial, listen and ports, run as the agent runs them: what goes in, what comes out. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/tool.h"
#include "tests/support/check.h"

enum { WAIT_MS = 60000, BIG = 3 * 1024 * 1024 + 17 };

/* One that runs. */
struct run {
    pid_t pid;
    int in, out, err;
};

static struct run begin(int argc, char **argv)
{
    int in[2], out[2], err[2];
    CHECK(pipe(in) == 0 && pipe(out) == 0 && pipe(err) == 0);
    struct run r = {fork(), in[1], out[0], err[0]};
    if (r.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        closefrom(3);
        _exit(tool_run(argc, argv));
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    return r;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, WAIT_MS) == 1;
}

/* Reads exactly len bytes; false at an end, or when nothing comes. */
static bool take(int fd, void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = readable(fd) ? read(fd, (char *)data + at, len - at) : 0;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static void put(int fd, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, (const char *)data + at, len - at);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

/* The next record's length, its bytes in data; -1 at the end of all. */
static ssize_t take_record(const struct run *r, uint8_t *data)
{
    uint8_t length[4];
    if (!take(r->out, length, 4))
        return -1;
    uint32_t n = (uint32_t)length[0] << 24 | (uint32_t)length[1] << 16 | (uint32_t)length[2] << 8 |
                 length[3];
    return n <= 65536 && take(r->out, data, n) ? (ssize_t)n : -1;
}

/* Its exit status; words: what it said on stderr. */
static int finish(struct run *r, char words[256])
{
    int status = 0;
    ssize_t n = readable(r->err) ? read(r->err, words, 255) : 0;
    words[n > 0 ? n : 0] = '\0';
    CHECK_INT(waitpid(r->pid, &status, 0), r->pid);
    if (r->in >= 0)
        close(r->in);
    close(r->out);
    close(r->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int listen_here(char port[8])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    snprintf(port, 8, "%u", ntohs(a.sin_port));
    return fd;
}

static struct run dial(const char *port)
{
    return begin(4, (char *[]){(char *)"dial", (char *)"tcp", (char *)"", (char *)port, NULL});
}

static void fill(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

static void test_the_end_of_input_reaches_the_target_which_may_still_answer(void)
{
    static uint8_t sent[BIG], got[BIG], piece[65536];
    char port[8], words[256];
    int listener = listen_here(port);
    struct run r = dial(port);
    int target = accept(listener, NULL, NULL);
    CHECK_INT(take_record(&r, piece), 0);
    fill(sent, BIG);
    pid_t writer = fork();
    if (writer == 0) {
        put(r.in, sent, BIG);
        _exit(0);
    }
    close(r.in);
    r.in = -1;
    CHECK(take(target, got, BIG));
    CHECK(memcmp(sent, got, BIG) == 0);
    char one;
    CHECK(readable(target));
    CHECK_INT(read(target, &one, 1), 0);
    put(target, "answer", 6);
    close(target);
    CHECK_INT(take_record(&r, piece), 6);
    CHECK(memcmp(piece, "answer", 6) == 0);
    CHECK_INT(take_record(&r, piece), 0);
    CHECK_INT(finish(&r, words), 0);
    CHECK_STR(words, "");
    waitpid(writer, NULL, 0);
    close(listener);
}

static void test_a_target_that_sends_no_more_may_still_be_written_to(void)
{
    uint8_t piece[65536];
    char port[8], words[256], got[5] = "";
    int listener = listen_here(port);
    struct run r = dial(port);
    int target = accept(listener, NULL, NULL);
    CHECK_INT(take_record(&r, piece), 0);
    shutdown(target, SHUT_WR);
    CHECK_INT(take_record(&r, piece), 0);
    put(r.in, "late", 4);
    CHECK(take(target, got, 4));
    CHECK_STR(got, "late");
    close(r.in);
    r.in = -1;
    CHECK_INT(finish(&r, words), 0);
    close(target);
    close(listener);
}

static void test_a_reset_is_a_failure_and_no_end(void)
{
    const struct linger now = {1, 0};
    uint8_t piece[65536];
    char port[8], words[256];
    int listener = listen_here(port);
    struct run r = dial(port);
    int target = accept(listener, NULL, NULL);
    CHECK_INT(take_record(&r, piece), 0);
    setsockopt(target, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(target);
    CHECK_INT(take_record(&r, piece), -1);
    CHECK_INT(finish(&r, words), TOOL_FAILED);
    CHECK(strncmp(words, "104 ", 4) == 0); /* ECONNRESET */
    close(listener);
}

static void test_nobody_there_is_told_with_its_errno(void)
{
    char port[8], words[256];
    close(listen_here(port));
    struct run r = dial(port);
    CHECK_INT(finish(&r, words), TOOL_FAILED);
    CHECK(strncmp(words, "111 ", 4) == 0); /* ECONNREFUSED */
    r = begin(3, (char *[]){(char *)"dial", (char *)"unix", (char *)"/nobody/there", NULL});
    CHECK_INT(finish(&r, words), TOOL_FAILED);
    CHECK(strncmp(words, "2 ", 2) == 0); /* ENOENT */
}

/* "listening NAME ADDRESS PORT" or "accepted ID ADDRESS PORT". */
static void take_line(const struct run *r, char line[256])
{
    size_t n = 0;
    while (n < 255 && take(r->out, line + n, 1) && line[n] != '\n')
        n++;
    line[n] = '\0';
}

static int connect_to(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void test_what_was_accepted_is_fetched_once(void)
{
    uint8_t piece[65536];
    char line[256], name[64] = "", id[32] = "", words[256], got[4] = "";
    unsigned port = 0;
    struct run l =
        begin(4, (char *[]){(char *)"listen", (char *)"tcp", (char *)"", (char *)"0", NULL});
    take_line(&l, line);
    CHECK_INT(sscanf(line, "listening %63s 127.0.0.1 %u", name, &port), 2);
    int peer = connect_to(port);
    take_line(&l, line);
    CHECK_INT(sscanf(line, "accepted %31s", id), 1);
    char *const argv[] = {(char *)"dial", (char *)"accepted", name, id, NULL};
    struct run r = begin(4, (char **)argv);
    CHECK_INT(take_record(&r, piece), 0);
    put(peer, "ask", 3);
    CHECK_INT(take_record(&r, piece), 3);
    put(r.in, "yes", 3);
    CHECK(take(peer, got, 3));
    CHECK_STR(got, "yes");
    struct run again = begin(4, (char **)argv);
    CHECK_INT(finish(&again, words), TOOL_FAILED);
    CHECK(strncmp(words, "2 ", 2) == 0);
    close(peer);
    close(r.in);
    r.in = -1;
    CHECK_INT(finish(&r, words), 0);
    close(l.in);
    l.in = -1;
    CHECK_INT(finish(&l, words), 0);
}

static void test_what_listens_is_listed_and_followed(void)
{
    char line[256], port[8], wanted[64], words[256];
    struct run r = begin(2, (char *[]){(char *)"ports", (char *)"follow", NULL});
    do
        take_line(&r, line);
    while (line[0]);
    int listener = listen_here(port);
    snprintf(wanted, sizeof(wanted), "tcp\t%s\t%d\t%u\t127.0.0.1\t", port, (int)getpid(), getuid());
    do
        take_line(&r, line);
    while (strncmp(line, wanted, strlen(wanted)) != 0 && readable(r.out));
    CHECK(strncmp(line, wanted, strlen(wanted)) == 0);
    close(r.in);
    r.in = -1;
    CHECK_INT(finish(&r, words), 0);
    close(listener);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    RUN(test_the_end_of_input_reaches_the_target_which_may_still_answer);
    RUN(test_a_target_that_sends_no_more_may_still_be_written_to);
    RUN(test_a_reset_is_a_failure_and_no_end);
    RUN(test_nobody_there_is_told_with_its_errno);
    RUN(test_what_was_accepted_is_fetched_once);
    RUN(test_what_listens_is_listed_and_followed);
    return check_end();
}
