/* Metadata: what may be sent, that it is sent each time, and what comes back beside the messages.
 */
#include "tests/support/check.h"

#include "banger/attach.h"
#include "banger/operation.h"
#include "tests/support/told.h"
#include "tests/unit/clients/fake_server.h"

enum { PATIENCE_MS = 20000, CALL_ENTRIES = 32 };

static enum banger_code get(struct banger_client *client, const char *name,
                            struct banger_call *call, struct banger_error *error)
{
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)(uintptr_t)name;
    *error = (struct banger_error){0};
    Banger__V1__VM *vm = banger_get_vm(client, &request, call, error);
    banger_message_free(vm ? &vm->base : NULL);
    return vm ? BANGER_OK : error->code;
}

static const char *text(const struct banger_metadata *m, const char *key, size_t i)
{
    const char *value = banger_metadata_find(m, key, i, NULL);
    return value ? value : "(none)";
}

static void check_bytes(const struct banger_metadata *m, const char *key, size_t i,
                        const void *bytes, size_t n)
{
    size_t len = 0;
    const char *value = banger_metadata_find(m, key, i, &len);
    CHECK_INT(len, n);
    CHECK(value && len == n && memcmp(value, bytes, n) == 0 && value[n] == '\0');
}

/* ---- what may be sent ---- */

static void check_refused(struct banger_metadata *m, const char *key, const char *value,
                          const char *why)
{
    struct banger_error error = {0};
    CHECK_INT(banger_metadata_add(m, key, value, &error), -1);
    CHECK_INT(error.code, BANGER_INVALID_ARGUMENT);
    CHECK_CONTAINS(error.message, why);
}

static void test_what_is_refused(void)
{
    struct banger_error error = {0};
    auto_call struct banger_call *call = call_within(0);
    struct banger_metadata *m = banger_call_metadata(call);
    check_refused(m, "X-Request-Id", "1", "lower case");
    check_refused(m, "grpc-timeout", "1S", "gRPC's own");
    check_refused(m, "content-type", "text/plain", "HTTP's");
    check_refused(m, ":path", "/", "HTTP's");
    check_refused(m, "connection", "close", "HTTP's");
    check_refused(m, "", "1", "bad metadata key");
    check_refused(m, "a b", "1", "bad metadata key");
    check_refused(m, "a", "two\nlines", "not printable");
    check_refused(m, "a", "\xc3\xa4", "-bin");
    check_refused(m, "a-bin", "text", "banger_metadata_add_bytes");
    CHECK_INT(banger_metadata_add_bytes(m, "a", "b", 1, &error), -1);
    CHECK_CONTAINS(error.message, "end in \"-bin\"");
    CHECK_INT(banger_metadata_count(m), 0);
    for (int i = 0; i < CALL_ENTRIES; i++)
        CHECK_INT(banger_metadata_add(m, "a", "1", &error), 0);
    CHECK_INT(banger_metadata_add(m, "a", "1", &error), -1);
    CHECK_INT(error.code, BANGER_RESOURCE_EXHAUSTED);
}

static void test_a_list_is_changed_and_read(void)
{
    struct banger_error error;
    auto_call struct banger_call *call = call_within(0);
    struct banger_metadata *m = banger_call_metadata(call);
    const char *key, *value;
    size_t len;
    CHECK_INT(banger_metadata_add(m, "a", "1", &error), 0);
    CHECK_INT(banger_metadata_add_bytes(m, "b-bin", "\0,\xff", 3, &error), 0);
    CHECK_INT(banger_metadata_add(m, "a", "", &error), 0);
    CHECK_INT(banger_metadata_count(m), 3);
    CHECK(banger_metadata_entry(m, 1, &key, &value, &len));
    CHECK_STR(key, "b-bin");
    CHECK_INT(len, 3);
    CHECK(!banger_metadata_entry(m, 3, &key, &value, NULL));
    CHECK_STR(text(m, "a", 1), "");
    CHECK_STR(text(m, "a", 2), "(none)");
    banger_metadata_remove(m, "a");
    CHECK_INT(banger_metadata_count(m), 1);
    check_bytes(m, "b-bin", 0, "\0,\xff", 3);
    banger_metadata_remove(m, NULL);
    CHECK_INT(banger_metadata_count(m), 0);
    CHECK_INT(banger_metadata_count(NULL), 0);
    CHECK(!banger_metadata_entry(NULL, 0, &key, &value, &len));
    CHECK(!banger_metadata_find(NULL, "a", 0, &len));
}

