/* What a client may ask of the services is bounded: lists fit what clients take, filters cannot
 * hold up the loop, values that mean nothing are refused, streams end when their subject does. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    GRPC_MESSAGE_BYTES = 4 << 20, /* what stock clients take by default */
    BIG_ARGUMENT_BYTES = 60000,
    BIG_SESSIONS = 90,
    MANY = 100000, /* numbers in a request */
    FEW = 1000,    /* messages and strings in a request */
};

static struct served served;
static struct banger_client *client;
static struct banger_error error;

static enum banger_code call(const char *path, const void *request, int64_t timeout_ms)
{
    return served_call(client, served_method(path), request, timeout_ms, NULL, &error);
}

static struct banger_stream *open_within(const char *path, const ProtobufCMessage *request,
                                         int64_t timeout_ms)
{
    auto_call struct banger_call *within = call_within(timeout_ms);
    return banger_stream_open(client, path, request, within, &error);
}

static void test_attach_without_open_ends(void)
{
    struct banger_stream *stream =
        open_within("/banger.v1.GuestSessionService/Attach", NULL, SERVED_WAIT_MS);
    ProtobufCMessage *message = NULL;
    CHECK(stream != NULL);
    banger_stream_half_close(stream);
    CHECK_INT(banger_stream_next(stream, -1, &message, &error), BANGER_NEXT_ERROR);
    CHECK_STR(banger_code_name(error.code), "INVALID_ARGUMENT");
    banger_stream_close(stream);
}

/* A client that says nothing, ever, and has no deadline of its own. */
static void test_attach_that_never_opens_ends(void)
{
    struct banger_stream *stream = open_within("/banger.v1.GuestSessionService/Attach", NULL, -1);
    ProtobufCMessage *message = NULL;
    CHECK(stream != NULL);
    CHECK_INT(banger_stream_next(stream, SERVED_WAIT_MS, &message, &error), BANGER_NEXT_ERROR);
    CHECK_STR(error.message, "no Open came within 10 seconds");
    CHECK_STR(banger_code_name(error.code), "DEADLINE_EXCEEDED");
    banger_stream_close(stream);
}

static void test_values_that_mean_nothing_are_refused(void)
{
    int unknown[] = {1, 77}, negative[] = {-1};
    Banger__V1__ListVMsRequest vms = BANGER__V1__LIST_VMS_REQUEST__INIT;
    vms.states = (void *)unknown;
    vms.n_states = 2;
    CHECK_INT(call("/banger.v1.VMService/ListVMs", &vms, SERVED_WAIT_MS), BANGER_INVALID_ARGUMENT);
    Banger__V1__ListSessionsRequest sessions = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    sessions.states = (void *)negative;
    sessions.n_states = 1;
    CHECK_INT(call("/banger.v1.GuestSessionService/ListSessions", &sessions, SERVED_WAIT_MS),
              BANGER_INVALID_ARGUMENT);

    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("true")};
    spec.argv = argv;
    spec.n_argv = 1;
    start.vm = TEXT("box");
    start.spec = &spec;
    spec.stdin_mode = (Banger__V1__StdinMode)9;
    CHECK_INT(call("/banger.v1.GuestSessionService/StartSession", &start, SERVED_WAIT_MS),
              BANGER_INVALID_ARGUMENT);
    spec.stdin_mode = BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    spec.tty = true;
    spec.rows = 1 << 16;
    CHECK_INT(call("/banger.v1.GuestSessionService/StartSession", &start, SERVED_WAIT_MS),
              BANGER_INVALID_ARGUMENT);

    Banger__V1__AttachRequest attach = BANGER__V1__ATTACH_REQUEST__INIT;
    Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    attach.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    attach.open = &open;
    open.session = TEXT("nothing");
    open.role = (Banger__V1__AttachRole)4;
    CHECK_INT(call("/banger.v1.GuestSessionService/Attach", &attach, SERVED_WAIT_MS),
              BANGER_INVALID_ARGUMENT);
}

