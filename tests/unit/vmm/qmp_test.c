/* The QMP client against a server in the test that says what a broken or hostile qemu might. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/qmp.h"
#include "tests/support/check.h"

enum { DEADLINE_MS = 10000 };

static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
static const char negotiated[] = "{\"return\": {}, \"id\": 0}\r\n";

struct stage {
    struct loop *loop;
    char dir[32], path[64];
    int listener, server; /* -1 */
    struct watch accepting;
    struct qmp qmp;
    struct timer guard;
    int ups, replies, connections;
    char events[128];
    char value[64];
    struct err err;
    bool late;
};

static void stage_up(void *arg)
{
    struct stage *s = arg;
    s->ups++;
    loop_stop(s->loop);
}

static void stage_event(void *arg, const char *name, const json_t *data)
{
    struct stage *s = arg;
    (void)data;
    strncat(s->events, name, sizeof(s->events) - strlen(s->events) - 1);
    loop_stop(s->loop);
}

static void stage_reply(void *arg, const json_t *value, const struct err *err)
{
    struct stage *s = arg;
    s->replies++;
    s->err = err ? *err : (struct err)ERR_INIT;
    const char *text = json_string_value(value);
    snprintf(s->value, sizeof(s->value), "%s", text ? text : "");
    loop_stop(s->loop);
}

static void stage_accept(void *arg, int events)
{
    struct stage *s = arg;
    (void)events;
    if (s->server >= 0)
        close(s->server);
    s->server = accept(s->listener, NULL, NULL);
    s->connections++;
    loop_stop(s->loop);
}

static void stage_late(void *arg)
{
    struct stage *s = arg;
    s->late = true;
    loop_stop(s->loop);
}

static void stage_run(struct stage *s)
{
    timer_start(&s->guard, DEADLINE_MS);
    loop_run(s->loop, NULL);
    timer_stop(&s->guard);
    if (s->late) {
        fprintf(stderr, "waited in vain\n");
        exit(1);
    }
}

static void stage_turn(void *arg)
{
    loop_stop(arg);
}

/* Exactly that text, from the server. */
static void stage_say(struct stage *s, const char *text)
{
    CHECK_INT(write(s->server, text, strlen(text)), strlen(text));
}

static void stage_hear(struct stage *s, char *text, size_t size)
{
    ssize_t n = read(s->server, text, size - 1);
    text[n < 0 ? 0 : n] = '\0';
}

static void stage_connected(struct stage *s)
{
    for (int before = s->connections; s->connections == before;)
        stage_run(s);
    stage_say(s, greeting);
    stage_say(s, negotiated);
    for (int before = s->ups; s->ups == before;)
        stage_run(s);
}

static void stage_init(struct stage *s)
{
    static const struct qmp_events events = {.up = stage_up, .event = stage_event};
    *s = (struct stage){.listener = -1, .server = -1};
    strcpy(s->dir, "/tmp/banger-qmp-XXXXXX");
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct err err = ERR_INIT;
    s->loop = loop_new(&err);
    if (!s->loop || !mkdtemp(s->dir))
        exit(1);
    snprintf(s->path, sizeof(s->path), "%s/qmp", s->dir);
    strcpy(addr.sun_path, s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(s->listener, 8) < 0)
        exit(1);
    watch_init(&s->accepting, s->loop, s->listener, stage_accept, s);
    watch_want(&s->accepting, WATCH_READ);
    timer_init(&s->guard, s->loop, stage_late, s);
    qmp_init(&s->qmp, s->loop, s->path, &events, s);
    qmp_open(&s->qmp);
}

static void stage_done(struct stage *s)
{
    qmp_done(&s->qmp);
    timer_done(&s->guard);
    watch_done(&s->accepting);
    close(s->listener);
    if (s->server >= 0)
        close(s->server);
    loop_free(s->loop);
    unlink(s->path);
    rmdir(s->dir);
}

