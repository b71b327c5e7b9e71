/* How calls come by connections: nothing waits but what says so, one fd for any loop, servers that
 * refuse, drain, are late or no servers at all. Over Unix sockets and over TLS. */
#include "tests/support/check.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger/attach.h"
#include "base/clock.h"
#include "tests/unit/clients/fake_server.h"
#include "tests/support/told.h"

enum { PATIENCE_MS = 20000, AT_ONCE_MS = 2000, LOOKS_MAX = 100000 };

#define GET_VM "/banger.v1.VMService/GetVM"

static Banger__V1__GetVMRequest get_request(const char *name)
{
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)(uintptr_t)name;
    return request;
}

static struct banger_stream *open_get(struct banger_client *client, const char *name,
                                      int64_t timeout_ms)
{
    auto_call struct banger_call *call = call_within(timeout_ms);
    Banger__V1__GetVMRequest request = get_request(name);
    return banger_stream_open(client, GET_VM, &request.base, call, NULL);
}

static enum banger_code get(struct banger_client *client, const char *name, int64_t timeout_ms,
                            struct banger_error *error)
{
    auto_call struct banger_call *call = call_within(timeout_ms);
    Banger__V1__GetVMRequest request = get_request(name);
    *error = (struct banger_error){0};
    Banger__V1__VM *vm = banger_get_vm(client, &request, call, error);
    banger_message_free(vm ? &vm->base : NULL);
    return vm ? BANGER_OK : error->code;
}

/* Of all methods here the one that may not be done twice. */
static enum banger_code send_signal(struct banger_client *client, struct banger_error *error)
{
    Banger__V1__SignalSessionRequest request = BANGER__V1__SIGNAL_SESSION_REQUEST__INIT;
    request.session = (char *)(uintptr_t) "s";
    request.signo = 15;
    *error = (struct banger_error){0};
    Banger__V1__GuestSession *s = banger_signal_session(client, &request, NULL, error);
    banger_message_free(s ? &s->base : NULL);
    return s ? BANGER_OK : error->code;
}

static struct banger_client *connect_to(const struct fake *f, const char *target)
{
    struct banger_error error;
    struct banger_client *client = told_connect(target, &f->options, &error);
    if (!client)
        fprintf(stderr, "%s: %s\n", target, error.message);
    return client;
}

/* ---- in a loop ---- */

/* All that a loop does: waits for the fd, without any timeout. False after too long. */
static bool look(struct banger_client *client, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, PATIENCE_MS);
    banger_process(client, NULL);
    return n == 1;
}

static enum banger_next next_by_loop(struct banger_client *client, struct banger_stream *stream,
                                     struct banger_error *error)
{
    ProtobufCMessage *message = NULL;
    enum banger_next next;
    int fd = banger_fd(client);
    while ((next = banger_stream_next(stream, 0, &message, error)) == BANGER_NEXT_NOTHING)
        if (!CHECK(look(client, fd)))
            break;
    banger_message_free(message);
    return next;
}

static void check_one_fd(bool tls)
{
    struct fake f = {
        .tls = tls, .stdout_bytes = 1 << 20, .cuts = 10, .cut_least = 1, .cut_most = 100000};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    struct banger_attach *attach = banger_attach_open(client, "s", &error);
    int fd = banger_fd(client), result, looks = 0;
    uint64_t next = 0;
    struct banger_frame frame = {0};
    while (frame.kind != BANGER_FRAME_EXIT) {
        while ((result = banger_attach_next(attach, 0, &frame, &error)) == 1) {
            if (frame.kind == BANGER_FRAME_DATA && CHECK_INT(frame.offset, next))
                next += frame.len;
            if (frame.kind == BANGER_FRAME_EXIT)
                break;
        }
        if (result < 0 || ++looks == LOOKS_MAX || (result == 0 && !CHECK(look(client, fd))))
            break;
    }
    CHECK_INT(frame.kind, BANGER_FRAME_EXIT);
    CHECK_INT(next, f.stdout_bytes);
    CHECK_INT(banger_fd(client), fd);
    CHECK_INT(banger_wanted_events(client), POLLIN);
    banger_attach_close(attach);
    banger_close(client);
    fake_stop(&f);
    CHECK(f.n_connections > 10);
    CHECK(looks < 20000); /* the fd is quiet when there is nothing to do */
}

