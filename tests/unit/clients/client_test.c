/* Calls: errors as the server said them, retries only where they are safe, interrupts, operations.
 */
#include "base/fs.h"
#include "tests/support/check.h"

#include <unistd.h>

#include "banger/attach.h"
#include "banger/operation.h"
#include "tests/unit/clients/fake_server.h"
#include "tests/support/told.h"

enum { PATIENCE_MS = 20000 };

static Banger__V1__VM *get_vm(struct banger_client *client, const char *name, int64_t timeout_ms,
                              struct banger_error *error)
{
    auto_call struct banger_call *call = call_within(timeout_ms);
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)name;
    memset(error, 0, sizeof(*error));
    return banger_get_vm(client, &request, call, error);
}

static void free_vm(Banger__V1__VM *vm)
{
    banger_message_free(vm ? &vm->base : NULL);
}

static void test_answers_and_errors(void)
{
    struct fake f = {0};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    int fd = banger_fd(client);
    CHECK(fd >= 0);
    Banger__V1__VM *vm = get_vm(client, "box", 0, &error);
    CHECK_STR(vm ? vm->name : error.message, "box");
    free_vm(vm);
    CHECK_INT(banger_fd(client), fd);
    CHECK(get_vm(client, "none", 0, &error) == NULL);
    CHECK_INT(error.code, BANGER_NOT_FOUND);
    CHECK_STR(error.reason, "VM_NOT_FOUND");
    CHECK_STR(error.resource, "vm/none");
    CHECK_STR(error.message, "no VM none");
    CHECK(get_vm(client, "hang", 100, &error) == NULL);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    Banger__V1__ListVMsRequest list = BANGER__V1__LIST_VMS_REQUEST__INIT;
    CHECK(banger_list_vms(client, &list, NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_UNIMPLEMENTED);
    banger_close(client);
    fake_stop(&f);
}

/* The client's counts for unary calls that are told none, and for no stream. */
static void test_timeout_of_a_client(void)
{
    struct fake f = {0};
    struct banger_error error;
    ProtobufCMessage *message;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    banger_set_timeout_ms(client, 50);
    CHECK(get_vm(client, "hang", 0, &error) == NULL);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    banger_set_timeout_ms(client, 1);
    Banger__V1__VM *vm = get_vm(client, "box", PATIENCE_MS, &error);
    CHECK_STR(vm ? vm->name : error.message, "box");
    free_vm(vm);
    Banger__V1__WatchOperationRequest watch = BANGER__V1__WATCH_OPERATION_REQUEST__INIT;
    watch.operation = (char *)(uintptr_t) "create"; /* which does not end */
    struct banger_stream *stream = banger_stream_open(
        client, "/banger.v1.OperationService/WatchOperation", &watch.base, NULL, &error);
    CHECK_INT(banger_stream_next(stream, PATIENCE_MS, &message, &error), BANGER_NEXT_MESSAGE);
    banger_message_free(message);
    CHECK_INT(banger_stream_next(stream, 30, &message, &error), BANGER_NEXT_NOTHING);
    banger_stream_close(stream);
    banger_close(client);
    fake_stop(&f);
}

static void test_nobody_listens(void)
{
    struct banger_error error;
    struct banger_client *client = banger_connect("/tmp/banger-no-such-socket", &error);
    CHECK(get_vm(client, "box", 0, &error) == NULL);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "/tmp/banger-no-such-socket");
    banger_close(client);
    struct told_client patient = {.wait_for_ready_ms = 50};
    client = told_connect("/tmp/banger-no-such-socket", &patient, &error);
    CHECK(get_vm(client, "box", 0, &error) == NULL);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    banger_close(client);
}

static void test_idempotent_call_is_retried(void)
{
    struct fake f = {.cuts = 5, .cut_least = 1, .cut_most = 150};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.proxy_socket, &error);
    Banger__V1__VM *vm = get_vm(client, "box", 0, &error);
    CHECK_STR(vm ? vm->name : error.message, "box");
    free_vm(vm);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_connections, 6);
}

