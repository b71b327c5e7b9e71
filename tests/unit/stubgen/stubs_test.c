/* The golden stubs at work: tables, dispatch, typed calls, over fakes of what they call. */
#include "demo/demo.rpc.h"
#include "demo/demo.server.rpc.h"
#include "rpc/event/server.h"
#include "tests/support/check.h"

/* Fakes: each notes what it was called with. */

static const void *seen_message, *seen_method, *seen_service, *seen_handlers, *seen_self;
static const struct rpc_call_options *seen_options;

/* Opaque to stubs; any address will do. */
static char call_space, client_space, server_space;
#define CALL   ((struct rpc_call *)(void *)&call_space)
#define CLIENT ((struct rpc_client *)(void *)&client_space)
#define SERVER ((struct rpc_server *)(void *)&server_space)

struct rpc_call *rpc_client_start(struct rpc_client *client, const struct rpc_method *method,
                                  const struct rpc_call_options *options,
                                  const ProtobufCMessage *request,
                                  const struct rpc_call_events *events, void *arg, struct err *err)
{
    (void)events;
    (void)arg;
    (void)err;
    seen_method = method;
    seen_options = options;
    seen_message = request;
    return client == CLIENT ? CALL : NULL;
}

int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    seen_message = message;
    return call == CALL ? 7 : -1;
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    (void)call;
    seen_message = response;
}

int rpc_server_add(struct rpc_server *server, const struct rpc_service *service,
                   const void *handlers, void *self, struct err *err)
{
    (void)err;
    seen_service = service;
    seen_handlers = handlers;
    seen_self = self;
    return server == SERVER ? 0 : -1;
}

static void test_table(void)
{
    const struct rpc_service *s = &banger_demo_v1_vm_service;
    CHECK_STR(s->name, "banger.demo.v1.VMService");
    CHECK_INT(s->n_methods, BANGER_DEMO_V1_VM_SERVICE_METHODS);
    CHECK_INT(s->n_methods, 5);
    const struct rpc_method *m = &s->methods[BANGER_DEMO_V1_VM_SERVICE_GET_VM_HANDLES];
    CHECK_STR(m->name, "GetVMHandles");
    CHECK_STR(m->path, "/banger.demo.v1.VMService/GetVMHandles");
    CHECK_STR(m->request->name, "banger.demo.v1.GetVMHandlesRequest");
    CHECK_STR(m->response->name, "banger.demo.v1.VMHandles");
    CHECK_INT(m->streams, 0);
    CHECK_INT(m->role, RPC_ROLE_ADMIN);
    CHECK(m->idempotent);
    CHECK_INT(m->default_deadline_ms, 1500);
    CHECK_INT(m->max_request_bytes, 4096);
    CHECK_INT(m->max_response_bytes, 65536);
    m = &s->methods[BANGER_DEMO_V1_VM_SERVICE_LIST_VMS];
    CHECK_INT(m->streams, RPC_SERVER_STREAMS);
    CHECK_INT(m->role, RPC_ROLE_VIEWER);
    CHECK(!m->idempotent);
    CHECK_INT(m->default_deadline_ms, 0);
    CHECK_INT(s->methods[BANGER_DEMO_V1_VM_SERVICE_UPLOAD].streams, RPC_CLIENT_STREAMS);
    CHECK_INT(s->methods[BANGER_DEMO_V1_VM_SERVICE_ATTACH].streams,
              RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS);
    CHECK_STR(banger_demo_v1_empty_service.name, "banger.demo.v1.EmptyService");
    CHECK_INT(banger_demo_v1_empty_service.n_methods, 0);
}

static const void *handled_request;
static void *handled_self;
static int handled;

static void handle_get(void *self, struct rpc_call *call,
                       const Banger__Demo__V1__GetVMHandlesRequest *request)
{
    CHECK(call == CALL);
    handled++;
    handled_self = self;
    handled_request = request;
}