static void test_one_fd(void)
{
    check_one_fd(false);
    check_one_fd(true);
}

/* A deadline makes the fd readable, too. */
static void test_deadline_in_a_loop(void)
{
    struct fake f = {0};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.target);
    struct banger_stream *stream = open_get(client, "hang", 100);
    CHECK_INT(next_by_loop(client, stream, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    banger_stream_close(stream);
    banger_close(client);
    fake_stop(&f);
}

/* What has come, or failed, outside of banger_process: the fd tells of that, too. */
static void test_news_in_a_loop(void)
{
    struct fake f = {0};
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    struct banger_client *client = connect_to(&f, "/tmp/banger-no-such-socket");
    int fd = banger_fd(client);
    struct banger_stream *stream = open_get(client, "box", 0);
    CHECK(look(client, fd));
    CHECK_INT(banger_stream_next(stream, 0, &message, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    banger_stream_close(stream);
    banger_close(client);

    fake_start(&f);
    client = connect_to(&f, f.target);
    fd = banger_fd(client);
    stream = open_get(client, "box", 0);
    /* A call that waits brings the other one's answer along; it is older. */
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_OK);
    CHECK(look(client, fd));
    CHECK_INT(banger_stream_next(stream, 0, &message, &error), BANGER_NEXT_MESSAGE);
    banger_message_free(message);
    banger_stream_close(stream);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&p, 1, 0), 0);
    banger_close(client);
    fake_stop(&f);
}

/* ---- nothing waits ---- */

