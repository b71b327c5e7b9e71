/* Every method of the contract times every role: who may not call is told so before anything of the
 * method runs, who may gets through to the handler. */
#include <stdlib.h>
#include <string.h>

#include "banger/contract.rpc.h"
#include "banger/v1/vm.rpc.h"
#include "base/fs.h"
#include "rpc/wire/observer.h"
#include "rpc/wire/router.h"
#include "tests/support/check.h"
#include "tests/support/raw_http2.h"
#include "tests/unit/rpc/pair.h"

enum { HANDLERS_BYTES = 1024 };

/* No handler at all: what gets through is answered UNIMPLEMENTED. */
static const _Alignas(max_align_t) unsigned char no_handlers[HANDLERS_BYTES];

static void closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    *(struct err *)arg = *status;
}

static const struct rpc_call_events events = {.closed = closed};

static enum err_code try_call(struct pair *p, const struct rpc_method *method)
{
    struct err status = ERR_INIT;
    bool streams = method->streams & RPC_CLIENT_STREAMS;
    ProtobufCMessage *request = calloc(1, method->request->sizeof_message);
    protobuf_c_message_init(method->request, request);
    struct rpc_call *call = rpc_client_start(p->client, method, NULL, streams ? NULL : request,
                                             &events, &status, &status);
    CHECK(call != NULL);
    pair_run(p);
    if (streams && status.code == ERR_NONE) {
        rpc_call_half_close(call);
        pair_run(p);
    }
    rpc_call_unref(call);
    free(request);
    return status.code;
}

static void test_every_method_and_role(void)
{
    struct pair p;
    struct err err;
    size_t n_denied = 0, n_through = 0;
    pair_open(&p);
    for (size_t i = 0; contract_services[i]; i++)
        CHECK_INT(router_add(&p.wire.router, contract_services[i], no_handlers, NULL, &err), 0);
    for (int role = RPC_ROLE_NONE; role <= RPC_ROLE_FLEET; role++) {
        p.server->peer.role = (enum rpc_role)role;
        for (size_t i = 0; contract_services[i]; i++) {
            for (size_t m = 0; m < contract_services[i]->n_methods; m++) {
                const struct rpc_method *method = &contract_services[i]->methods[m];
                CHECK(method->role >= RPC_ROLE_ANYONE && method->role <= RPC_ROLE_FLEET);
                bool may = role >= method->role;
                enum err_code code = try_call(&p, method);
                if (code != (may ? ERR_UNIMPLEMENTED : ERR_DENIED))
                    fprintf(stderr, "%s as role %d:\n", method->path, role);
                CHECK_INT(code, may ? ERR_UNIMPLEMENTED : ERR_DENIED);
                n_denied += !may;
                n_through += may;
            }
        }
    }
    printf("%zu denied, %zu through\n", n_denied, n_through);
    CHECK(n_denied > 100 && n_through > 100);
    pair_close(&p);
}

/* Who is bound to a label selector is told so of what is about the whole host, and of nothing else.
 * What administers is about the whole host, unless it names a VM. */
static void test_scoped_peers(void)
{
    struct pair p;
    struct err err;
    size_t n_wide = 0;
    pair_open(&p);
    p.server->peer.role = RPC_ROLE_FLEET;
    p.server->peer.scoped = true;
    for (size_t i = 0; contract_services[i]; i++) {
        CHECK_INT(router_add(&p.wire.router, contract_services[i], no_handlers, NULL, &err), 0);
        for (size_t m = 0; m < contract_services[i]->n_methods; m++) {
            const struct rpc_method *method = &contract_services[i]->methods[m];
            bool of_vm = protobuf_c_message_descriptor_get_field_by_name(method->request, "vm");
            enum err_code want = method->host_wide ? ERR_DENIED : ERR_UNIMPLEMENTED;
            if (!CHECK_INT(try_call(&p, method), want) ||
                !CHECK(method->role < RPC_ROLE_ADMIN || method->host_wide || of_vm))
                fprintf(stderr, "  (%s)\n", method->path);
            n_wide += method->host_wide;
        }
    }
    CHECK(n_wide > 15);
    pair_close(&p);
}

static void on_ended(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    *(struct err *)arg = *status;
}

/* A call with that header on a connection of its own, and what became of it. */
static struct err try_header(enum rpc_role role, const char *name, const char *value)
{
    static const struct rpc_observer observer = {.ended = on_ended};
    struct err status = ERR_INIT;
    struct pair p;
    struct raw r;
    pair_open(&p);
    p.wire.observer = &observer;
    p.wire.observer_arg = &status;
    p.server->peer.role = role;
    raw_begin(&r);
    raw_headers_and(&r, 1, "/banger.test.v1.EchoService/Unary", name, value);
    CHECK_INT(wire_conn_receive(p.server, r.data, r.len, &p.server_err), 0);
    if (role < RPC_ROLE_VIEWER)
        CHECK_INT(deadlines_next_ms(&p.deadlines), INT64_MAX); /* nothing is kept for it */
    (void)pair_pull_server(&p, SIZE_MAX);
    raw_done(&r);
    pair_close(&p);
    return status;
}

/* Nor does who may not call learn anything else, or is anything looked at for them. */
static void test_denied_before_anything_else(void)
{
    static const struct {
        const char *name, *value;
        enum err_code code;
    } rows[] = {
        {"grpc-timeout", "soon", ERR_INVALID},      {"grpc-timeout", "0m", ERR_DEADLINE},
        {"grpc-encoding", "br", ERR_UNIMPLEMENTED}, {"x-bin", "*", ERR_INVALID},
        {"grpc-timeout", "1H", ERR_CANCELLED}, /* waits for its message */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err status = try_header(RPC_ROLE_NONE, rows[i].name, rows[i].value);
        CHECK_INT(status.code, ERR_DENIED);
        CHECK_STR(status.reason, "ROLE_TOO_LOW");
        CHECK_INT(try_header(RPC_ROLE_OPERATOR, rows[i].name, rows[i].value).code, rows[i].code);
    }
}

