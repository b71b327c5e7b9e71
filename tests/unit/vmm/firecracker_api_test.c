/* The API client against a server in the test that says what a broken or hostile one might. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/firecracker_api.h"
#include "tests/support/check.h"

enum { DEADLINE_MS = 10000, CALL_MS = 5000 };

struct stage {
    struct loop *loop;
    char dir[32], path[64];
    int listener, server; /* -1 */
    struct watch accepting;
    struct timer guard;
    struct firecracker_api api;
    int answers, connections, awaited;
    char state[32];
    bool has_value;
    struct err err;
    bool late;
};

static void on_answer(void *arg, const json_t *value, const struct err *err)
{
    struct stage *s = arg;
    s->answers++;
    s->err = err ? *err : (struct err)ERR_INIT;
    s->has_value = value != NULL;
    const char *text = json_string_value(json_object_get(value, "state"));
    snprintf(s->state, sizeof(s->state), "%s", text ? text : "");
    if (s->answers >= s->awaited)
        loop_stop(s->loop);
}

static void on_connection(void *arg, int events)
{
    struct stage *s = arg;
    (void)events;
    if (s->server >= 0)
        close(s->server);
    s->server = accept(s->listener, NULL, NULL);
    s->connections++;
    loop_stop(s->loop);
}

static void on_late(void *arg)
{
    struct stage *s = arg;
    s->late = true;
    loop_stop(s->loop);
}

static void run(struct stage *s)
{
    timer_start(&s->guard, DEADLINE_MS);
    loop_run(s->loop, NULL);
    timer_stop(&s->guard);
    if (s->late) {
        fprintf(stderr, "waited in vain\n");
        exit(1);
    }
}

static void listen_there(struct stage *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(s->listener, 8) < 0 ||
        watch_init(&s->accepting, s->loop, s->listener, on_connection, s) < 0)
        abort();
    watch_want(&s->accepting, WATCH_READ);
}

static void begin(struct stage *s)
{
    *s = (struct stage){.listener = -1, .server = -1, .accepting = {.fd = -1}};
    strcpy(s->dir, "/tmp/banger-fc-XXXXXX");
    if (!mkdtemp(s->dir))
        abort();
    snprintf(s->path, sizeof(s->path), "%s/api.sock", s->dir);
    s->loop = loop_new(NULL);
    if (!s->loop || timer_init(&s->guard, s->loop, on_late, s) < 0 ||
        firecracker_api_init(&s->api, s->loop, s->path, NULL, NULL) < 0)
        abort();
    firecracker_api_open(&s->api);
}

static void end(struct stage *s)
{
    firecracker_api_done(&s->api);
    watch_done(&s->accepting);
    if (s->server >= 0)
        close(s->server);
    if (s->listener >= 0)
        close(s->listener);
    timer_done(&s->guard);
    loop_free(s->loop);
    unlink(s->path);
    rmdir(s->dir);
}

