/* The handshake of a vsock behind a Unix socket, and what a hostile or silent one may answer. */
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "tests/integration/guest/channel_rig.h"
#include "tests/support/check.h"

enum { DEADLINE_MS = 20000 };

static struct {
    struct loop *loop;
    struct timer deadline, turn;
    struct channel_config config;
    struct channel *c;
    int fd; /* the peer's end */
    char got[256];
    size_t got_len, want_len;
    bool over, timed_out;
    struct err why;
} t;

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    loop_stop(t.loop);
}

static void on_turn(void *arg)
{
    (void)arg;
    loop_stop(t.loop);
}

static void on_ready(void *arg, int events)
{
    (void)arg;
    CHECK(events & WATCH_READ);
    ssize_t n = channel_recv(t.c, t.got + t.got_len, sizeof(t.got) - t.got_len, &t.why);
    if (n > 0)
        t.got_len += (size_t)n;
    t.over = n < 0;
    if (t.over || t.got_len >= t.want_len)
        loop_stop(t.loop);
}

static void begin(void)
{
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(NULL);
    timer_init(&t.deadline, t.loop, on_deadline, NULL);
    timer_init(&t.turn, t.loop, on_turn, NULL);
    rig_vsock.begin(t.loop, &t.config);
}

static bool connect_port(uint32_t port)
{
    struct err err = ERR_INIT;
    t.config.port = port;
    t.c = t.config.kind->open(t.loop, &t.config, on_ready, NULL, &err);
    if (!CHECK(t.c != NULL))
        return false;
    channel_want(t.c, WATCH_READ);
    t.fd = rig_socket_accept();
    t.got_len = 0;
    t.over = false;
    t.why = (struct err)ERR_INIT;
    return true;
}

/* Having read what came: with bytes unread it would be a reset. */
static void hang_up(void)
{
    char unread[64];
    if (t.fd >= 0) {
        while (recv(t.fd, unread, sizeof(unread), MSG_DONTWAIT) > 0) {
        }
        close(t.fd);
    }
    t.fd = -1;
}

static void disconnect(void)
{
    channel_close(t.c);
    t.c = NULL;
    hang_up();
}

static void end(void)
{
    CHECK(!t.timed_out);
    rig_vsock.end();
    timer_done(&t.deadline);
    timer_done(&t.turn);
    loop_free(t.loop);
}

static void say(const void *bytes, size_t len)
{
    CHECK_INT(send(t.fd, bytes, len, MSG_NOSIGNAL), len);
}

/* Until so many bytes have come, or the end. */
static void run_for(size_t n_bytes)
{
    t.want_len = n_bytes;
    timer_start(&t.deadline, DEADLINE_MS);
    loop_run(t.loop, NULL);
    timer_stop(&t.deadline);
}

static void check_heard(const char *line)
{
    char heard[64] = "";
    ssize_t n = recv(t.fd, heard, sizeof(heard) - 1, MSG_DONTWAIT);
    CHECK_INT(n, strlen(line));
    CHECK_STR(heard, line);
}

static void test_asks_for_its_port(void)
{
    begin();
    if (connect_port(52))
        check_heard("CONNECT 52\n");
    disconnect();
    if (connect_port(UINT32_MAX))
        check_heard("CONNECT 4294967295\n");
    disconnect();
    end();
}

static void test_nothing_is_sent_before_the_answer(void)
{
    begin();
    if (connect_port(52)) {
        struct iovec iov = {(void *)(uintptr_t) "hello", 5};
        CHECK_INT(channel_send(t.c, &iov, 1), 0);
        CHECK(channel_is_alive(t.c));
        check_heard("CONNECT 52\n");
        say("OK 1073741824\nx", 15);
        run_for(1);
        CHECK_INT(channel_send(t.c, &iov, 1), 5);
        check_heard("hello");
    }
    disconnect();
    end();
}

/* The guest speaks first: its bytes come with the answer, in whatever pieces. */
static void test_bytes_behind_the_answer_are_the_guests(void)
{
    static const char all[] = "OK 1073741824\nguest\nOK 7\n";
    begin();
    for (size_t cut = 1; cut < sizeof(all) - 1 && connect_port(52); cut++) {
        t.want_len = SIZE_MAX;
        say(all, cut);
        timer_start(&t.turn, 0);
        loop_run(t.loop, NULL);
        CHECK_INT(t.got_len, cut > 14 ? cut - 14 : 0);
        say(all + cut, sizeof(all) - 1 - cut);
        run_for(11);
        CHECK(!t.over);
        t.got[t.got_len] = '\0';
        CHECK_STR(t.got, "guest\nOK 7\n");
        disconnect();
    }
    end();
}

