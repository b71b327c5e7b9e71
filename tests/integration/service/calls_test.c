/* Each method that is built: what it answers when all is well, and how calls that wait end: by
 * deadline, by cancellation, by what they wait for. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store/fault.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct served served;
static struct banger_client *client;
static struct banger_error error;

/* Frees the answer; false, and told, where there was none. */
static bool answered(ProtobufCMessage *m)
{
    if (!CHECK(m != NULL))
        fprintf(stderr, "  (%s: %s)\n", banger_code_name(error.code), error.message);
    banger_message_free(m);
    return m != NULL;
}

/* Follows begun (taken) to its end, which must be success. */
static void succeed(Banger__V1__Operation *begun)
{
    Banger__V1__Operation *ended =
        begun ? banger_operation_follow(client, begun->id, SERVED_WAIT_MS, NULL, NULL, &error)
              : NULL;
    if (ended && ended->error)
        fprintf(stderr, "  (%s %s: %s)\n", ended->kind, ended->stage, ended->error->message);
    CHECK(ended && ended->state == BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED);
    if (begun)
        banger_message_free(&begun->base);
    answered(ended ? &ended->base : NULL);
}

static Banger__V1__VM *get_vm(const char *name)
{
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT(name);
    return banger_get_vm(client, &get, NULL, &error);
}

static void check_state(const char *name, Banger__V1__VMState state)
{
    Banger__V1__VM *vm = get_vm(name);
    if (CHECK(vm != NULL))
        CHECK_INT(vm->runtime->state, state);
    banger_message_free(vm ? &vm->base : NULL);
}

#define PLAIN(Type, type, function)                                                                \
    do {                                                                                           \
        Banger__V1__##Type request = type;                                                         \
        request.vm = TEXT("calls");                                                                \
        succeed(function(client, &request, NULL, &error));                                         \
    } while (0)

static void test_life_of_a_vm(void)
{
    Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    label.key = TEXT("team");
    label.value = TEXT("é \"x\"");
    create.name = TEXT("calls");
    create.labels = labels;
    create.n_labels = 1;
    succeed(banger_create_vm(client, &create, NULL, &error));
    check_state("calls", BANGER__V1__VMSTATE__VM_STATE_RUNNING);
    Banger__V1__VM *vm = get_vm("calls");
    CHECK(vm && vm->n_labels == 1 && strcmp(vm->labels[0]->value, label.value) == 0);
    banger_message_free(vm ? &vm->base : NULL);

    PLAIN(PauseVMRequest, BANGER__V1__PAUSE_VMREQUEST__INIT, banger_pause_vm);
    check_state("calls", BANGER__V1__VMSTATE__VM_STATE_PAUSED);
    PLAIN(ResumeVMRequest, BANGER__V1__RESUME_VMREQUEST__INIT, banger_resume_vm);
    PLAIN(StopVMRequest, BANGER__V1__STOP_VMREQUEST__INIT, banger_stop_vm);
    check_state("calls", BANGER__V1__VMSTATE__VM_STATE_STOPPED);
    PLAIN(StartVMRequest, BANGER__V1__START_VMREQUEST__INIT, banger_start_vm);
    PLAIN(RestartVMRequest, BANGER__V1__RESTART_VMREQUEST__INIT, banger_restart_vm);
    check_state("calls", BANGER__V1__VMSTATE__VM_STATE_RUNNING);
    PLAIN(KillVMRequest, BANGER__V1__KILL_VMREQUEST__INIT, banger_kill_vm);

    Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
    char *gone[] = {TEXT("team")};
    update.vm = TEXT("calls");
    update.remove_labels = gone;
    update.n_remove_labels = 1;
    update.if_generation = 99;
    CHECK(banger_update_vm(client, &update, NULL, &error) == NULL);
    CHECK_STR(error.reason, "GENERATION_MISMATCH");
    update.if_generation = 0;
    succeed(banger_update_vm(client, &update, NULL, &error));

    Banger__V1__PruneVMsRequest prune = BANGER__V1__PRUNE_VMS_REQUEST__INIT;
    prune.dry_run = true;
    succeed(banger_prune_vms(client, &prune, NULL, &error));
    check_state("calls", BANGER__V1__VMSTATE__VM_STATE_STOPPED);
    prune.dry_run = false;
    succeed(banger_prune_vms(client, &prune, NULL, &error));
    CHECK(get_vm("calls") == NULL);
    CHECK_STR(error.reason, "VM_NOT_FOUND");
}