static void test_command_waits_and_is_answered(void)
{
    struct stage s;
    char heard[512];
    stage_init(&s);
    CHECK_INT(qmp_call(&s.qmp, "query-status", NULL, 5000, stage_reply, &s, NULL), 0);
    stage_connected(&s);
    CHECK_INT(s.replies, 0);
    stage_hear(&s, heard, sizeof(heard));
    CHECK_CONTAINS(heard, "qmp_capabilities");
    CHECK_CONTAINS(heard, "{\"execute\":\"query-status\",\"id\":1}\n");
    stage_say(&s, "{\"event\": \"RESUME\"}\r\n{\"return\": \"other\", \"id\": 99}\r\n"
                  "{\"return\": \"yes\", \"id\": 1}\r\n");
    while (s.replies == 0)
        stage_run(&s);
    CHECK_STR(s.value, "yes");
    CHECK_STR(s.events, "RESUME");
    CHECK_INT(s.err.code, ERR_NONE);
    stage_done(&s);
}

static void test_refusal_has_qemus_words(void)
{
    struct stage s;
    stage_init(&s);
    stage_connected(&s);
    CHECK_INT(qmp_call(&s.qmp, "cont", NULL, 5000, stage_reply, &s, NULL), 0);
    stage_say(&s, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no way\"}, \"id\": 1}\n");
    while (s.replies == 0)
        stage_run(&s);
    CHECK_INT(s.err.code, ERR_UNKNOWN);
    CHECK_CONTAINS(s.err.message, "no way");
    stage_done(&s);
}

static void test_silence_meets_the_deadline(void)
{
    struct stage s;
    stage_init(&s);
    stage_connected(&s);
    CHECK_INT(qmp_call(&s.qmp, "stop", NULL, 30, stage_reply, &s, NULL), 0);
    while (s.replies == 0)
        stage_run(&s);
    CHECK_INT(s.err.code, ERR_DEADLINE);
    stage_say(&s, "{\"return\": \"late\", \"id\": 1}\n{\"event\": \"STOP\"}\n");
    while (!s.events[0])
        stage_run(&s);
    CHECK_INT(s.replies, 1); /* the late reply is nobody's */
    CHECK_INT(s.connections, 1);
    stage_done(&s);
}

/* Each ends the connection; the command that was sent fails, and the client comes back. */
static void test_garbage(void)
{
    static const char *const garbage[] = {
        "hello\r\n", "[]\n", "{\"what\": 1}\n", "{\n", "\n", "{\"return\": 1, \"return\": ",
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        struct stage s;
        stage_init(&s);
        stage_connected(&s);
        CHECK_INT(qmp_call(&s.qmp, "stop", NULL, 5000, stage_reply, &s, NULL), 0);
        stage_say(&s, garbage[i]);
        shutdown(s.server, SHUT_WR);
        while (s.replies == 0)
            stage_run(&s);
        CHECK_INT(s.err.code, ERR_UNAVAILABLE);
        stage_connected(&s);
        CHECK_INT(s.ups, 2);
        stage_done(&s);
    }
}

static void test_endless_line(void)
{
    static char line[QMP_LINE_BYTES / 8];
    struct stage s;
    stage_init(&s);
    stage_connected(&s);
    memset(line, 'x', sizeof(line));
    for (int before = s.connections; s.connections == before;) {
        ssize_t n = send(s.server, line, sizeof(line), MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)n; /* full, or hung up already: the next turn shows */
        loop_post(s.loop, stage_turn, s.loop);
        stage_run(&s);
    }
    stage_say(&s, greeting);
    stage_say(&s, negotiated);
    while (s.ups < 2)
        stage_run(&s);
    stage_done(&s);
}

static void test_queue_is_bounded_and_closing_ends_it(void)
{
    struct stage s;
    struct err err = ERR_INIT;
    stage_init(&s);
    for (int i = 0; i < QMP_COMMANDS_MAX; i++)
        CHECK_INT(qmp_call(&s.qmp, "stop", NULL, 5000, stage_reply, &s, &err), 0);
    CHECK_INT(qmp_call(&s.qmp, "stop", json_object(), 5000, stage_reply, &s, &err), -1);
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_INT(s.replies, 0);
    qmp_close(&s.qmp);
    CHECK_INT(s.replies, QMP_COMMANDS_MAX);
    CHECK_INT(s.err.code, ERR_ABORTED);
    CHECK_INT(qmp_call(&s.qmp, "stop", NULL, 5000, stage_reply, &s, &err), -1);
    stage_done(&s);
}

int main(void)
{
    RUN(test_command_waits_and_is_answered);
    RUN(test_refusal_has_qemus_words);
    RUN(test_silence_meets_the_deadline);
    RUN(test_garbage);
    RUN(test_endless_line);
    RUN(test_queue_is_bounded_and_closing_ends_it);
    return check_end();
}
