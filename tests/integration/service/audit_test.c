/* The audit log and the list of connections, through the services: which calls are written and with
 * what, who is there, who is sent away. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/service/audit.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct served served;
static struct banger_client *client;
static struct banger_error error;

static const char read_log[] = "/banger.v1.AuthService/ReadAuditLog";

static struct banger_stream *open_log(uint64_t after, bool follow, const char *principal,
                                      const char *method)
{
    Banger__V1__ReadAuditLogRequest request = BANGER__V1__READ_AUDIT_LOG_REQUEST__INIT;
    auto_call struct banger_call *call = call_within(SERVED_WAIT_MS);
    request.after_seq = after;
    request.follow = follow;
    request.principal = TEXT(principal);
    request.method = TEXT(method);
    struct banger_stream *stream =
        banger_stream_open(client, read_log, &request.base, call, &error);
    CHECK(stream != NULL);
    return stream;
}

/* The next entry, or NULL at the end. */
static Banger__V1__AuditEntry *next_entry(struct banger_stream *stream)
{
    ProtobufCMessage *message = NULL;
    enum banger_next next = banger_stream_next(stream, -1, &message, &error);
    if (!CHECK(next != BANGER_NEXT_ERROR))
        fprintf(stderr, "  (%s)\n", error.message);
    return next == BANGER_NEXT_MESSAGE ? (Banger__V1__AuditEntry *)(void *)message : NULL;
}

static void free_entry(Banger__V1__AuditEntry *e)
{
    banger_message_free(e ? &e->base : NULL);
}

static enum banger_code stop_vm(const char *vm, const char *request_id)
{
    Banger__V1__StopVMRequest stop = BANGER__V1__STOP_VMREQUEST__INIT;
    stop.vm = TEXT(vm);
    stop.request_id = TEXT(request_id);
    return served_call(client, served_method("/banger.v1.VMService/StopVM"), &stop.base,
                       SERVED_WAIT_MS, NULL, &error);
}

static enum banger_code call_plain(const char *path)
{
    return served_call(client, served_method(path), NULL, SERVED_WAIT_MS, NULL, &error);
}

/* Reads and signs of life are not written, what changes something is, well or not; denials are,
 * whatever they were for. */
static void test_what_is_written(void)
{
    struct banger_stream *log = open_log(0, true, "", "");
    CHECK_INT(call_plain("/banger.v1.VMService/ListVMs"), BANGER_OK);
    CHECK(call_plain("/banger.v1.VMService/RenewVMLease") != BANGER_OK);
    CHECK_INT(stop_vm("nobody\x1b[2J", ""), BANGER_NOT_FOUND);
    CHECK_INT(stop_vm("box", "audited"), BANGER_OK);

    Banger__V1__AuditEntry *e = next_entry(log);
    char here[64];
    snprintf(here, sizeof(here), "uid %u, pid %d", (unsigned)getuid(), (int)getpid());
    if (CHECK(e != NULL)) {
        CHECK_STR(e->method, "/banger.v1.VMService/StopVM");
        CHECK_STR(e->resource, "vm/nobody?[2J");
        CHECK_INT(e->code, BANGER_NOT_FOUND);
        CHECK_STR(e->principal, "test");
        CHECK_INT(e->role, BANGER__V1__ROLE__ROLE_FLEET);
        CHECK_STR(e->address, here);
        CHECK_STR(e->operation_id, "");
        CHECK(e->time && e->time->seconds > 0);
    }
    uint64_t seq = e ? e->seq : 0;
    free_entry(e);
    e = next_entry(log);
    if (CHECK(e != NULL)) {
        CHECK_INT(e->seq, seq + 1);
        CHECK_INT(e->code, BANGER_OK);
        CHECK(strncmp(e->resource, "vm/", 3) == 0 && strcmp(e->resource, "vm/box") != 0);
        CHECK_INT(strlen(e->operation_id), 16);
    }
    free_entry(e);

    atomic_store(&served.role, RPC_ROLE_VIEWER);
    struct banger_client *admin = client;
    client = served_connect(&served);
    CHECK_INT(call_plain("/banger.v1.AuthService/ListIdentities"), BANGER_PERMISSION_DENIED);
    banger_close(client);
    client = admin;
    atomic_store(&served.role, RPC_ROLE_FLEET);
    e = next_entry(log);
    if (CHECK(e != NULL)) {
        CHECK_STR(e->method, "/banger.v1.AuthService/ListIdentities");
        CHECK_INT(e->code, BANGER_PERMISSION_DENIED);
        CHECK_INT(e->role, BANGER__V1__ROLE__ROLE_VIEWER);
    }
    free_entry(e);
    banger_stream_close(log);

    log = open_log(seq, false, "test", "StopVM");
    e = next_entry(log);
    CHECK(e && e->seq == seq + 1);
    free_entry(e);
    CHECK(next_entry(log) == NULL);
    banger_stream_close(log);
}