/* ---- there and back ---- */

static void check_unary(bool tls)
{
    struct fake f = {.tls = tls};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = told_connect(f.target, &f.options, &error);
    auto_call struct banger_call *call = call_within(PATIENCE_MS);
    struct banger_metadata *m = banger_call_metadata(call);
    CHECK_INT(banger_metadata_add(m, "echo-a", "  1 ", &error), 0);
    CHECK_INT(banger_metadata_add_bytes(m, "echo-b-bin", "\0\1\xff,", 4, &error), 0);
    CHECK_INT(banger_metadata_add(m, "echo-a", "2", &error), 0);
    CHECK_INT(banger_metadata_add_bytes(m, "echo-b-bin", "", 0, &error), 0);
    CHECK_INT(banger_metadata_add(m, "trail-a", "3", &error), 0);
    CHECK_INT(get(client, "box", call, &error), BANGER_OK);
    const struct banger_metadata *headers = banger_call_headers(call);
    const struct banger_metadata *trailers = banger_call_trailers(call);
    CHECK_STR(text(headers, "echo-a", 0), "1");
    CHECK_STR(text(headers, "echo-a", 1), "2");
    check_bytes(headers, "echo-b-bin", 0, "\0\1\xff,", 4);
    check_bytes(headers, "echo-b-bin", 1, "", 0);
    CHECK_STR(text(headers, "trail-a", 0), "(none)");
    CHECK_STR(text(trailers, "trail-a", 0), "3");
    CHECK_INT(banger_metadata_count(trailers), 1); /* grpc-status is not for us */

    CHECK_INT(get(client, "none", call, &error), BANGER_NOT_FOUND);
    CHECK_STR(text(trailers, "trail-a", 0), "3");
    CHECK(banger_metadata_find(trailers, "grpc-status-details-bin", 0, NULL) != NULL);

    banger_metadata_remove(m, NULL);
    CHECK_INT(get(client, "box", call, &error), BANGER_OK);
    CHECK_INT(banger_metadata_count(headers), 0);
    banger_close(client);
    fake_stop(&f);
}

static void test_unary(void)
{
    check_unary(false);
    check_unary(true);
}

/* A key of the call's stands in for the client's. */
static void test_defaults_of_a_client(void)
{
    struct fake f = {0};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.target, &error);
    auto_call struct banger_call *call = call_within(PATIENCE_MS), *plain = call_within(0);
    CHECK_INT(banger_metadata_add(banger_client_metadata(client), "echo-a", "1", &error), 0);
    CHECK_INT(banger_metadata_add(banger_client_metadata(client), "echo-b", "2", &error), 0);
    CHECK_INT(banger_metadata_add(banger_call_metadata(call), "echo-a", "3", &error), 0);
    CHECK_INT(get(client, "box", NULL, &error), BANGER_OK);
    CHECK_INT(get(client, "box", plain, &error), BANGER_OK);
    CHECK_STR(text(banger_call_headers(plain), "echo-a", 0), "1");
    CHECK_INT(get(client, "box", call, &error), BANGER_OK);
    CHECK_STR(text(banger_call_headers(call), "echo-a", 0), "3");
    CHECK_STR(text(banger_call_headers(call), "echo-a", 1), "(none)");
    CHECK_STR(text(banger_call_headers(call), "echo-b", 0), "2");
    for (int i = 0; i < CALL_ENTRIES - 1; i++)
        CHECK_INT(banger_metadata_add(banger_call_metadata(call), "echo-c", "1", &error), 0);
    CHECK_INT(get(client, "box", call, &error), BANGER_RESOURCE_EXHAUSTED);
    CHECK_CONTAINS(error.message, "33 metadata entries");
    CHECK_INT(banger_metadata_count(banger_call_headers(call)), 0);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_tagged, 3);
}

/* The limit is the server's, who says it. */
static void test_more_than_the_server_takes(void)
{
    static char value[6000];
    struct fake f = {0};
    struct banger_error error;
    memset(value, 'v', sizeof(value) - 1);
    fake_start(&f);
    struct banger_client *client = banger_connect(f.target, &error);
    auto_call struct banger_call *call = call_within(PATIENCE_MS);
    for (int i = 0; i < 3; i++)
        CHECK_INT(banger_metadata_add(banger_call_metadata(call), "echo-a", value, &error), 0);
    CHECK_INT(get(client, "box", call, &error), BANGER_RESOURCE_EXHAUSTED);
    CHECK_CONTAINS(error.message, "the server takes 16384");
    CHECK_INT(get(client, "box", NULL, &error), BANGER_OK); /* nothing else suffers */
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_gets, 1);
}