static void ask(struct stage *s, const char *path, json_t *body, int64_t ms)
{
    CHECK_INT(firecracker_api_call(&s->api, "PUT", path, body, "the test", ms, on_answer, s, NULL),
              0);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* Once around the loop. */
static void turn(struct stage *s)
{
    loop_post(s->loop, stop, s->loop);
    run(s);
}

/* What the client has sent, whole requests. */
static void heard(struct stage *s, const char *want)
{
    char text[1024] = "";
    size_t len = 0;
    while (len < strlen(want)) {
        ssize_t n = recv(s->server, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        else
            turn(s);
    }
    CHECK_STR(text, want);
}

static void say(struct stage *s, const char *text)
{
    CHECK_INT(send(s->server, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void answer_of(struct stage *s, int n)
{
    s->awaited = n;
    if (s->answers < n)
        run(s);
    CHECK_INT(s->answers, n);
}

#define FIELDS "Host: localhost\r\nAccept: application/json\r\nContent-Type: application/json\r\n"

static void test_one_after_the_other(void)
{
    struct stage s;
    begin(&s);
    ask(&s, "/a", json_pack("{s:i}", "n", 1), CALL_MS); /* before there is a socket */
    ask(&s, "/b", NULL, CALL_MS);
    listen_there(&s);
    run(&s);
    heard(&s, "PUT /a HTTP/1.1\r\n" FIELDS "Content-Length: 7\r\n\r\n{\"n\":1}");
    say(&s, "HTTP/1.1 204 \r\nServer: x\r\n\r\n");
    answer_of(&s, 1);
    CHECK_INT(s.err.code, ERR_NONE);
    CHECK(!s.has_value);
    heard(&s, "PUT /b HTTP/1.1\r\n" FIELDS "Content-Length: 0\r\n\r\n");
    say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"state\":\"Running\"}");
    answer_of(&s, 2);
    CHECK_STR(s.state, "Running");
    CHECK_INT(s.connections, 1);
    end(&s);
}

static void test_a_refusal_has_its_words(void)
{
    struct stage s;
    begin(&s);
    listen_there(&s);
    ask(&s, "/a", NULL, CALL_MS);
    run(&s);
    say(&s,
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 27\r\n\r\n{\"fault_message\":\"No way.\"}");
    answer_of(&s, 1);
    CHECK_INT(s.err.code, ERR_UNKNOWN);
    CHECK_STR(s.err.message, "firecracker refused the test: No way.");
    ask(&s, "/b", NULL, CALL_MS);
    say(&s, "HTTP/1.1 500 \r\n\r\n");
    answer_of(&s, 2);
    CHECK_STR(s.err.message, "firecracker refused the test: no reason given");
    end(&s);
}

static void test_what_is_no_answer_costs_one_request(void)
{
    static const char *const wrong[] = {
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{x}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct stage s;
        begin(&s);
        listen_there(&s);
        ask(&s, "/a", NULL, CALL_MS);
        run(&s);
        say(&s, wrong[i]);
        answer_of(&s, 1);
        CHECK_INT(s.err.code, ERR_UNAVAILABLE);
        end(&s);
    }
}

static void test_it_hangs_up(void)
{
    struct stage s;
    begin(&s);
    listen_there(&s);
    ask(&s, "/a", NULL, CALL_MS);
    ask(&s, "/b", NULL, CALL_MS);
    run(&s);
    close(s.server);
    s.server = -1;
    answer_of(&s, 1);
    CHECK_INT(s.err.code, ERR_UNAVAILABLE);
    run(&s); /* the next one has a connection of its own */
    CHECK_INT(s.connections, 2);
    say(&s, "HTTP/1.1 204 \r\n\r\n");
    answer_of(&s, 2);
    CHECK_INT(s.err.code, ERR_NONE);
    end(&s);
}

static void test_silence_has_its_end(void)
{
    struct stage s;
    begin(&s);
    ask(&s, "/a", NULL, 50); /* nobody listens */
    answer_of(&s, 1);
    CHECK_INT(s.err.code, ERR_DEADLINE);
    listen_there(&s);
    ask(&s, "/a", NULL, 50);
    run(&s);
    answer_of(&s, 2);
    CHECK_INT(s.err.code, ERR_DEADLINE);
    end(&s);
}

static void test_closed_and_bounded(void)
{
    struct stage s;
    struct err err = ERR_INIT;
    begin(&s);
    for (int i = 0; i < FIRECRACKER_CALLS_MAX; i++)
        ask(&s, "/a", NULL, CALL_MS);
    CHECK_INT(firecracker_api_call(&s.api, "PUT", "/a", json_object(), "the test", CALL_MS,
                                   on_answer, &s, &err),
              -1);
    CHECK_CONTAINS(err.message, "too many requests wait");
    s.awaited = 1000;
    firecracker_api_close(&s.api);
    CHECK_INT(s.answers, FIRECRACKER_CALLS_MAX);
    CHECK_INT(s.err.code, ERR_ABORTED);
    err_clear(&err);
    CHECK_INT(
        firecracker_api_call(&s.api, "PUT", "/a", NULL, "the test", CALL_MS, on_answer, &s, &err),
        -1);
    CHECK_CONTAINS(err.message, "it does not run");
    end(&s);
}

int main(void)
{
    RUN(test_one_after_the_other);
    RUN(test_a_refusal_has_its_words);
    RUN(test_what_is_no_answer_costs_one_request);
    RUN(test_it_hangs_up);
    RUN(test_silence_has_its_end);
    RUN(test_closed_and_bounded);
    return check_end();
}