/* Whose connection counts no more is told so of every method, known or not. */
static void test_who_counts_no_more_learns_no_method(void)
{
    struct pair p;
    struct err why = {.code = ERR_UNAUTHENTICATED, .message = "revoked"};
    pair_open(&p); /* its client asks for methods that are not there */
    CHECK_INT(try_call(&p, &banger_v1_vm_service.methods[0]), ERR_UNIMPLEMENTED);
    CHECK_INT(wire_conn_refuse(p.server, &why), 0);
    CHECK_INT(try_call(&p, &banger_v1_vm_service.methods[0]), ERR_UNAUTHENTICATED);
    pair_close(&p);
}

/* The name that the page has for a service: the last part of its own. */
static const char *short_name(const struct rpc_service *service)
{
    const char *dot = strrchr(service->name, '.');
    return dot ? dot + 1 : service->name;
}

/* The methods of a row of the page's table, or NULL: "| SERVICE | ROLE | A, B\\*, C |". */
static char *documented(const char *page, const char *service, const char *role)
{
    char begin[128];
    snprintf(begin, sizeof(begin), "\n| %s | %s | ", service, role);
    const char *at = strstr(page, begin);
    if (!at)
        return NULL;
    at += strlen(begin);
    return strndup(at, strcspn(at, "|\n"));
}

/* Takes the name out of the row; false where it is not in it. wide: it has the mark for that. */
static bool take_name(char *row, const char *name, bool *wide)
{
    size_t len = strlen(name);
    for (char *at = row; at && (at = strstr(at, name)); at += len) {
        bool begins = at == row || at[-1] == ' ';
        *wide = strncmp(at + len, "\\*", 2) == 0;
        char *end = at + len + (*wide ? 2 : 0);
        if (!begins || (*end != ',' && *end != ' ' && *end != '\0'))
            continue;
        memset(at, ' ', (size_t)(end - at) + (*end == ','));
        return true;
    }
    return false;
}

/* The table of the page and the contract say the same of every method, and of no other. */
static void test_the_documented_roles_are_the_contract_s(void)
{
    static const char *const roles[] = {"", "anyone", "viewer", "operator", "admin", "fleet"};
    char *page = NULL;
    CHECK_INT(fs_read(BANGER_ROLES_PAGE, 1 << 20, &page, NULL, NULL), 0);
    for (size_t i = 0; page && contract_services[i]; i++)
        for (int role = RPC_ROLE_ANYONE; role <= RPC_ROLE_FLEET; role++) {
            char *row = documented(page, short_name(contract_services[i]), roles[role]);
            for (size_t m = 0; m < contract_services[i]->n_methods; m++) {
                const struct rpc_method *method = &contract_services[i]->methods[m];
                bool wide = false, named = row && take_name(row, method->name, &wide);
                if (!CHECK_INT(named, method->role == role) ||
                    !CHECK(!named || wide == method->host_wide))
                    fprintf(stderr, "  (%s as %s)\n", method->path, roles[role]);
            }
            if (!CHECK(!row || strspn(row, " ") == strlen(row)))
                fprintf(stderr, "  (%s, %s: no such methods: %s)\n", contract_services[i]->name,
                        roles[role], row);
            free(row);
        }
    free(page);
}

/* What must never become cheaper by an edit of a .proto file. */
static void test_sensitive_methods(void)
{
    static const struct {
        const char *path;
        int role;
    } rows[] = {
        {"/banger.v1.AuthService/InitAuth", RPC_ROLE_ADMIN},
        {"/banger.v1.AuthService/CreateToken", RPC_ROLE_ADMIN},
        {"/banger.v1.AuthService/RevokeIdentity", RPC_ROLE_ADMIN},
        {"/banger.v1.AuthService/ListIdentities", RPC_ROLE_ADMIN},
        {"/banger.v1.HostService/Shutdown", RPC_ROLE_ADMIN},
        {"/banger.v1.VMService/GetVMHandles", RPC_ROLE_ADMIN},
        {"/banger.v1.VMService/CreateVM", RPC_ROLE_OPERATOR},
        {"/banger.v1.GuestSessionService/StartSession", RPC_ROLE_OPERATOR},
        {"/banger.v1.VMService/ListVMs", RPC_ROLE_VIEWER},
    };
    /* Tokens come as ANYONE: these are all that one who has not enrolled can reach. */
    size_t n_anyone = 0;
    for (size_t i = 0; contract_services[i]; i++) {
        for (size_t m = 0; m < contract_services[i]->n_methods; m++) {
            const struct rpc_method *method = &contract_services[i]->methods[m];
            n_anyone += method->role == RPC_ROLE_ANYONE;
            for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
                if (strcmp(rows[k].path, method->path) == 0)
                    CHECK(method->role >= rows[k].role);
            if (method->role == RPC_ROLE_ANYONE)
                printf("anyone: %s\n", method->path);
        }
    }
    CHECK(n_anyone <= 7);
}

int main(void)
{
    RUN(test_every_method_and_role);
    RUN(test_scoped_peers);
    RUN(test_denied_before_anything_else);
    RUN(test_who_counts_no_more_learns_no_method);
    RUN(test_the_documented_roles_are_the_contract_s);
    RUN(test_sensitive_methods);
    return check_end();
}