static void test_reset_streams_are_retried(void)
{
    static const uint32_t codes[] = {2 /* INTERNAL_ERROR */, 8 /* CANCEL */};
    for (int i = 0; i < 2; i++) {
        struct fake f = {.resets = 3, .reset_code = codes[i]};
        struct banger_error error;
        fake_start(&f);
        struct banger_client *client = banger_connect(f.socket, &error);
        Banger__V1__VM *vm = get_vm(client, "box", 0, &error);
        CHECK_STR(vm ? vm->name : error.message, "box");
        free_vm(vm);
        f.resets = 3;
        Banger__V1__Operation *op = banger_operation_follow(client, "good", -1, NULL, NULL, &error);
        CHECK(op && banger_operation_error(op, &error) == 0);
        banger_message_free(op ? &op->base : NULL);
        banger_close(client);
        fake_stop(&f);
        CHECK_INT(f.resets, 0);
        CHECK_INT(f.n_gets, 4);
    }
}

/* Cut after the request went through: sending it again could do it twice. */
static void test_other_call_is_not_retried(void)
{
    struct fake f = {.cuts = 1, .cut_least = 600, .cut_most = 600};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.proxy_socket, &error);
    char session[1000];
    memset(session, 'x', sizeof(session));
    session[sizeof(session) - 1] = '\0';
    Banger__V1__SignalSessionRequest request = BANGER__V1__SIGNAL_SESSION_REQUEST__INIT;
    request.session = session;
    request.signo = 15;
    CHECK(banger_signal_session(client, &request, NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_connections, 1);
}

static void test_interrupt(void)
{
    struct fake f = {0};
    struct banger_error error;
    int fds[2];
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    CHECK_INT(pipe(fds), 0);
    banger_set_interrupt_fd(client, fds[0]);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK(get_vm(client, "hang", -1, &error) == NULL);
    CHECK_INT(error.code, BANGER_CANCELLED);
    CHECK_STR(error.reason, "INTERRUPTED");
    banger_set_interrupt_fd(client, -1);
    Banger__V1__VM *vm = get_vm(client, "box", 0, &error);
    CHECK(vm != NULL);
    free_vm(vm);
    banger_close(client);
    close(fds[0]);
    close(fds[1]);
    fake_stop(&f);
}

struct stages {
    char text[100];
};

static void note_stage(void *arg, const Banger__V1__Operation *operation)
{
    struct stages *s = arg;
    strncat(s->text, operation->stage, sizeof(s->text) - strlen(s->text) - 2);
    strcat(s->text, ",");
}

static void test_operations(void)
{
    struct fake f = {0};
    struct banger_error error = {0};
    struct stages stages = {""};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    Banger__V1__Operation *op =
        banger_operation_follow(client, "good", -1, note_stage, &stages, &error);
    CHECK(op && banger_operation_error(op, &error) == 0);
    CHECK_STR(stages.text, "prepare,boot,,");
    banger_message_free(op ? &op->base : NULL);
    op = banger_operation_follow(client, "bad", -1, NULL, NULL, &error);
    CHECK(op && banger_operation_error(op, &error) == -1);
    CHECK_INT(error.code, BANGER_RESOURCE_EXHAUSTED);
    CHECK_STR(error.stage, "prepare");
    CHECK_STR(error.reason, "DISK_FULL");
    CHECK_STR(error.operation_id, "bad");
    CHECK_STR(error.message, "no room");
    banger_message_free(op ? &op->base : NULL);
    banger_close(client);
    fake_stop(&f);
}

static void test_following_survives_cuts(void)
{
    struct fake f = {.cuts = 10, .cut_least = 1, .cut_most = 250};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.proxy_socket, &error);
    Banger__V1__Operation *op = banger_operation_follow(client, "good", -1, NULL, NULL, &error);
    CHECK(op && banger_operation_error(op, &error) == 0);
    banger_message_free(op ? &op->base : NULL);
    banger_close(client);
    fake_stop(&f);
}

