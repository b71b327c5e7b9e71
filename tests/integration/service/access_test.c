/* Every method times every role over mutual TLS, with identities that enrolled by tokens, and over
 * a Unix socket; roles that are bound to a label; a revoked identity's live stream. */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct served served;
static struct banger_client *local;
static struct banger_error error;

static const ProtobufCFieldDescriptor *string_field(const struct rpc_method *m, const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->request, name);
    return f && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED &&
                   !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
               ? f
               : NULL;
}

/* A request id with a blank keeps those who may from changing anything. */
static enum banger_code try_method(struct banger_client *client, const struct rpc_method *method)
{
    ProtobufCMessage *m = calloc(1, method->request->sizeof_message);
    const char *bad_id = "not an id";
    const ProtobufCFieldDescriptor *id = string_field(method, "request_id");
    protobuf_c_message_init(method->request, m);
    if (id)
        memcpy((char *)m + id->offset, &bad_id, sizeof(bad_id));
    bool waits = strncmp(method->name, "Watch", 5) == 0;
    enum banger_code code =
        served_call(client, method, m, waits ? 100 : SERVED_WAIT_MS, NULL, &error);
    free(m);
    return code;
}

static void check_methods(struct banger_client *client, int role, bool scoped)
{
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            const struct rpc_method *method = &contract_services[s]->methods[i];
            bool may = role >= method->role && !(scoped && method->host_wide);
            enum banger_code code = try_method(client, method);
            bool denied = code == BANGER_PERMISSION_DENIED;
            bool reached = code != BANGER_UNAVAILABLE && code != BANGER_UNKNOWN;
            if (!CHECK_INT(denied, !may) || !CHECK(reached) ||
                (denied &&
                 !CHECK_STR(error.reason, role < method->role ? "ROLE_TOO_LOW" : "SCOPED")))
                fprintf(stderr, "  (%s as %d: %s %s)\n", method->path, role, banger_code_name(code),
                        error.message);
        }
}

static void test_every_method_and_role(void)
{
    static const char *const names[] = {"", "", "viewer", "operator", "admin", "fleet"};
    for (int role = RPC_ROLE_VIEWER; role <= RPC_ROLE_FLEET && !check_failures; role++)
        for (int scoped = 0; scoped < 2; scoped++) {
            char name[32];
            snprintf(name, sizeof(name), "%s%s", names[role], scoped ? "-ci" : "");
            struct banger_client *client = served_enroll(&served, local, name, role, scoped);
            check_methods(client, role, scoped);
            banger_close(client);
        }
    for (int role = RPC_ROLE_ANYONE; role <= RPC_ROLE_FLEET && !check_failures; role++) {
        atomic_store(&served.role, role);
        struct banger_client *client = served_connect(&served);
        check_methods(client, role, false);
        banger_close(client);
    }
}

/* What others would take for the host's own is an admin's to give away. */
static void test_published_ports(void)
{
    static const struct {
        const char *address;
        uint32_t port;
        int role; /* that it takes */
    } cases[] = {{"", 8080, RPC_ROLE_OPERATOR},           {"127.0.0.2", 0, RPC_ROLE_OPERATOR},
                 {"::1", 1024, RPC_ROLE_OPERATOR},        {"0.0.0.0", 8080, RPC_ROLE_ADMIN},
                 {"::ffff:127.0.0.1", 0, RPC_ROLE_ADMIN}, {"127.0.0.1", 1023, RPC_ROLE_ADMIN}};
    for (int role = RPC_ROLE_OPERATOR; role <= RPC_ROLE_ADMIN; role++) {
        atomic_store(&served.role, role);
        struct banger_client *client = served_connect(&served);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            Banger__V1__Publish port = BANGER__V1__PUBLISH__INIT, *ports[] = {&port};
            Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
            Banger__V1__PublishList list = BANGER__V1__PUBLISH_LIST__INIT;
            Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
            Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
            bool may = role >= cases[i].role;
            port.address = TEXT(cases[i].address);
            port.host_port = cases[i].port;
            port.guest_port = 80;
            spec.publish = list.publish = ports;
            spec.n_publish = list.n_publish = 1;
            create.spec = &spec;
            create.dry_run = true;
            update.vm = TEXT("nobody");
            update.publish = &list;
            Banger__V1__Operation *op = banger_create_vm(client, &create, NULL, &error);
            CHECK_INT(op != NULL, may);
            if (!op)
                CHECK_STR(error.reason, "ROLE_TOO_LOW");
            banger_message_free(op ? &op->base : NULL);
            CHECK(banger_update_vm(client, &update, NULL, &error) == NULL);
            CHECK_STR(error.reason, may ? "VM_NOT_FOUND" : "ROLE_TOO_LOW");
        }
        banger_close(client);
    }
}

