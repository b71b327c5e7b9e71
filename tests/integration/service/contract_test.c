/* The contract as a whole: every method against every role, every method with an empty request,
 * with references to nothing, and with the worst strings there are. What is not built says
 * UNIMPLEMENTED, and exactly the methods that the contract calls planned do. */
#include <stdlib.h>
#include <string.h>

#include "tests/integration/service/served.h"
#include "tests/support/check.h"

static struct served served;

/* They would begin to download a distribution. */
static bool needs_network(const struct rpc_method *method)
{
    return strcmp(method->name, "BuildImage") == 0 || strcmp(method->name, "PullKernel") == 0;
}

/* They wait for what does not come by itself. */
static bool waits(const struct rpc_method *method)
{
    return strcmp(method->name, "WatchEvents") == 0 || strcmp(method->name, "Watch") == 0;
}

static ProtobufCMessage *new_request(const struct rpc_method *method)
{
    ProtobufCMessage *m = calloc(1, method->request->sizeof_message);
    protobuf_c_message_init(method->request, m);
    return m;
}

/* False where the request has no such string field. */
static bool set_string(ProtobufCMessage *m, const char *field, const char *value)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, field);
    if (!f || f->type != PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED ||
        (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return false;
    memcpy((char *)m + f->offset, &value, sizeof(value));
    return true;
}

#define FOREACH_METHOD(method)                                                                     \
    for (size_t s_ = 0; contract_services[s_]; s_++)                                               \
        for (const struct rpc_method *method = contract_services[s_]->methods;                     \
             method < contract_services[s_]->methods + contract_services[s_]->n_methods; method++)

static void check_lives(void)
{
    struct banger_client *client = served_connect(&served);
    struct banger_error error;
    CHECK_INT(served_call(client, served_method("/grpc.health.v1.Health/Check"), NULL,
                          SERVED_WAIT_MS, NULL, &error),
              BANGER_OK);
    banger_close(client);
}

/* A request id with a blank keeps those who may from changing anything. */
static void check_role(struct banger_client *client, const struct rpc_method *method, int role)
{
    struct banger_error error;
    if (strcmp(method->name, "SetDraining") == 0 && role >= method->role)
        return;
    ProtobufCMessage *m = new_request(method);
    bool has_id = set_string(m, "request_id", "not an id");
    enum banger_code code =
        served_call(client, method, m, waits(method) ? 100 : SERVED_WAIT_MS, NULL, &error);
    free(m);
    if (role < method->role) {
        CHECK_INT(code, BANGER_PERMISSION_DENIED);
        CHECK_STR(error.reason, "ROLE_TOO_LOW");
    } else {
        CHECK(code != BANGER_PERMISSION_DENIED);
        if (has_id && !method->planned)
            CHECK_INT(code, BANGER_INVALID_ARGUMENT);
    }
    if (check_failures)
        fprintf(stderr, "  (%s as %d: %s %s)\n", method->path, role, banger_code_name(code),
                error.message);
}

static void test_roles_are_held_against_every_method(void)
{
    for (int role = RPC_ROLE_NONE; role <= RPC_ROLE_FLEET && !check_failures; role++) {
        atomic_store(&served.role, role);
        struct banger_client *client = served_connect(&served);
        FOREACH_METHOD(method)
        {
            CHECK(method->role != RPC_ROLE_NONE);
            check_role(client, method, role);
        }
        banger_close(client);
    }
    atomic_store(&served.role, RPC_ROLE_FLEET);
    CHECK_INT(atomic_load(&served.n_shut_down), 2); /* as admin and as fleet */
    check_lives();
}

static void test_empty_requests_are_answered(void)
{
    struct banger_client *client = served_connect(&served);
    FOREACH_METHOD(method)
    {
        struct banger_error error;
        if (needs_network(method))
            continue;
        enum banger_code code =
            served_call(client, method, NULL, waits(method) ? 100 : SERVED_WAIT_MS, NULL, &error);
        bool unimplemented = code == BANGER_UNIMPLEMENTED;
        if (!CHECK_INT(unimplemented, method->planned) || !CHECK(code != BANGER_INTERNAL) ||
            !CHECK(code != BANGER_UNKNOWN) || !CHECK(code != BANGER_UNAVAILABLE) ||
            !CHECK(waits(method) || code != BANGER_DEADLINE_EXCEEDED))
            fprintf(stderr, "  (%s: %s %s)\n", method->path, banger_code_name(code), error.message);
    }
    banger_close(client);
    check_lives();
}

static const char *const references[] = {"vm", "session", "operation", "image", "kernel"};

/* Methods with one reference that must be there. */
static const char *reference_of(const struct rpc_method *method, ProtobufCMessage *m,
                                const char *value)
{
    static const char *const lists[] = {"ListSessions", "ImportImage"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (strcmp(method->name, lists[i]) == 0)
            return NULL;
    /* A session is looked for within its VM: leave that out. */
    bool has_session = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "session");
    for (size_t i = has_session ? 1 : 0; i < sizeof(references) / sizeof(references[0]); i++)
        if (set_string(m, references[i], value))
            return references[i];
    return NULL;
}

static void check_reference(struct banger_client *client, const struct rpc_method *method,
                            const char *value)
{
    struct banger_error error;
    ProtobufCMessage *m = new_request(method);
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {(char[]){"true"}};
    spec.argv = argv;
    spec.n_argv = 1;
    if (strcmp(method->name, "StartSession") == 0)
        ((Banger__V1__StartSessionRequest *)(void *)m)->spec = &spec;
    if (strcmp(method->name, "TagImage") == 0)
        set_string(m, "name", "fine");
    if (strcmp(method->name, "SignalSession") == 0)
        ((Banger__V1__SignalSessionRequest *)(void *)m)->signo = 15;
    const char *field = reference_of(method, m, value);
    if (field && !method->planned) {
        enum banger_code code = served_call(client, method, m, SERVED_WAIT_MS, NULL, &error);
        if (!CHECK_INT(code, BANGER_NOT_FOUND) || !CHECK_CONTAINS(error.reason, "_NOT_FOUND") ||
            !CHECK(strlen(error.message) >= 5))
            fprintf(stderr, "  (%s, %s \"%.30s\": %s %s)\n", method->path, field, value,
                    banger_code_name(code), error.message);
    }
    free(m);
}

static void test_references_to_nothing_are_not_found(void)
{
    char *longest = malloc(1000001);
    memset(longest, 'z', 1000000);
    longest[1000000] = '\0';
    const char *const values[] = {"nosuchthing", "0000000000000000", "\n\x1b[31m%s%n", "é",
                                  longest};
    struct banger_client *client = served_connect(&served);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        FOREACH_METHOD(method)
        {
            check_reference(client, method, values[i]);
        }
    banger_close(client);
    free(longest);
    check_lives();
}

/* One string field after another, so long that only the limit of a request is left. */
static void test_long_strings_everywhere(void)
{
    char *longest = malloc(1000001);
    memset(longest, 'a', 1000000);
    longest[1000000] = '\0';
    struct banger_client *client = served_connect(&served);
    FOREACH_METHOD(method)
    {
        for (unsigned i = 0; i < method->request->n_fields; i++) {
            struct banger_error error;
            ProtobufCMessage *m = new_request(method);
            if (set_string(m, method->request->fields[i].name, longest) &&
                !(needs_network(method) &&
                  strcmp(method->request->fields[i].name, "request_id") != 0)) {
                enum banger_code code = served_call(
                    client, method, m, waits(method) ? 100 : SERVED_WAIT_MS, NULL, &error);
                if (!CHECK(code != BANGER_INTERNAL) || !CHECK(code != BANGER_UNAVAILABLE) ||
                    !CHECK(code != BANGER_UNKNOWN))
                    fprintf(stderr, "  (%s.%s: %s %s)\n", method->path,
                            method->request->fields[i].name, banger_code_name(code), error.message);
            }
            free(m);
        }
    }
    banger_close(client);
    free(longest);
    check_lives();
}

/* With an argument only what tells of a method without a handler, for recipe_test.sh. */
int main(int argc, char **argv)
{
    (void)argv;
    served_open(&served);
    if (argc > 1) {
        RUN(test_empty_requests_are_answered);
        served_close(&served);
        return check_end();
    }
    RUN(test_roles_are_held_against_every_method);
    RUN(test_empty_requests_are_answered);
    RUN(test_references_to_nothing_are_not_found);
    RUN(test_long_strings_everywhere);
    served_close(&served);
    return check_end();
}