static void test_stream(void)
{
    struct fake f = {0};
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.target, &error);
    struct banger_call *call = call_within(PATIENCE_MS);
    CHECK_INT(banger_metadata_add(banger_call_metadata(call), "echo-a", "1", &error), 0);
    CHECK_INT(banger_metadata_add(banger_call_metadata(call), "trail-a", "2", &error), 0);
    Banger__V1__WatchOperationRequest watch = BANGER__V1__WATCH_OPERATION_REQUEST__INIT;
    watch.operation = (char *)(uintptr_t) "good";
    struct banger_stream *stream = banger_stream_open(
        client, "/banger.v1.OperationService/WatchOperation", &watch.base, call, &error);
    banger_call_free(call);
    CHECK(!banger_stream_headers(stream));
    CHECK(!banger_stream_trailers(stream));
    CHECK_INT(banger_stream_next(stream, PATIENCE_MS, &message, &error), BANGER_NEXT_MESSAGE);
    CHECK_STR(text(banger_stream_headers(stream), "echo-a", 0), "1");
    enum banger_next next;
    do {
        banger_message_free(message);
        message = NULL;
        next = banger_stream_next(stream, PATIENCE_MS, &message, &error);
    } while (next == BANGER_NEXT_MESSAGE);
    CHECK_INT(next, BANGER_NEXT_END);
    CHECK_STR(text(banger_stream_headers(stream), "echo-a", 0), "1");
    CHECK_STR(text(banger_stream_trailers(stream), "trail-a", 0), "2");
    banger_close(client); /* what came stays with the stream */
    CHECK_STR(text(banger_stream_trailers(stream), "trail-a", 0), "2");
    banger_stream_close(stream);
    fake_stop(&f);
}

/* ---- again ---- */

static void test_retries_send_it_again(void)
{
    struct fake f = {.unavailable = 2, .resets = 2, .reset_code = 2 /* INTERNAL_ERROR */};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = banger_connect(f.target, &error);
    auto_call struct banger_call *call = call_within(PATIENCE_MS);
    CHECK_INT(banger_metadata_add(banger_call_metadata(call), "echo-a", "1", &error), 0);
    CHECK_INT(get(client, "box", call, &error), BANGER_OK);
    CHECK_STR(text(banger_call_headers(call), "echo-a", 0), "1");
    CHECK_STR(text(banger_call_headers(call), "echo-a", 1), "(none)");
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_gets, 5);
    CHECK_INT(f.n_tagged, 5);
}

static void test_an_attach_sends_it_again(void)
{
    struct fake f = {.stdout_bytes = 1 << 20, .cuts = 4, .cut_least = 20000, .cut_most = 100000};
    struct banger_error error = {0};
    struct banger_frame frame = {0};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.proxy_target, &error);
    struct banger_attach *attach = banger_attach_open(client, "s", &error);
    CHECK_INT(banger_metadata_add(banger_attach_metadata(attach), "echo-a", "1", &error), 0);
    while (banger_attach_next(attach, PATIENCE_MS, &frame, &error) == 1 &&
           frame.kind != BANGER_FRAME_EXIT)
        ;
    CHECK_INT(frame.kind, BANGER_FRAME_EXIT);
    banger_attach_close(attach);
    banger_close(client);
    fake_stop(&f);
    CHECK(f.n_opens > 1);
    CHECK_INT(f.n_tagged, f.n_opens);
}

static void test_a_followed_operation_sends_the_client_s(void)
{
    struct fake f = {.resets = 2, .reset_code = 8 /* CANCEL */};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.target, &error);
    CHECK_INT(banger_metadata_add(banger_client_metadata(client), "echo-a", "1", &error), 0);
    Banger__V1__Operation *op = banger_operation_follow(client, "good", -1, NULL, NULL, &error);
    CHECK(op != NULL);
    banger_message_free(op ? &op->base : NULL);
    banger_close(client);
    fake_stop(&f);
    CHECK_INT(f.n_tagged, 3);
}

int main(void)
{
    RUN(test_what_is_refused);
    RUN(test_a_list_is_changed_and_read);
    RUN(test_unary);
    RUN(test_defaults_of_a_client);
    RUN(test_more_than_the_server_takes);
    RUN(test_stream);
    RUN(test_retries_send_it_again);
    RUN(test_an_attach_sends_it_again);
    RUN(test_a_followed_operation_sends_the_client_s);
    return check_end();
}