/* The client goes before there is an answer: the operation is on the record. */
static void test_who_leaves_early(void)
{
    const char *path = "/banger.v1.VMService/StartVM";
    Banger__V1__StartVMRequest start = BANGER__V1__START_VMREQUEST__INIT;
    start.vm = TEXT("box");
    struct banger_stream *log = open_log(0, true, "", "StartVM");
    struct banger_stream *stream = banger_stream_open(client, path, &start.base, NULL, &error);
    CHECK(stream != NULL);
    call_plain("/banger.v1.HostService/GetHost"); /* the request is there by now */
    banger_stream_close(stream);
    Banger__V1__AuditEntry *e = next_entry(log);
    if (CHECK(e != NULL)) {
        CHECK(e->code == BANGER_CANCELLED || e->code == BANGER_OK);
        CHECK_INT(strlen(e->operation_id), 16);
        CHECK_CONTAINS(e->resource, "vm/");
    }
    free_entry(e);
    banger_stream_close(log);
}

static void check_attach(struct banger_stream *log, bool begun, int code)
{
    Banger__V1__AuditEntry *e = next_entry(log);
    if (CHECK(e != NULL)) {
        CHECK_STR(e->method, "/banger.v1.GuestSessionService/Attach");
        CHECK_STR(e->resource, "session/none");
        CHECK_INT(e->begun, begun);
        CHECK_INT(e->code, code);
    }
    free_entry(e);
}

/* What may go on for days is written when it begins: here it has not failed yet. */
static void test_a_stream_begins_and_ends(void)
{
    struct banger_stream *log = open_log(0, true, "", "Attach");
    Banger__V1__AttachRequest attach = BANGER__V1__ATTACH_REQUEST__INIT;
    Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    open.session = TEXT("none");
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    attach.open = &open;
    CHECK_INT(served_call(client, served_method("/banger.v1.GuestSessionService/Attach"),
                          &attach.base, SERVED_WAIT_MS, NULL, &error),
              BANGER_NOT_FOUND);
    check_attach(log, true, BANGER_OK);
    check_attach(log, false, BANGER_NOT_FOUND);
    banger_stream_close(log);
}

static void start_box(void)
{
    Banger__V1__StartVMRequest start = BANGER__V1__START_VMREQUEST__INIT;
    start.vm = TEXT("box");
    Banger__V1__Operation *op = banger_start_vm(client, &start, NULL, &error);
    Banger__V1__Operation *end =
        op ? banger_operation_follow(client, op->id, SERVED_WAIT_MS, NULL, NULL, &error) : NULL;
    if (!CHECK(end && banger_operation_error(end, &error) == 0))
        fprintf(stderr, "  (%s)\n", error.message);
    banger_message_free(end ? &end->base : NULL);
    banger_message_free(op ? &op->base : NULL);
}

/* One that goes on is in the log already. */
static void test_a_stream_is_under_way(void)
{
    const char *path = "/banger.v1.GuestSessionService/Attach";
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("cat")};
    spec.argv = argv;
    spec.n_argv = 1;
    spec.stdin_mode = BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE;
    start.vm = TEXT("box");
    start.name = TEXT("long");
    start.spec = &spec;
    start_box();
    Banger__V1__GuestSession *s = banger_start_session(client, &start, NULL, &error);
    if (!CHECK(s != NULL))
        return;
    Banger__V1__AttachRequest attach = BANGER__V1__ATTACH_REQUEST__INIT;
    Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    open.session = s->id;
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    attach.open = &open;
    struct banger_stream *log = open_log(0, true, "", "Attach");
    Banger__V1__AuditEntry *e = NULL;
    struct banger_stream *stream = banger_stream_open(client, path, NULL, NULL, &error);
    if (CHECK(stream != NULL) && CHECK_INT(banger_stream_send(stream, &attach.base, &error), 0)) {
        do {
            free_entry(e);
            e = next_entry(log);
        } while (e && !strstr(e->resource, s->id));
        CHECK(e && e->begun && e->code == BANGER_OK);
    }
    banger_stream_close(stream);
    free_entry(e);
    e = next_entry(log);
    CHECK(e && !e->begun && e->code == BANGER_CANCELLED && strstr(e->resource, s->id));
    free_entry(e);
    banger_stream_close(log);
    banger_message_free(&s->base);
}

/* What a method does agrees with what else the contract says of it. */
static void test_reads_and_changes(void)
{
    static const char *const changes_of_viewers[] = {"Enroll", "RotateCertificate"};
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            const struct rpc_method *m = &contract_services[s]->methods[i];
            bool reads = m->role <= RPC_ROLE_VIEWER;
            for (size_t k = 0; k < 2; k++)
                reads &= strcmp(m->name, changes_of_viewers[k]) != 0;
            bool is_read = m->effect == RPC_EFFECT_READ;
            bool has_id = protobuf_c_message_descriptor_get_field_by_name(m->request, "request_id");
            bool ok = !reads || is_read;
            ok &= !has_id || !is_read;
            ok &= m->role != RPC_ROLE_OPERATOR || !is_read;
            ok &= !m->sign_of_life || !is_read;
            if (!CHECK(ok))
                fprintf(stderr, "  (%s)\n", m->path);
        }
}

static void check_resource(const char *path, const ProtobufCMessage *m, const char *want)
{
    char resource[32];
    audit_resource(served_method(path), m, resource, sizeof(resource));
    CHECK_STR(resource, want);
}