static void refused_with(const char *answer, size_t len, bool hangs_up, enum err_code code)
{
    if (!connect_port(52))
        return;
    say(answer, len);
    if (hangs_up)
        hang_up();
    run_for(SIZE_MAX);
    CHECK(t.over);
    if (!CHECK_INT(t.why.code, code))
        fprintf(stderr, "     answer of %zu bytes: %.20s\n", len, answer);
    CHECK_CONTAINS(t.why.message, "port 52 of the guest's vsock");
    CHECK_INT(t.got_len, 0);
    CHECK(!channel_is_alive(t.c));
    struct iovec iov = {(void *)(uintptr_t) "hello", 5};
    CHECK_INT(channel_send(t.c, &iov, 1), 0);
    CHECK_INT(channel_recv(t.c, t.got, sizeof(t.got), NULL), -1);
    disconnect();
}

static void test_answers_that_are_none(void)
{
    static const char *const answers[] = {
        "\n",
        "OK\n",
        "OK \n",
        "ok 1\n",
        "NO 1\n",
        "OK 1x\n",
        "OK 1\r\n",
        "OK  1\n",
        "OK -1\n",
        "OK 12345678901\n",
        " OK 1\n",
        "OK1\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    };
    static char flood[100000];
    begin();
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        refused_with(answers[i], strlen(answers[i]), false, ERR_INVALID);
    refused_with("OK 1\0\n", 6, false, ERR_INVALID);
    memset(flood, 'A', sizeof(flood));
    refused_with(flood, 32, false, ERR_INVALID); /* no line, and no more to come */
    refused_with(flood, 31, true, ERR_UNAVAILABLE);
    refused_with(flood, sizeof(flood), false, ERR_INVALID);
    memcpy(flood, "OK 0000000", 10);
    refused_with(flood, sizeof(flood), true, ERR_INVALID);
    end();
}

static void test_refused_at_any_byte(void)
{
    static const char answer[] = "OK 1073741824\n";
    begin();
    for (size_t n = 0; n < sizeof(answer) - 1; n++)
        refused_with(answer, n, true, ERR_UNAVAILABLE);
    if (connect_port(52)) { /* the whole of it, and gone: an end like any other */
        say(answer, sizeof(answer) - 1);
        hang_up();
        run_for(SIZE_MAX);
        CHECK(t.over);
        CHECK_CONTAINS(t.why.message, "closed at its other end");
    }
    disconnect();
    end();
}

static void silent_after(const char *answer)
{
    int64_t begun_ms = clock_mono_ms();
    if (!connect_port(52))
        return;
    say(answer, strlen(answer));
    run_for(SIZE_MAX);
    CHECK(clock_mono_ms() - begun_ms >= t.config.open_ms);
    CHECK(t.over);
    CHECK_INT(t.why.code, ERR_DEADLINE);
    CHECK_CONTAINS(t.why.message, "no answer for port 52");
    CHECK(!channel_is_alive(t.c));
    disconnect();
}

static void test_silence_has_a_deadline(void)
{
    begin();
    t.config.open_ms = 50;
    silent_after("");
    silent_after("OK 10737418");
    end();
}

static void on_later(void *arg)
{
    (void)arg;
    say("late", 4);
}

static void test_the_deadline_is_over_with_the_answer(void)
{
    struct timer later;
    begin();
    t.config.open_ms = 50;
    timer_init(&later, t.loop, on_later, NULL);
    if (connect_port(52)) {
        say("OK 1\nx", 6);
        run_for(1);
        timer_start(&later, 2 * t.config.open_ms);
        run_for(5);
        CHECK(!t.over);
        CHECK_INT(t.got_len, 5);
    }
    disconnect();
    timer_done(&later);
    end();
}

int main(void)
{
    RUN(test_asks_for_its_port);
    RUN(test_nothing_is_sent_before_the_answer);
    RUN(test_bytes_behind_the_answer_are_the_guests);
    RUN(test_answers_that_are_none);
    RUN(test_refused_at_any_byte);
    RUN(test_silence_has_a_deadline);
    RUN(test_the_deadline_is_over_with_the_answer);
    return check_end();
}