/* A megabyte of filters against every VM and session would hold the loop for seconds. */
static void test_filters_are_bounded(void)
{
    static Banger__V1__VMState states[MANY];
    for (size_t i = 0; i < MANY; i++)
        states[i] = BANGER__V1__VMSTATE__VM_STATE_FAILED;
    Banger__V1__ListVMsRequest vms = BANGER__V1__LIST_VMS_REQUEST__INIT;
    vms.states = states;
    vms.n_states = MANY;
    CHECK_INT(call("/banger.v1.VMService/ListVMs", &vms, SERVED_WAIT_MS), BANGER_OK);

    static Banger__V1__Label *match[FEW];
    Banger__V1__Label label = BANGER__V1__LABEL__INIT;
    Banger__V1__LabelSelector selector = BANGER__V1__LABEL_SELECTOR__INIT;
    label.key = TEXT("a");
    for (size_t i = 0; i < FEW; i++)
        match[i] = &label;
    selector.match = match;
    selector.n_match = FEW;
    vms = (Banger__V1__ListVMsRequest)BANGER__V1__LIST_VMS_REQUEST__INIT;
    vms.selector = &selector;
    CHECK_INT(call("/banger.v1.VMService/ListVMs", &vms, SERVED_WAIT_MS), BANGER_INVALID_ARGUMENT);

    static char *remove[FEW];
    for (size_t i = 0; i < FEW; i++)
        remove[i] = TEXT("a");
    Banger__V1__UpdateVMRequest update = BANGER__V1__UPDATE_VMREQUEST__INIT;
    update.vm = TEXT("box");
    update.remove_labels = remove;
    update.n_remove_labels = FEW;
    CHECK_INT(call("/banger.v1.VMService/UpdateVM", &update, SERVED_WAIT_MS),
              BANGER_INVALID_ARGUMENT);
}

static void test_events_after_the_last_number(void)
{
    Banger__V1__ListEventsRequest list = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    list.after_seq = UINT64_MAX;
    Banger__V1__ListEventsResponse *got = banger_list_events(client, &list, NULL, &error);
    if (CHECK(got != NULL)) {
        CHECK_INT(got->n_events, 0);
        CHECK(got->last_seq > 0);
    }
    banger_message_free(got ? &got->base : NULL);
}

static void start_big_sessions(void)
{
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *big = malloc(BIG_ARGUMENT_BYTES + 1);
    memset(big, 'x', BIG_ARGUMENT_BYTES);
    big[BIG_ARGUMENT_BYTES] = '\0';
    char *argv[] = {TEXT("true"), big};
    spec.argv = argv;
    spec.n_argv = 2;
    start.vm = TEXT("box");
    start.spec = &spec;
    for (int i = 0; i < BIG_SESSIONS; i++) {
        Banger__V1__GuestSession *s = banger_start_session(client, &start, NULL, &error);
        if (!CHECK(s != NULL))
            fprintf(stderr, "  (%s)\n", error.message);
        banger_message_free(s ? &s->base : NULL);
    }
    free(big);
}

/* A page may be shorter than asked for: it ends before it is more than clients take. */
static void test_pages_fit_what_clients_take(void)
{
    start_big_sessions();
    Banger__V1__ListSessionsRequest list = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    char token[128] = "";
    size_t n = 0, pages = 0;
    do {
        list.page_size = 1000;
        list.page_token = token;
        Banger__V1__ListSessionsResponse *got = banger_list_sessions(client, &list, NULL, &error);
        if (!CHECK(got != NULL)) {
            fprintf(stderr, "  (%s)\n", error.message);
            return;
        }
        CHECK(protobuf_c_message_get_packed_size(&got->base) < GRPC_MESSAGE_BYTES);
        n += got->n_sessions;
        pages++;
        snprintf(token, sizeof(token), "%s", got->next_page_token);
        banger_message_free(&got->base);
    } while (*token && pages < 100);
    CHECK_INT(n, BIG_SESSIONS);
    CHECK(pages > 1);
}