/* The last of what is open frees what they share: memory is ASan's to check. */
static void test_a_client_is_closed_before_its_streams(void)
{
    struct fake f = {0};
    struct banger_error error = {0};
    struct banger_frame frame;
    ProtobufCMessage *message;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    Banger__V1__WatchOperationRequest watch = BANGER__V1__WATCH_OPERATION_REQUEST__INIT;
    watch.operation = (char *)"op";
    struct banger_stream *begun = banger_stream_open(
        client, "/banger.v1.OperationService/WatchOperation", &watch.base, NULL, &error);
    CHECK_INT(banger_stream_next(begun, PATIENCE_MS, &message, &error), BANGER_NEXT_MESSAGE);
    banger_message_free(message);
    struct banger_attach *attach = banger_attach_open(client, "s", &error);
    CHECK_INT(banger_attach_next(attach, 0, &frame, &error), 0);
    struct banger_stream *waiting = banger_stream_open(
        client, "/banger.v1.OperationService/WatchOperation", &watch.base, NULL, &error);
    banger_close(client);
    while (banger_stream_next(begun, PATIENCE_MS, &message, &error) == BANGER_NEXT_MESSAGE)
        banger_message_free(message);
    banger_stream_close(begun);
    CHECK_INT(banger_stream_next(waiting, PATIENCE_MS, &message, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_CANCELLED);
    int rv;
    while ((rv = banger_attach_next(attach, PATIENCE_MS, &frame, &error)) == 1)
        continue;
    CHECK_INT(rv, -1);
    CHECK_INT(error.code, BANGER_CANCELLED);
    banger_attach_close(attach);
    banger_stream_close(waiting);
    fake_stop(&f);
}

static void keep_line(void *arg, const char *line)
{
    snprintf(arg, 512, "%s", line);
}

/* PEM texts instead of files, and a certificate that names another host than the address. */
static void test_credentials_from_memory(void)
{
    struct fake f = {.tls = true};
    struct banger_error error = {0};
    char *ca = NULL, *identity = NULL, line[512] = "";
    fake_start(&f);
    CHECK_INT(fs_read(f.ca_file, 1 << 20, &ca, NULL, NULL), 0);
    CHECK_INT(fs_read(f.identity_file, 1 << 20, &identity, NULL, NULL), 0);
    struct banger_client *client = banger_connect(f.target, &error);
    if (!CHECK(client && ca && identity))
        return;
    banger_set_log(client, keep_line, line);
    CHECK(get_vm(client, "box", 0, &error) == NULL);
    CHECK_CONTAINS(line, "cannot connect to 127.0.0.1");
    CHECK_INT(banger_set_credentials(client, "no PEM", NULL, NULL, &error), -1);
    CHECK_INT(banger_set_credentials(client, ca, identity, identity, &error), 0);
    CHECK_INT(banger_set_server_name(client, "another.example", &error), 0);
    CHECK(get_vm(client, "box", 0, &error) == NULL);
    CHECK_INT(error.code, BANGER_UNAUTHENTICATED);
    CHECK_INT(banger_set_server_name(client, NULL, &error), 0);
    Banger__V1__VM *vm = get_vm(client, "box", PATIENCE_MS, &error);
    CHECK_STR(vm ? vm->name : error.message, "box");
    CHECK_CONTAINS(line, "connected to 127.0.0.1");
    free_vm(vm);
    banger_close(client);
    free(ca);
    free(identity);
    fake_stop(&f);
}

int main(void)
{
    RUN(test_a_client_is_closed_before_its_streams);
    RUN(test_credentials_from_memory);
    RUN(test_answers_and_errors);
    RUN(test_timeout_of_a_client);
    RUN(test_nobody_listens);
    RUN(test_idempotent_call_is_retried);
    RUN(test_reset_streams_are_retried);
    RUN(test_other_call_is_not_retried);
    RUN(test_interrupt);
    RUN(test_operations);
    RUN(test_following_survives_cuts);
    return check_end();
}
