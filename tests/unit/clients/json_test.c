/* Canonical JSON and YAML of messages. */
#include "tests/support/check.h"

#include "banger/json.h"
#include "banger/methods.h"
#include "banger/v1/attach.pb-c.h"

static void check_json(const ProtobufCMessage *message, const char *want)
{
    struct banger_error error = {0};
    char *text = banger_message_to_json(message, 0, &error);
    CHECK_STR(text ? text : error.message, want);
    free(text);
}

static void test_defaults(void)
{
    Banger__V1__VM vm = BANGER__V1__VM__INIT;
    check_json(&vm.base, "{\"conditions\": [], \"labels\": []}");
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    vm.spec = &spec;
    check_json(
        &vm.base,
        "{\"spec\": {\"volumes\": [], \"publish\": []}, \"conditions\": [], \"labels\": []}");
}

static void test_kinds(void)
{
    Banger__V1__VM vm = BANGER__V1__VM__INIT;
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__VMRuntime runtime = BANGER__V1__VMRUNTIME__INIT;
    Banger__V1__Label one = BANGER__V1__LABEL__INIT, two = BANGER__V1__LABEL__INIT;
    Banger__V1__Label *labels[] = {&one, &two};
    one.key = (char *)"a";
    one.value = (char *)"q\"\n\xc3\xa4";
    vm.id = (char *)"x";
    vm.spec = &spec;
    spec.cpus = 4294967295u;
    spec.memory_bytes = UINT64_MAX;
    spec.no_init = 1;
    spec.network = BANGER__V1__NETWORK_MODE__NETWORK_MODE_BRIDGE;
    vm.runtime = &runtime;
    runtime.state = (Banger__V1__VMState)99;
    vm.labels = labels;
    vm.n_labels = 2;
    check_json(&vm.base, "{\"id\": \"x\", \"spec\": {\"cpus\": 4294967295, \"memoryBytes\": "
                         "\"18446744073709551615\", \"network\": \"NETWORK_MODE_BRIDGE\", "
                         "\"noInit\": true, \"volumes\": [], \"publish\": []}, \"runtime\": "
                         "{\"state\": 99, \"published\": []}, "
                         "\"conditions\": [], \"labels\": [{\"key\": "
                         "\"a\", \"value\": \"q\\\"\\n\xc3\xa4\"}, {}]}");
}

static void check_time(int64_t seconds, int32_t nanos, const char *want)
{
    Banger__V1__Condition c = BANGER__V1__CONDITION__INIT;
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    t.seconds = seconds;
    t.nanos = nanos;
    c.changed = &t;
    check_json(&c.base, want);
}

static void test_timestamps(void)
{
    check_time(0, 0, "{\"changed\": \"1970-01-01T00:00:00Z\"}");
    check_time(1700000000, 5000000, "{\"changed\": \"2023-11-14T22:13:20.005Z\"}");
    check_time(-1, 1000, "{\"changed\": \"1969-12-31T23:59:59.000001Z\"}");
    check_time(253402300799, 999999999, "{\"changed\": \"9999-12-31T23:59:59.999999999Z\"}");
    check_time(253402300800, 0, "a timestamp is out of range");
    check_time(0, -1, "a timestamp is out of range");
}

static void check_bytes(const char *data, size_t len, const char *want)
{
    Banger__V1__ConsoleChunk chunk = BANGER__V1__CONSOLE_CHUNK__INIT;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = len;
    check_json(&chunk.base, want);
}

static void test_bytes(void)
{
    check_bytes("", 0, "{}");
    check_bytes("f", 1, "{\"data\": \"Zg==\"}");
    check_bytes("fo", 2, "{\"data\": \"Zm8=\"}");
    check_bytes("foo", 3, "{\"data\": \"Zm9v\"}");
    check_bytes("\xff\xfe\x00\x01", 4, "{\"data\": \"//4AAQ==\"}");
}

/* A oneof member, and an optional field, are written even with their default. */
static void test_presence(void)
{
    Banger__V1__SessionExit exit = BANGER__V1__SESSION_EXIT__INIT;
    exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
    check_json(&exit.base, "{\"code\": 0}");
    Banger__V1__StopVMRequest stop = BANGER__V1__STOP_VMREQUEST__INIT;
    stop._grace_ms_case = BANGER__V1__STOP_VMREQUEST___GRACE_MS_GRACE_MS;
    check_json(&stop.base, "{\"graceMs\": 0}");
}

static void test_bad_text(void)
{
    Banger__V1__VM vm = BANGER__V1__VM__INIT;
    vm.name = (char *)"\xff";
    struct banger_error error = {0};
    CHECK(banger_message_to_json(&vm.base, 0, &error) == NULL);
    CHECK_CONTAINS(error.message, "UTF-8");
    CHECK(banger_message_to_yaml(&vm.base, NULL) == NULL);
}

static void test_yaml(void)
{
    Banger__V1__VM vm = BANGER__V1__VM__INIT;
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__Label one = BANGER__V1__LABEL__INIT, two = BANGER__V1__LABEL__INIT;
    Banger__V1__Label *labels[] = {&one, &two};
    one.key = (char *)"tier";
    one.value = (char *)"yes";
    two.key = (char *)"note";
    two.value = (char *)"a: b";
    vm.name = (char *)"box-1";
    vm.id = (char *)"123";
    vm.spec = &spec;
    vm.labels = labels;
    vm.n_labels = 2;
    char *text = banger_message_to_yaml(&vm.base, NULL);
    CHECK_STR(text, "id: \"123\"\nname: box-1\nspec:\n  volumes: []\n  publish: []\nconditions: "
                    "[]\nlabels:\n  - "
                    "key: tier\n    value: "
                    "\"yes\"\n  - key: note\n    value: \"a: b\"\n");
    free(text);
}

int main(void)
{
    RUN(test_defaults);
    RUN(test_kinds);
    RUN(test_timestamps);
    RUN(test_bytes);
    RUN(test_presence);
    RUN(test_bad_text);
    RUN(test_yaml);
    return check_end();
}