static const struct rpc_service *find_service(const char *name)
{
    for (size_t s = 0; contract_services[s]; s++)
        if (strcmp(contract_services[s]->name, name) == 0)
            return contract_services[s];
    return NULL;
}

/* The walk above leaves out nothing of the compiled contract. */
static void test_nothing_is_left_out(void)
{
    char *bytes = NULL, name[160];
    size_t len = 0, n = 0;
    CHECK_INT(fs_read(BANGER_DESCRIPTOR_FILE, 1 << 22, &bytes, &len, NULL), 0);
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, len, (const uint8_t *)bytes);
    free(bytes);
    for (size_t i = 0; CHECK(set != NULL) && i < set->n_file; i++)
        for (size_t k = 0; k < set->file[i]->n_service; k++) {
            if (strcmp(set->file[i]->package, "banger.v1") != 0)
                continue;
            snprintf(name, sizeof(name), "banger.v1.%s", set->file[i]->service[k]->name);
            const struct rpc_service *service = find_service(name);
            if (CHECK(service != NULL))
                CHECK_INT(service->n_methods, set->file[i]->service[k]->n_method);
            n++;
        }
    CHECK(n >= 11);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

/* Over TLS, by who has the role for it: at most their own, and nothing of who has more. */
static void test_an_admin_makes_no_controller(void)
{
    struct banger_client *client = served_enroll(&served, local, "boss", RPC_ROLE_ADMIN, false);
    Banger__V1__CreateTokenRequest create = BANGER__V1__CREATE_TOKEN_REQUEST__INIT;
    create.principal = TEXT("boss2");
    create.role = BANGER__V1__ROLE__ROLE_FLEET;
    CHECK(banger_create_token(client, &create, NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_PERMISSION_DENIED);
    CHECK_STR(error.reason, "ROLE_ABOVE_OWN");
    create.role = BANGER__V1__ROLE__ROLE_ADMIN;
    Banger__V1__CreateTokenResponse *made = banger_create_token(client, &create, NULL, &error);
    CHECK(made != NULL);
    banger_message_free(made ? &made->base : NULL);
    Banger__V1__RevokeIdentityRequest revoke = BANGER__V1__REVOKE_IDENTITY_REQUEST__INIT;
    revoke.principal = TEXT("fleet"); /* enrolled above */
    CHECK(banger_revoke_identity(client, &revoke, NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_PERMISSION_DENIED);
    CHECK_STR(error.reason, "ROLE_ABOVE_OWN");
    banger_close(client);
}

static void test_revoked_under_a_stream(void)
{
    struct banger_client *client = served_enroll(&served, local, "mallory", RPC_ROLE_VIEWER, false);
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    struct banger_stream *stream = banger_stream_open(client, "/banger.v1.EventService/WatchEvents",
                                                      &request.base, NULL, &error);
    CHECK(stream != NULL);
    CHECK_INT(served_call(client, served_method("/banger.v1.VMService/ListVMs"), NULL,
                          SERVED_WAIT_MS, NULL, &error),
              BANGER_OK);
    Banger__V1__RevokeIdentityRequest revoke = BANGER__V1__REVOKE_IDENTITY_REQUEST__INIT;
    revoke.principal = TEXT("mallory");
    Banger__V1__Identity *revoked = banger_revoke_identity(local, &revoke, NULL, &error);
    CHECK(revoked && revoked->revoked);
    banger_message_free(revoked ? &revoked->base : NULL);
    enum banger_next next;
    ProtobufCMessage *message;
    while ((next = banger_stream_next(stream, SERVED_WAIT_MS, &message, &error)) ==
           BANGER_NEXT_MESSAGE)
        banger_message_free(message); /* what happened before */
    CHECK_INT(next, BANGER_NEXT_ERROR);
    banger_stream_close(stream);
    CHECK_INT(served_call(client, served_method("/banger.v1.VMService/ListVMs"), NULL,
                          SERVED_WAIT_MS, NULL, &error),
              BANGER_UNAUTHENTICATED);
    banger_close(client);
}

int main(void)
{
    served_open(&served);
    local = served_connect(&served);
    served_listen_tls(&served, local);
    RUN(test_every_method_and_role);
    RUN(test_published_ports);
    RUN(test_nothing_is_left_out);
    RUN(test_an_admin_makes_no_controller);
    RUN(test_revoked_under_a_stream);
    banger_close(local);
    served_close(&served);
    return check_end();
}