static void check_done(Banger__V1__Operation *begun)
{
    Banger__V1__Operation *ended =
        begun ? banger_operation_follow(client, begun->id, SERVED_WAIT_MS, NULL, NULL, &error)
              : NULL;
    if (!CHECK(ended && ended->state == BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED))
        fprintf(stderr, "  (%s)\n", error.message);
    banger_message_free(ended ? &ended->base : NULL);
    banger_message_free(begun ? &begun->base : NULL);
}

static void test_following_a_console_ends_with_its_vm(void)
{
    Banger__V1__CreateVMRequest create = BANGER__V1__CREATE_VMREQUEST__INIT;
    create.name = TEXT("brief");
    check_done(banger_create_vm(client, &create, NULL, &error));
    Banger__V1__ReadConsoleRequest read = BANGER__V1__READ_CONSOLE_REQUEST__INIT;
    read.vm = TEXT("brief");
    read.follow = true;
    struct banger_stream *stream =
        open_within("/banger.v1.VMService/ReadConsole", &read.base, SERVED_WAIT_MS);
    CHECK(stream != NULL);
    Banger__V1__DeleteVMRequest delete = BANGER__V1__DELETE_VMREQUEST__INIT;
    delete.vm = TEXT("brief");
    delete.force = true;
    check_done(banger_delete_vm(client, &delete, NULL, &error));
    enum banger_next next;
    ProtobufCMessage *chunk;
    while ((next = banger_stream_next(stream, -1, &chunk, &error)) == BANGER_NEXT_MESSAGE)
        banger_message_free(chunk);
    if (!CHECK_INT(next, BANGER_NEXT_END))
        fprintf(stderr, "  (%s)\n", error.message);
    banger_stream_close(stream);
}

/* Each holds a buffer and looks at the disk again and again. */
static void test_console_readers_are_counted(void)
{
    enum { TRIED = 200 };
    struct banger_stream *streams[TRIED];
    Banger__V1__ReadConsoleRequest read = BANGER__V1__READ_CONSOLE_REQUEST__INIT;
    read.vm = TEXT("box");
    read.follow = true;
    for (int i = 0; i < TRIED; i++)
        streams[i] =
            banger_stream_open(client, "/banger.v1.VMService/ReadConsole", &read.base, NULL, NULL);
    ProtobufCMessage *chunk = NULL;
    enum banger_next next;
    while ((next = banger_stream_next(streams[TRIED - 1], SERVED_WAIT_MS, &chunk, &error)) ==
           BANGER_NEXT_MESSAGE)
        banger_message_free(chunk);
    CHECK_INT(next, BANGER_NEXT_ERROR);
    CHECK_STR(banger_code_name(error.code), "RESOURCE_EXHAUSTED");
    for (int i = 0; i < TRIED; i++)
        banger_stream_close(streams[i]);
    /* Those that a worker is just reading for are counted until it comes back. */
    read.follow = false;
    int64_t end = clock_mono_ms() + SERVED_WAIT_MS;
    enum banger_code code;
    do
        code = call("/banger.v1.VMService/ReadConsole", &read, SERVED_WAIT_MS);
    while (code == BANGER_RESOURCE_EXHAUSTED && clock_mono_ms() < end);
    CHECK_INT(code, BANGER_OK);
}

int main(void)
{
    served_open(&served);
    client = served_connect(&served);
    RUN(test_attach_without_open_ends);
    RUN(test_attach_that_never_opens_ends);
    RUN(test_values_that_mean_nothing_are_refused);
    RUN(test_filters_are_bounded);
    RUN(test_events_after_the_last_number);
    RUN(test_pages_fit_what_clients_take);
    RUN(test_following_a_console_ends_with_its_vm);
    RUN(test_console_readers_are_counted);
    banger_close(client);
    served_close(&served);
    return check_end();
}