/* Answers that are read from memory, for the VM "box". */
static void test_what_only_looks(void)
{
    static const char *const of_vm[] = {"GetVM", "GetVMHandles", "GetVMStats", "CheckVMHealth",
                                        "ReadConsole"};
    static const char *const others[] = {
        "/banger.v1.VMService/ListVMs",
        "/banger.v1.GuestSessionService/ListSessions",
        "/banger.v1.ImageService/ListImages",
        "/banger.v1.KernelService/ListKernels",
        "/banger.v1.OperationService/ListOperations",
        "/banger.v1.EventService/ListEvents",
        "/banger.v1.HostService/GetHost",
        "/banger.v1.HostService/Diagnose",
        "/banger.v1.HostService/SetDraining",
        "/banger.v1.AuthService/WhoAmI",
        "/grpc.health.v1.Health/Check",
    };
    char *vm = TEXT("box");
    for (size_t i = 0; i < sizeof(of_vm) / sizeof(of_vm[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "/banger.v1.VMService/%s", of_vm[i]);
        const struct rpc_method *method = served_method(path);
        ProtobufCMessage *m = calloc(1, method->request->sizeof_message);
        protobuf_c_message_init(method->request, m);
        /* All begin with the reference. */
        memcpy((char *)m + method->request->fields[0].offset, &vm, sizeof(vm));
        CHECK_INT(served_call(client, method, m, SERVED_WAIT_MS, NULL, &error), BANGER_OK);
        free(m);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t n = 0;
        if (!CHECK_INT(
                served_call(client, served_method(others[i]), NULL, SERVED_WAIT_MS, &n, &error),
                BANGER_OK) ||
            !CHECK_INT(n, 1))
            fprintf(stderr, "  (%s: %s)\n", others[i], error.message);
    }
}

static Banger__V1__GuestSession *start_cat(const char *name)
{
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("cat")}, *tags[] = {TEXT("cats")};
    spec.argv = argv;
    spec.n_argv = 1;
    spec.tags = tags;
    spec.n_tags = 1;
    spec.stdin_mode = BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE;
    start.vm = TEXT("box");
    start.name = TEXT(name);
    start.spec = &spec;
    Banger__V1__GuestSession *s = banger_start_session(client, &start, NULL, &error);
    if (!CHECK(s && s->state == BANGER__V1__SESSION_STATE__SESSION_STATE_RUNNING))
        fprintf(stderr, "  (%s)\n", error.message);
    return s;
}

static void test_life_of_a_session(void)
{
    Banger__V1__GuestSession *s = start_cat("tom");
    banger_message_free(s ? &s->base : NULL);
    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    send.session = TEXT("tom");
    send.data.data = (uint8_t *)TEXT("hello");
    send.data.len = 5;
    send.eof = true;
    Banger__V1__SendStdinResponse *sent = banger_send_stdin(client, &send, NULL, &error);
    if (CHECK(sent != NULL))
        CHECK_INT(sent->stdin_offset, 5);
    banger_message_free(sent ? &sent->base : NULL);
    Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    wait.session = TEXT("tom");
    s = banger_wait_session(client, &wait, NULL, &error);
    CHECK(s && s->exit && s->exit->code == 0 && s->stdout_total == 5);
    banger_message_free(s ? &s->base : NULL);
    Banger__V1__ReadLogsRequest logs = BANGER__V1__READ_LOGS_REQUEST__INIT;
    logs.session = TEXT("tom");
    logs.tail_lines = 1;
    size_t n = 0;
    CHECK_INT(served_call(client, served_method("/banger.v1.GuestSessionService/ReadLogs"),
                          &logs.base, SERVED_WAIT_MS, &n, &error),
              BANGER_OK);
    CHECK_INT(n, 1);
    Banger__V1__DeleteSessionRequest forget = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    forget.session = TEXT("tom");
    Banger__V1__Empty *empty = banger_delete_session(client, &forget, NULL, &error);
    answered(empty ? &empty->base : NULL);

    s = start_cat("tim");
    banger_message_free(s ? &s->base : NULL);
    Banger__V1__SignalSessionRequest signal_it = BANGER__V1__SIGNAL_SESSION_REQUEST__INIT;
    signal_it.session = TEXT("tim");
    signal_it.signo = 65;
    CHECK(banger_signal_session(client, &signal_it, NULL, &error) == NULL);
    CHECK_STR(banger_code_name(error.code), "INVALID_ARGUMENT");
    signal_it.signo = SIGCONT;
    s = banger_signal_session(client, &signal_it, NULL, &error);
    answered(s ? &s->base : NULL);
    forget.session = TEXT("tim");
    CHECK(banger_delete_session(client, &forget, NULL, &error) == NULL);
    CHECK_STR(error.reason, "SESSION_RUNNING");
    Banger__V1__StopSessionRequest stop = BANGER__V1__STOP_SESSION_REQUEST__INIT;
    stop.session = TEXT("tim");
    s = banger_stop_session(client, &stop, NULL, &error);
    CHECK(s && s->exit && s->exit->signal == SIGTERM);
    banger_message_free(s ? &s->base : NULL);
}