/* Somebody who takes the connection and says nothing, neither in TLS nor in HTTP/2. */
static void check_silent(bool tls)
{
    struct fake f = {.tls = tls, .n_scripted = 100, .script = FAKE_SILENT};
    struct banger_error error = {0};
    ProtobufCMessage *message;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    int64_t began = clock_mono_ms();
    struct banger_stream *stream = open_get(client, "box", 300);
    CHECK_INT(banger_stream_next(stream, 0, &message, &error), BANGER_NEXT_NOTHING);
    CHECK_INT(banger_process(client, &error), 0);
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    CHECK_INT(next_by_loop(client, stream, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    CHECK_CONTAINS(error.message, "no answer from");
    banger_stream_close(stream);
    banger_close(client);
    fake_stop(&f);
}

static void test_silent_server(void)
{
    check_silent(false);
    check_silent(true);
}

/* A listener whose queue is full: connections to it are neither made nor refused. */
static void test_connecting_takes_long(void)
{
    struct fake f = {.tls = true};
    struct banger_error error = {0};
    ProtobufCMessage *message;
    char target[64];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fills[8];
    fake_start(&f);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 0) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    for (size_t i = 0; i < 8; i++) {
        fills[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fills[i], (struct sockaddr *)&a, sizeof(a));
    }
    snprintf(target, sizeof(target), "tls:127.0.0.1:%u", ntohs(a.sin_port));
    struct banger_client *client = connect_to(&f, target);
    int64_t began = clock_mono_ms();
    struct banger_stream *stream = open_get(client, "box", 300);
    CHECK_INT(banger_stream_next(stream, 0, &message, &error), BANGER_NEXT_NOTHING);
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    CHECK_INT(next_by_loop(client, stream, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    banger_stream_close(stream);
    banger_close(client);
    for (size_t i = 0; i < 8; i++)
        close(fills[i]);
    close(fd);
    fake_stop(&f);
}

static void test_other_protocol(void)
{
    struct fake f = {.n_scripted = 100, .script = FAKE_HTTP1};
    struct banger_error error;
    fake_start(&f);
    f.options.wait_for_ready_ms = -1;
    struct banger_client *client = connect_to(&f, f.proxy_target);
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "HTTP/2");
    banger_close(client);
    fake_stop(&f);
}

/* The call is opened before there is a server. */
static void test_wait_for_ready(void)
{
    struct fake f = {.options = {.wait_for_ready_ms = PATIENCE_MS}};
    struct banger_error error = {0};
    char path[64];
    snprintf(path, sizeof(path), "/tmp/banger-later-%d", getpid());
    unlink(path);
    struct banger_client *client = connect_to(&f, path);
    struct banger_stream *early = open_get(client, "box", PATIENCE_MS);
    struct banger_stream *hasty = open_get(client, "box", 50);
    CHECK_INT(next_by_loop(client, hasty, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    CHECK_CONTAINS(error.message, path);
    fake_start(&f);
    CHECK_INT(symlink(f.socket, path), 0);
    CHECK_INT(next_by_loop(client, early, &error), BANGER_NEXT_MESSAGE);
    banger_stream_close(early);
    banger_stream_close(hasty);
    banger_close(client);
    unlink(path);
    fake_stop(&f);
    CHECK_INT(f.n_gets, 1);
}

/* ---- refused, drained ---- */

/* Whatever the method: a call that was not begun is begun on the next connection, once. */
static void check_refusal(enum fake_script script)
{
    struct fake f = {.n_scripted = 1, .script = script, .stdout_bytes = 1000};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    CHECK_INT(send_signal(client, &error), BANGER_OK);
    CHECK_STR(error.message, "");
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_connections, 2);
    CHECK_INT(f.n_signals, 1);

    struct fake g = {.n_scripted = 2, .script = script};
    fake_start(&g);
    client = connect_to(&g, g.proxy_target);
    CHECK_INT(send_signal(client, &error), BANGER_UNAVAILABLE);
    CHECK_INT(send_signal(client, &error), BANGER_OK);
    banger_close(client);
    fake_stop(&g);
    CHECK_INT(g.n_signals, 1);

    struct fake i = {.n_scripted = 3, .script = script}; /* this one may be tried on */
    fake_start(&i);
    client = connect_to(&i, i.proxy_target);
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_OK);
    banger_close(client);
    fake_stop(&i);
    CHECK_INT(i.n_gets, 1);
}

static void test_refused_stream(void)
{
    check_refusal(FAKE_RST);
}

static void test_goaway_crosses_the_call(void)
{
    check_refusal(FAKE_GOAWAY);
}

/* A server that greets and goes, again and again, before it took any call: tried with back-off, as
 * one that is not there. Of one that closes the end may be seen a moment after the greeting, with a
 * call on its way: that one may be lost with the last of the time. */
static void check_leaves(enum fake_script script)
{
    enum { TIME_MS = 500, TRIES_MAX = 12 }; /* 5 to 10 ms, doubled: at most eight, and some luck */
    struct fake f = {.n_scripted = 1000, .script = script};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    int code = get(client, "box", TIME_MS, &error);
    if (script == FAKE_LEAVES || code != BANGER_UNAVAILABLE)
        CHECK_INT(code, BANGER_DEADLINE_EXCEEDED);
    banger_close(client);
    fake_stop(&f);
    CHECK(f.n_connections <= TRIES_MAX);
    CHECK_INT(f.n_gets, 0);

    struct fake once = {.n_scripted = 2, .script = script};
    fake_start(&once);
    client = connect_to(&once, once.proxy_target);
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_OK);
    banger_close(client);
    fake_stop(&once);
    CHECK_INT(once.n_connections, 3);
}

static void test_a_server_that_greets_and_goes(void)
{
    check_leaves(FAKE_LEAVES);
    check_leaves(FAKE_CLOSES);
}

/* As one looks whose end comes a while after its greeting: a call is on its way by then. That it
 * was is no answer, and the tries go on as they were: the time may end between two of them, or
 * with a call that is lost and for which there is no time left. */
static void test_a_server_that_takes_calls_and_goes(void)
{
    enum { TIME_MS = 500, TRIES_MAX = 12 };
    struct fake f = {.n_scripted = 1000, .script = FAKE_WAVERS};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    int code = get(client, "box", TIME_MS, &error);
    CHECK(code == BANGER_DEADLINE_EXCEEDED || code == BANGER_UNAVAILABLE);
    banger_close(client);
    fake_stop(&f);
    if (!CHECK(f.n_connections <= TRIES_MAX))
        fprintf(stderr, "%u tries\n", (unsigned)f.n_connections);
}

/* A stream of messages begins anew with the messages that it has sent. */
static void check_refused_attach(enum fake_script script)
{
    struct fake f = {.n_scripted = 1, .script = script, .stdout_bytes = 1000};
    struct told_attach options = {.reattach_ms = -1};
    struct banger_error error;
    struct banger_frame frame = {0};
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.proxy_target);
    struct banger_attach *attach = told_attach_open(client, "s", &options, &error);
    while (banger_attach_next(attach, PATIENCE_MS, &frame, &error) == 1 &&
           frame.kind != BANGER_FRAME_EXIT)
        CHECK(frame.kind != BANGER_FRAME_BROKEN);
    CHECK_INT(frame.kind, BANGER_FRAME_EXIT);
    banger_attach_close(attach);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_opens, 1);
}