static void test_resources(void)
{
    Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
    check_resource("/banger.v1.VMService/CreateVM", &create.base, "");
    create.name = TEXT("box");
    check_resource("/banger.v1.VMService/CreateVM", &create.base, "vm/box");
    create.name = TEXT("éééééééééééééééééé");
    check_resource("/banger.v1.VMService/CreateVM", &create.base, "vm/éééééééééééééé");
    Banger__V1__Operation op = BANGER__V1__OPERATION__INIT;
    op.id = TEXT("1");
    op.resource = TEXT("vm/2");
    check_resource("/banger.v1.VMService/CreateVM", &op.base, "vm/2");
    Banger__V1__AttachRequest attach = BANGER__V1__ATTACH_REQUEST__INIT;
    Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    open.session = TEXT("job");
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    attach.open = &open;
    check_resource("/banger.v1.GuestSessionService/Attach", &attach.base, "session/job");
    Banger__V1__AttachDetach detach = BANGER__V1__ATTACH_DETACH__INIT;
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_DETACH;
    attach.detach = &detach;
    check_resource("/banger.v1.GuestSessionService/Attach", &attach.base, "");
    Banger__V1__KickConnectionRequest kick = BANGER__V1__KICK_CONNECTION_REQUEST__INIT;
    kick.id = 7;
    check_resource("/banger.v1.HostService/KickConnection", &kick.base, "connection/7");
    Banger__V1__RevokeIdentityRequest revoke = BANGER__V1__REVOKE_IDENTITY_REQUEST__INIT;
    revoke.principal = TEXT("alice");
    check_resource("/banger.v1.AuthService/RevokeIdentity", &revoke.base, "identity/alice");
    Banger__V1__GuestSession session = BANGER__V1__GUEST_SESSION__INIT;
    session.id = TEXT("5");
    check_resource("/banger.v1.GuestSessionService/StartSession", &session.base, "session/5");
}

static Banger__V1__ListConnectionsResponse *list_connections(void)
{
    Banger__V1__ListConnectionsRequest request = BANGER__V1__LIST_CONNECTIONS_REQUEST__INIT;
    Banger__V1__ListConnectionsResponse *list =
        banger_list_connections(client, &request, NULL, &error);
    CHECK(list != NULL);
    return list;
}

static bool kick(uint64_t id)
{
    Banger__V1__KickConnectionRequest request = BANGER__V1__KICK_CONNECTION_REQUEST__INIT;
    request.id = id;
    Banger__V1__Empty *empty = banger_kick_connection(client, &request, NULL, &error);
    banger_message_free(empty ? &empty->base : NULL);
    return empty != NULL;
}

static void test_connections(void)
{
    struct banger_client *other = served_connect(&served);
    const struct rpc_method *watch = served_method("/banger.v1.EventService/WatchEvents");
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    struct banger_stream *stream =
        banger_stream_open(other, watch->path, &request.base, NULL, &error);
    CHECK_INT(served_call(other, served_method("/banger.v1.VMService/ListVMs"), NULL,
                          SERVED_WAIT_MS, NULL, &error),
              BANGER_OK);
    Banger__V1__ListConnectionsResponse *list = list_connections();
    uint64_t id = 0;
    if (list && CHECK_INT(list->n_connections, 2)) {
        const Banger__V1__Connection *own = list->connections[0], *c = list->connections[1];
        CHECK(c->id > own->id);
        CHECK_INT(own->streams, 1);
        CHECK_INT(c->streams, 1);
        CHECK_INT(c->calls_done, 1);
        CHECK_STR(c->principal, "test");
        CHECK_INT(c->role, BANGER__V1__ROLE__ROLE_FLEET);
        CHECK_CONTAINS(c->address, "uid ");
        CHECK_STR(c->tls_version, "");
        CHECK(c->received_bytes > 50 && c->sent_bytes > 50);
        CHECK(c->since && c->last_active && c->last_active->seconds >= c->since->seconds);
        id = c->id;
    }
    banger_message_free(list ? &list->base : NULL);
    CHECK(kick(id));
    ProtobufCMessage *message;
    CHECK_INT(banger_stream_next(stream, SERVED_WAIT_MS, &message, &error), BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    banger_stream_close(stream);
    banger_close(other);
    CHECK(!kick(id));
    CHECK_INT(error.code, BANGER_NOT_FOUND);
    CHECK_STR(error.reason, "CONNECTION_NOT_FOUND");
    list = list_connections();
    if (list && CHECK_INT(list->n_connections, 1))
        id = list->connections[0]->id;
    banger_message_free(list ? &list->base : NULL);
    CHECK(kick(id)); /* our own: the answer still comes */
}

int main(void)
{
    served_open(&served);
    client = served_connect(&served);
    RUN(test_what_is_written);
    RUN(test_who_leaves_early);
    RUN(test_a_stream_begins_and_ends);
    RUN(test_a_stream_is_under_way);
    RUN(test_reads_and_changes);
    RUN(test_resources);
    RUN(test_connections);
    banger_close(client);
    served_close(&served);
    return check_end();
}