static void handle_upload(void *self, struct rpc_call *call)
{
    CHECK(call == CALL);
    handled++;
    handled_self = self;
}

static void test_dispatch(void)
{
    const struct banger_demo_v1_vm_service_handlers handlers = {.get_vm_handles = handle_get,
                                                                .upload = handle_upload};
    const struct rpc_method *methods = banger_demo_v1_vm_service.methods;
    Banger__Demo__V1__GetVMHandlesRequest request = BANGER__DEMO__V1__GET_VMHANDLES_REQUEST__INIT;
    const struct rpc_method *m = &methods[BANGER_DEMO_V1_VM_SERVICE_GET_VM_HANDLES];
    CHECK(m->dispatch(&handlers, &handled, CALL, &request.base));
    CHECK_INT(handled, 1);
    CHECK(handled_request == &request && handled_self == &handled);
    m = &methods[BANGER_DEMO_V1_VM_SERVICE_UPLOAD];
    CHECK(m->dispatch(&handlers, &server_space, CALL, NULL));
    CHECK_INT(handled, 2);
    CHECK(handled_self == &server_space);
    /* No handler: not dispatched. */
    m = &methods[BANGER_DEMO_V1_VM_SERVICE_ATTACH];
    CHECK(!m->dispatch(&handlers, NULL, CALL, NULL));
    m = &methods[BANGER_DEMO_V1_VM_SERVICE_DELETE];
    CHECK(!m->dispatch(&handlers, NULL, CALL, &request.base));
    CHECK_INT(handled, 2);
}

static void test_client(void)
{
    Banger__Demo__V1__GetVMHandlesRequest request = BANGER__DEMO__V1__GET_VMHANDLES_REQUEST__INIT;
    struct rpc_call_options options = {.timeout_ms = 5};
    CHECK(banger_demo_v1_vm_service_list_vms_start(CLIENT, &options, &request, NULL, NULL, NULL) ==
          CALL);
    CHECK(seen_method == &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_LIST_VMS]);
    CHECK(seen_message == &request && seen_options == &options);
    CHECK(banger_demo_v1_vm_service_attach_start(CLIENT, NULL, NULL, NULL, NULL) == CALL);
    CHECK(!seen_message);
    Banger__Demo__V1__Chunk chunk = BANGER__DEMO__V1__CHUNK__INIT;
    CHECK_INT(banger_demo_v1_vm_service_attach_send_request(CALL, &chunk), 7);
    CHECK(seen_message == &chunk);
    CHECK(banger_demo_v1_vm_service_attach_response(&chunk.base) == &chunk);
}

static void test_server(void)
{
    static const struct banger_demo_v1_vm_service_handlers handlers = {.upload = handle_upload};
    CHECK_INT(banger_demo_v1_vm_service_register(SERVER, &handlers, &handled, NULL), 0);
    CHECK(seen_service == &banger_demo_v1_vm_service);
    CHECK(seen_handlers == &handlers && seen_self == &handled);
    Banger__Demo__V1__VMHandles reply = BANGER__DEMO__V1__VMHANDLES__INIT;
    banger_demo_v1_vm_service_get_vm_handles_reply(CALL, &reply);
    CHECK(seen_message == &reply);
    seen_message = NULL;
    CHECK_INT(banger_demo_v1_vm_service_list_vms_send(CALL, &reply), 7);
    CHECK(seen_message == &reply);
    banger_demo_v1_vm_service_upload_reply(CALL, &reply);
    Banger__Demo__V1__Chunk chunk = BANGER__DEMO__V1__CHUNK__INIT;
    CHECK_INT(banger_demo_v1_vm_service_attach_send(CALL, &chunk), 7);
    CHECK(banger_demo_v1_vm_service_upload_request(&chunk.base) == &chunk);
}

int main(void)
{
    RUN(test_table);
    RUN(test_dispatch);
    RUN(test_client);
    RUN(test_server);
    return check_end();
}