static void test_refused_attach(void)
{
    check_refused_attach(FAKE_RST);
    check_refused_attach(FAKE_GOAWAY);
}

static void test_unavailable_by_word(void)
{
    struct fake f = {.unavailable = 3};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.target);
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_OK);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_gets, 4);

    struct fake g = {.unavailable = 1};
    fake_start(&g);
    client = connect_to(&g, g.target);
    CHECK_INT(send_signal(client, &error), BANGER_UNAVAILABLE);
    CHECK_STR(error.message, "not now");
    CHECK_INT(send_signal(client, &error), BANGER_OK);
    banger_close(client);
    fake_stop(&g);
    CHECK_INT(g.n_signals, 2);

    struct fake h = {.unavailable = 1000};
    fake_start(&h);
    client = connect_to(&h, h.target);
    CHECK_INT(get(client, "box", PATIENCE_MS, &error), BANGER_UNAVAILABLE);
    banger_close(client);
    fake_stop(&h);
    CHECK_INT(h.n_gets, 6);
}

/* Connections grow old under calls: the one that waits keeps its own, the others change, and none
 * fails. They live longer than a busy machine takes for a TLS handshake. */
static void check_rotation(bool tls)
{
    struct fake f = {
        .tls = tls, .max_age_ms = tls ? 2000 : 300, .stdout_bytes = 10, .stdin_bytes = 1};
    struct told_attach writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER,
                                 .reattach_ms = -1};
    struct banger_error error = {0};
    struct banger_frame frame = {0};
    unsigned gets = 0, signals = 0, failed = 0;
    fake_start(&f);
    struct banger_client *client = connect_to(&f, f.target);
    struct banger_attach *attach = told_attach_open(client, "s", &writer, &error);
    while (banger_attach_next(attach, PATIENCE_MS, &frame, &error) == 1 &&
           frame.kind != BANGER_FRAME_OPENED)
        ;
    int64_t until = clock_mono_ms() + f.max_age_ms * (tls ? 2 : 6);
    while (clock_mono_ms() < until) {
        failed += get(client, "box", PATIENCE_MS, &error) != BANGER_OK;
        failed += send_signal(client, &error) != BANGER_OK;
        gets++;
        signals++;
        if (failed)
            break;
    }
    CHECK_INT(failed, 0);
    CHECK_STR(error.message, "");
    uint8_t byte = fake_byte(0, 0);
    CHECK_INT(banger_attach_write(attach, &byte, 1, &error), 1);
    banger_attach_write_eof(attach);
    while (banger_attach_next(attach, PATIENCE_MS, &frame, &error) == 1 &&
           frame.kind != BANGER_FRAME_EXIT)
        CHECK(frame.kind != BANGER_FRAME_BROKEN);
    CHECK_INT(frame.kind, BANGER_FRAME_EXIT);
    banger_attach_close(attach);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_opens, 1);
    CHECK_INT(f.n_gets, gets);
    CHECK_INT(f.n_signals, signals);
    printf("     %u calls\n", gets + signals);
}

static void test_rotation(void)
{
    check_rotation(false);
    check_rotation(true);
}

int main(void)
{
    RUN(test_one_fd);
    RUN(test_deadline_in_a_loop);
    RUN(test_news_in_a_loop);
    RUN(test_silent_server);
    RUN(test_connecting_takes_long);
    RUN(test_other_protocol);
    RUN(test_wait_for_ready);
    RUN(test_refused_stream);
    RUN(test_goaway_crosses_the_call);
    RUN(test_a_server_that_greets_and_goes);
    RUN(test_a_server_that_takes_calls_and_goes);
    RUN(test_refused_attach);
    RUN(test_unavailable_by_word);
    RUN(test_rotation);
    return check_end();
}