#ifdef BANGER_FAULTS

static Banger__V1__GuestSession *start_with_id(const char *request_id)
{
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("sleep"), TEXT("600")};
    spec.argv = argv;
    spec.n_argv = 2;
    start.vm = TEXT("box");
    start.spec = &spec;
    start.request_id = TEXT(request_id);
    return banger_start_session(client, &start, NULL, &error);
}

static Banger__V1__Empty *take_back(const char *request_id)
{
    Banger__V1__DeleteSessionRequest forget = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    forget.start_request_id = TEXT(request_id);
    forget.force = true;
    return banger_delete_session(client, &forget, NULL, &error);
}

static void test_a_start_whose_taking_back_was_refused_is_as_before(void)
{
    Banger__V1__GuestSession *s = start_with_id("kept");
    char id[ID_BYTES];
    if (!CHECK(s != NULL))
        return;
    snprintf(id, sizeof(id), "%s", s->id);
    banger_message_free(&s->base);
    CHECK_INT(store_fault_set("begin=busy", NULL), 0);
    CHECK(take_back("kept") == NULL);
    CHECK_STR(error.reason, "STORE_UNAVAILABLE");
    CHECK_INT(store_fault_set(NULL, NULL), 0);
    do /* until it writes again */
        s = start_with_id("kept");
    while (!s && strcmp(error.reason, "STORE_UNAVAILABLE") == 0);
    if (CHECK(s != NULL))
        CHECK_STR(s->id, id);
    banger_message_free(s ? &s->base : NULL);
    Banger__V1__Empty *empty = take_back("kept");
    answered(empty ? &empty->base : NULL);
    CHECK(start_with_id("kept") == NULL);
    CHECK_STR(error.reason, "SESSION_NOT_FOUND");
}

#endif

enum { N_WAITING = 6 };

/* Calls on the session "cat" that end only when it does, or never. */
static void make_waiting(const struct rpc_method *methods[N_WAITING],
                         const ProtobufCMessage *requests[N_WAITING])
{
    static Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    static Banger__V1__ReadLogsRequest logs = BANGER__V1__READ_LOGS_REQUEST__INIT;
    static Banger__V1__AttachRequest attach = BANGER__V1__ATTACH_REQUEST__INIT;
    static Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    static Banger__V1__ReadConsoleRequest console = BANGER__V1__READ_CONSOLE_REQUEST__INIT;
    static Banger__V1__WatchEventsRequest events = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    static Grpc__Health__V1__HealthCheckRequest health =
        GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    wait.session = logs.session = open.session = TEXT("cat");
    logs.follow = console.follow = true;
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    attach.open = &open;
    console.vm = TEXT("box");
    static const char *const paths[N_WAITING] = {
        "/banger.v1.GuestSessionService/WaitSession", "/banger.v1.GuestSessionService/ReadLogs",
        "/banger.v1.GuestSessionService/Attach",      "/banger.v1.VMService/ReadConsole",
        "/banger.v1.EventService/WatchEvents",        "/grpc.health.v1.Health/Watch",
    };
    const ProtobufCMessage *all[N_WAITING] = {&wait.base,    &logs.base,   &attach.base,
                                              &console.base, &events.base, &health.base};
    for (int i = 0; i < N_WAITING; i++) {
        methods[i] = served_method(paths[i]);
        requests[i] = all[i];
    }
}

/* Nobody is left at the session once those who waited are gone. */
static void check_nobody_is_left(void)
{
    Banger__V1__GetSessionRequest get = BANGER__V1__GET_SESSION_REQUEST__INIT;
    get.session = TEXT("cat");
    Banger__V1__GuestSession *s = banger_get_session(client, &get, NULL, &error);
    if (CHECK(s != NULL))
        CHECK_INT(s->viewers, 0);
    banger_message_free(s ? &s->base : NULL);
}

