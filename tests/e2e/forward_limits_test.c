/* Forwards over libbanger: their bounds, requests that make no sense, and what becomes of them when
 * their call, their VM or the daemon goes. forward_limits_test sim */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger/forward.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { WAIT_MS = 60000, PER_VM = 32 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static int listener;
static uint16_t port;

static struct banger_forward *dial(void)
{
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    struct banger_error error;
    open.vm = box;
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT;
    open.tcp_port = port;
    struct banger_forward *forward = banger_forward_open(client, &open, &error);
    CHECK(forward != NULL);
    return forward;
}

static enum banger_forward_news next(struct banger_forward *forward, struct banger_error *error)
{
    const uint8_t *data;
    size_t len;
    return banger_forward_next(forward, WAIT_MS, &data, &len, error);
}

static void open_listener(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 128) == 0 &&
          getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    port = ntohs(a.sin_port);
}

/* What the call fails of, with this as its first request; NULL: none, and a half-close. */
static void refused(const Banger__V1__ForwardRequest *request, const char *code, const char *words)
{
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    struct banger_stream *stream =
        banger_stream_open(client, "/banger.v1.ForwardService/Forward", NULL, NULL, &error);
    if (request)
        CHECK_INT(banger_stream_send(stream, &request->base, &error), 0);
    else
        banger_stream_half_close(stream);
    CHECK_INT(banger_stream_next(stream, WAIT_MS, &message, &error), BANGER_NEXT_ERROR);
    CHECK_STR(banger_code_name(error.code), code);
    CHECK_CONTAINS(error.message, words);
    banger_stream_close(stream);
}

static void test_requests_without_sense_are_refused(void)
{
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    Banger__V1__ForwardRequest request = BANGER__V1__FORWARD_REQUEST__INIT;
    refused(NULL, "INVALID_ARGUMENT", "first frame must be Open");
    request.frame_case = BANGER__V1__FORWARD_REQUEST__FRAME_DATA;
    request.data.data = (uint8_t *)TEXT("x");
    request.data.len = 1;
    refused(&request, "INVALID_ARGUMENT", "first frame must be Open");
    request = (Banger__V1__ForwardRequest)BANGER__V1__FORWARD_REQUEST__INIT;
    request.frame_case = BANGER__V1__FORWARD_REQUEST__FRAME_OPEN;
    request.open = &open;
    open.vm = box;
    refused(&request, "INVALID_ARGUMENT", "no target");
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT;
    refused(&request, "INVALID_ARGUMENT", "0 is not a port");
    open.tcp_port = 70000;
    refused(&request, "INVALID_ARGUMENT", "70000 is not a port");
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_UNIX_PATH;
    open.unix_path = TEXT("not/absolute");
    refused(&request, "INVALID_ARGUMENT", "no absolute path");
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_ACCEPTED;
    open.accepted = TEXT("nothing");
    refused(&request, "INVALID_ARGUMENT", "no id of a connection");
    open.accepted = TEXT("banger-0000/1");
    refused(&request, "FAILED_PRECONDITION", "refused");
}

static void test_a_vm_has_so_many_and_gets_its_places_back(void)
{
    struct banger_forward *many[PER_VM];
    struct banger_error error = {0};
    for (int i = 0; i < PER_VM; i++) {
        many[i] = dial();
        CHECK_INT(next(many[i], &error), BANGER_FORWARD_OPENED);
    }
    struct banger_forward *more = dial();
    CHECK_INT(next(more, &error), BANGER_FORWARD_ERROR);
    CHECK_STR(banger_code_name(error.code), "RESOURCE_EXHAUSTED");
    CHECK_STR(error.reason, "FORWARD_LIMIT");
    banger_forward_close(more);
    /* Commands still have room beside them. */
    const char *const argv[] = {"true", NULL};
    CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, NULL, 0), 0);
    banger_forward_close(many[0]);
    many[0] = dial();
    CHECK_INT(next(many[0], &error), BANGER_FORWARD_OPENED);
    for (int i = 0; i < PER_VM; i++)
        banger_forward_close(many[i]);
}

/* What is connected to the guest is told of the end of its call. */
static void test_a_call_that_goes_takes_its_connection_along(void)
{
    struct banger_error error = {0};
    struct banger_forward *forward = dial();
    CHECK_INT(next(forward, &error), BANGER_FORWARD_OPENED);
    int fd;
    do { /* those of the test before are told as well */
        char byte;
        fd = accept(listener, NULL, NULL);
        struct timeval limit = {.tv_sec = 1};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (recv(fd, &byte, 1, 0) < 0)
            break;
        close(fd);
    } while (true);
    banger_forward_close(forward);
    struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    char byte;
    (void)banger_process(client, NULL);
    CHECK(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void test_a_vm_that_stops_ends_its_forwards(void)
{
    struct banger_error error = {0};
    struct banger_forward *forward = dial();
    CHECK_INT(next(forward, &error), BANGER_FORWARD_OPENED);
    CHECK_INT(steps_do(client, STEPS_STOP, box, &error), 0);
    CHECK_INT(next(forward, &error), BANGER_FORWARD_ERROR);
    banger_forward_close(forward);
    forward = dial();
    CHECK_INT(next(forward, &error), BANGER_FORWARD_ERROR);
    CHECK_STR(error.reason, "VM_NOT_RUNNING");
    banger_forward_close(forward);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    open_listener();
    const struct steps_create how = {.name = "box"};
    CHECK_INT(steps_create_vm(client, &h, &how, box, &error), 0);
    RUN(test_requests_without_sense_are_refused);
    RUN(test_a_vm_has_so_many_and_gets_its_places_back);
    RUN(test_a_call_that_goes_takes_its_connection_along);
    RUN(test_a_vm_that_stops_ends_its_forwards);
    close(listener);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
