/* Every allocation of the library failed in turn: an error or an answer each time, never a crash, a
 * leak or a wrong answer. Allocations are counted on the test's thread only (the server has its
 * own); those inside shared libraries (nghttp2, jansson) are not ours to fail here. */
#include "tests/support/check.h"

#include <stdlib.h>

#include "banger/attach.h"
#include "banger/json.h"
#include "banger/operation.h"
#include "tests/support/failing_alloc.h"
#include "tests/unit/clients/fake_server.h"
#include "tests/support/told.h"

enum { MOST_ALLOCATIONS = 2000 };

static struct fake f;

/* Each scenario returns 1 for the right answer, 0 for an error, -1 for a wrong answer. */
typedef int scenario_fn(void);

static int scenario_call(void)
{
    struct banger_error error = {0};
    struct banger_client *client = told_connect(f.target, &f.options, &error);
    if (!client)
        return error.code ? 0 : -1;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)"box";
    struct banger_call *call = banger_call_new();
    bool told =
        call && banger_metadata_add(banger_client_metadata(client), "echo-a", "1", &error) == 0 &&
        banger_metadata_add_bytes(banger_call_metadata(call), "trail-bin", "\0", 1, &error) == 0;
    if (!told) {
        int failed = !call || error.code ? 0 : -1;
        banger_call_free(call);
        banger_close(client);
        return failed;
    }
    Banger__V1__VM *vm = banger_get_vm(client, &request, call, &error);
    int result = vm ? (strcmp(vm->name, "box") == 0 ? 1 : -1) : (error.code ? 0 : -1);
    if (vm && (!banger_metadata_find(banger_call_headers(call), "echo-a", 0, NULL) ||
               !banger_metadata_find(banger_call_trailers(call), "trail-bin", 0, NULL)))
        result = -1;
    banger_call_free(call);
    char *json = vm ? banger_message_to_json(&vm->base, 2, &error) : NULL;
    char *yaml = vm ? banger_message_to_yaml(&vm->base, &error) : NULL;
    free(json);
    free(yaml);
    banger_message_free(vm ? &vm->base : NULL);
    banger_close(client);
    return result;
}

static int scenario_json(void)
{
    static const char text[] =
        "{\"labels\": [{\"key\": \"a\"}, {\"value\": \"b\"}], \"spec\": {\"memoryBytes\": "
        "\"268435456\", \"network\": \"NETWORK_MODE_USER\"}, \"created\": "
        "\"2024-02-29T12:00:00Z\"}";
    static const char health[] = "{\"statuses\": {\"a\": {\"status\": \"SERVING\"}}}";
    static const char chunk[] = "{\"data\": \"aGVsbG8K\"}";
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *text;
    } rows[] = {{&banger__v1__vm__descriptor, text},
                {&grpc__health__v1__health_list_response__descriptor, health},
                {&banger__v1__console_chunk__descriptor, chunk}};
    int result = 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct banger_error error = {0};
        ProtobufCMessage *m =
            banger_message_from_json(rows[i].type, rows[i].text, strlen(rows[i].text), &error);
        char *again = m ? banger_message_to_json(m, 0, &error) : NULL;
        if (m && i == 0 && ((Banger__V1__VM *)(void *)m)->spec->memory_bytes != 268435456)
            result = -1;
        if (!again)
            result = error.code == BANGER_RESOURCE_EXHAUSTED || error.code == BANGER_INTERNAL
                         ? (result < 0 ? -1 : 0)
                         : -1;
        free(again);
        banger_message_free(m);
    }
    return result;
}

/* Looked up on a thread, and of several addresses perhaps. */
static int scenario_by_name(void)
{
    struct banger_error error = {0};
    char target[64];
    snprintf(target, sizeof(target), "tls:localhost:%u", f.port);
    struct banger_client *client = told_connect(target, &f.options, &error);
    if (!client)
        return error.code ? 0 : -1;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)"box";
    Banger__V1__VM *vm = NULL;
    if (banger_set_server_name(client, "127.0.0.1", &error) == 0)
        vm = banger_get_vm(client, &request, NULL, &error);
    int result = vm ? (strcmp(vm->name, "box") == 0 ? 1 : -1) : (error.code ? 0 : -1);
    banger_message_free(vm ? &vm->base : NULL);
    banger_close(client);
    return result;
}

static int scenario_operation(void)
{
    struct banger_error error = {0};
    struct banger_client *client = told_connect(f.target, &f.options, &error);
    if (!client)
        return error.code ? 0 : -1;
    Banger__V1__Operation *op = banger_operation_follow(client, "good", 500, NULL, NULL, &error);
    int result = op ? 1 : (error.code ? 0 : -1);
    banger_message_free(op ? &op->base : NULL);
    banger_close(client);
    return result;
}

static int scenario_attach(void)
{
    struct banger_error error = {0};
    struct told_client impatient = f.options;
    impatient.retry_ms = 100;
    struct banger_client *client = told_connect(f.target, &impatient, &error);
    if (!client)
        return error.code ? 0 : -1;
    struct told_attach options = {.reattach_ms = 100};
    struct banger_attach *attach = told_attach_open(client, "s", &options, &error);
    int result = attach ? -1 : 0;
    uint64_t next[3] = {0};
    struct banger_frame frame;
    while (attach && (result = banger_attach_next(attach, 5000, &frame, &error)) == 1) {
        if (frame.kind == BANGER_FRAME_DATA && frame.offset != next[frame.stream])
            break;
        if (frame.kind == BANGER_FRAME_DATA)
            next[frame.stream] += frame.len;
        if (frame.kind == BANGER_FRAME_EXIT)
            break;
    }
    bool whole = next[1] == f.stdout_bytes && next[2] == f.stderr_bytes;
    if (result == 1)
        result = frame.kind == BANGER_FRAME_EXIT && whole ? 1 : -1;
    else
        result = error.code ? 0 : -1;
    banger_attach_close(attach);
    banger_close(client);
    return result;
}

static void fail_each(scenario_fn *scenario)
{
    CHECK_INT(scenario(), 1);
    for (long n = 1; n <= MOST_ALLOCATIONS; n++) {
        failing_alloc_arm((size_t)n);
        int result = scenario();
        bool reached = failing_alloc_reached();
        failing_alloc_arm(0);
        if (result < 0)
            fprintf(stderr, "allocation %ld failed\n", n);
        CHECK(result >= 0);
        if (!reached) {
            CHECK_INT(result, 1);
            printf("     %ld allocations\n", n - 1);
            return;
        }
    }
    CHECK(!"the scenario has no end");
}

static void test_call(void)
{
    fail_each(scenario_call);
}

static void test_json(void)
{
    fail_each(scenario_json);
}

static void test_by_name(void)
{
    fail_each(scenario_by_name);
}

static void test_operation(void)
{
    fail_each(scenario_operation);
}

static void test_attach(void)
{
    fail_each(scenario_attach);
}

static void start(bool tls)
{
    f = (struct fake){.tls = tls, .stdout_bytes = 200000, .stderr_bytes = 1000};
    fake_start(&f);
}

int main(void)
{
    RUN(test_json);
    for (int tls = 0; tls < 2; tls++) {
        start(tls);
        RUN(test_call);
        if (tls)
            RUN(test_by_name);
        RUN(test_operation);
        RUN(test_attach);
        fake_stop(&f);
    }
    return check_end();
}