static void test_calls_that_wait(void)
{
    const struct rpc_method *methods[N_WAITING];
    const ProtobufCMessage *requests[N_WAITING];
    Banger__V1__GuestSession *s = start_cat("cat");
    banger_message_free(s ? &s->base : NULL);
    make_waiting(methods, requests);
    for (int i = 0; i < N_WAITING; i++)
        if (!CHECK_INT(served_call(client, methods[i], requests[i], 150, NULL, &error),
                       BANGER_DEADLINE_EXCEEDED))
            fprintf(stderr, "  (%s: %s)\n", methods[i]->path, error.message);
    check_nobody_is_left();
    for (int round = 0; round < 20; round++) { /* cancelled early, and a little later */
        struct banger_stream *streams[N_WAITING];
        for (int i = 0; i < N_WAITING; i++) {
            bool gives = methods[i]->streams & RPC_CLIENT_STREAMS;
            streams[i] = banger_stream_open(client, methods[i]->path, gives ? NULL : requests[i],
                                            NULL, &error);
            CHECK(streams[i] != NULL);
            if (gives)
                banger_stream_send(streams[i], requests[i], &error);
        }
        if (round % 2)
            CHECK_INT(served_call(client, served_method("/grpc.health.v1.Health/Check"), NULL,
                                  SERVED_WAIT_MS, NULL, &error),
                      BANGER_OK); /* by now all of them have begun */
        for (int i = 0; i < N_WAITING; i++)
            banger_stream_close(streams[i]);
        check_nobody_is_left();
    }
    Banger__V1__KillSessionRequest kill_it = BANGER__V1__KILL_SESSION_REQUEST__INIT;
    kill_it.session = TEXT("cat");
    s = banger_kill_session(client, &kill_it, NULL, &error);
    answered(s ? &s->base : NULL);
    for (int i = 0; i < 3; i++) /* what waited for the session's end has it */
        CHECK_INT(served_call(client, methods[i], requests[i], SERVED_WAIT_MS, NULL, &error),
                  BANGER_OK);
}

static void test_operations(void)
{
    Banger__V1__ListOperationsRequest list = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    char first[32] = "", last[32] = "", token[128] = "";
    size_t n = 0;
    do { /* one by one, latest first */
        list.page_size = 1;
        list.page_token = token;
        Banger__V1__ListOperationsResponse *got =
            banger_list_operations(client, &list, NULL, &error);
        if (!CHECK(got && got->n_operations == 1))
            break;
        CHECK(strcmp(last, got->operations[0]->id) != 0);
        snprintf(n++ ? last : first, sizeof(last), "%s", got->operations[0]->id);
        snprintf(token, sizeof(token), "%s", got->next_page_token);
        banger_message_free(&got->base);
    } while (*token && n < 100);
    CHECK(n >= 10);
    Banger__V1__GetOperationRequest get = BANGER__V1__GET_OPERATION_REQUEST__INIT;
    get.operation = first;
    Banger__V1__Operation *op = banger_get_operation(client, &get, NULL, &error);
    answered(op ? &op->base : NULL);
    Banger__V1__WaitOperationRequest wait = BANGER__V1__WAIT_OPERATION_REQUEST__INIT;
    wait.operation = first;
    op = banger_wait_operation(client, &wait, NULL, &error);
    answered(op ? &op->base : NULL);
    Banger__V1__CancelOperationRequest cancel = BANGER__V1__CANCEL_OPERATION_REQUEST__INIT;
    cancel.operation = first;
    op = banger_cancel_operation(client, &cancel, NULL, &error);
    CHECK(op && op->state == BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED);
    banger_message_free(op ? &op->base : NULL);
    list = (Banger__V1__ListOperationsRequest)BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    list.page_token = TEXT("99999999999999999999.0");
    CHECK(banger_list_operations(client, &list, NULL, &error) == NULL);
    CHECK_STR(banger_code_name(error.code), "INVALID_ARGUMENT");
}

int main(void)
{
    served_open(&served);
    client = served_connect(&served);
    RUN(test_life_of_a_vm);
    RUN(test_what_only_looks);
    RUN(test_life_of_a_session);
#ifdef BANGER_FAULTS
    RUN(test_a_start_whose_taking_back_was_refused_is_as_before);
#endif
    RUN(test_calls_that_wait);
    RUN(test_operations);
    banger_close(client);
    served_close(&served);
    return check_end();
}
