/* Bad input gets a clear error (code, reason, a text that names it) and changes nothing: the VMs,
 * the files and the daemon are as before. bad_input_test sim */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define MIB     ((uint64_t)1 << 20)

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES], twin[STEPS_ID_BYTES];

/* What must be the same before and after. */
struct world {
    size_t vms;
    int64_t vm_rows, session_rows, operation_rows;
    char *files;
};

static struct world look(void)
{
    return (struct world){
        .vms = steps_count_vms(&h, client),
        .vm_rows = harness_rows(&h, "vms"),
        .session_rows = harness_rows(&h, "sessions"),
        .operation_rows = harness_rows(&h, "operations"),
        .files = harness_files(&h),
    };
}

static void check_unchanged(struct world *before)
{
    struct world now = look();
    CHECK_INT(now.vms, before->vms);
    CHECK_INT(now.vm_rows, before->vm_rows);
    CHECK_INT(now.session_rows, before->session_rows);
    CHECK_INT(now.operation_rows, before->operation_rows);
    CHECK_STR(now.files, before->files);
    free(now.files);
    free(before->files);
}

/* The answer must be absent, the error as said and its text of some use. */
static void check_refused(const char *what, ProtobufCMessage *answer,
                          const struct banger_error *error, enum banger_code code,
                          const char *reason)
{
    int failures = check_failures;
    CHECK(!answer);
    if (!answer) {
        CHECK_STR(banger_code_name(error->code), banger_code_name(code));
        if (reason)
            CHECK_STR(error->reason, reason);
        CHECK(strlen(error->message) >= 10);
    }
    if (check_failures > failures)
        fprintf(stderr, "  (%s: %s)\n", what, answer ? "accepted" : error->message);
    banger_message_free(answer);
}

struct bad_create {
    const char *what, *name, *image, *kernel, *driver;
    uint32_t cpus;
    uint64_t memory, disk, work_disk;
    int network;
    enum banger_code code;
    const char *reason;
};

static char long_name[80];

static const struct bad_create bad_creates[] = {
    {.what = "capital letters", .name = "Box", .code = BANGER_INVALID_ARGUMENT},
    {.what = "leading dash", .name = "-box", .code = BANGER_INVALID_ARGUMENT},
    {.what = "trailing dash", .name = "box-", .code = BANGER_INVALID_ARGUMENT},
    {.what = "a path", .name = "../../etc", .code = BANGER_INVALID_ARGUMENT},
    {.what = "a blank", .name = "a b", .code = BANGER_INVALID_ARGUMENT},
    {.what = "a newline", .name = "a\nb", .code = BANGER_INVALID_ARGUMENT},
    {.what = "not ASCII", .name = "b\xc3\xb6x", .code = BANGER_INVALID_ARGUMENT},
    {.what = "64 characters", .name = long_name, .code = BANGER_INVALID_ARGUMENT},
    {.what = "name taken", .name = "box", .code = BANGER_ALREADY_EXISTS, .reason = "VM_NAME_TAKEN"},
    {.what = "unknown image",
     .image = "no-such-image",
     .code = BANGER_NOT_FOUND,
     .reason = "IMAGE_NOT_FOUND"},
    {.what = "unknown kernel",
     .kernel = "no-such-kernel",
     .code = BANGER_NOT_FOUND,
     .reason = "KERNEL_NOT_FOUND"},
    {.what = "unknown driver", .driver = "xen", .code = BANGER_INVALID_ARGUMENT},
    {.what = "long driver",
     .driver = "a-driver-whose-name-is-far-too-long-for-any-field",
     .code = BANGER_INVALID_ARGUMENT},
    {.what = "65 cpus", .cpus = 65, .code = BANGER_INVALID_ARGUMENT},
    {.what = "4 billion cpus", .cpus = UINT32_MAX, .code = BANGER_INVALID_ARGUMENT},
    {.what = "little memory", .memory = 1, .code = BANGER_INVALID_ARGUMENT},
    {.what = "odd memory", .memory = 64 * MIB + 1, .code = BANGER_INVALID_ARGUMENT},
    {.what = "absurd memory", .memory = UINT64_MAX, .code = BANGER_INVALID_ARGUMENT},
    {.what = "tiny disk", .disk = 1, .code = BANGER_INVALID_ARGUMENT},
    {.what = "absurd disk", .disk = UINT64_MAX, .code = BANGER_INVALID_ARGUMENT},
    {.what = "tiny work disk", .work_disk = 1, .code = BANGER_INVALID_ARGUMENT},
    {.what = "absurd work disk", .work_disk = UINT64_MAX - 511, .code = BANGER_INVALID_ARGUMENT},
    {.what = "unknown network", .network = 77, .code = BANGER_INVALID_ARGUMENT},
};

static void create_refuses(void)
{
    memset(long_name, 'a', 64);
    for (size_t i = 0; i < sizeof(bad_creates) / sizeof(bad_creates[0]); i++) {
        const struct bad_create *b = &bad_creates[i];
        struct world before = look();
        struct banger_error error = {0};
        Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
        Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
        request.spec = &spec;
        request.name = TEXT(b->name ? b->name : "");
        spec.image = TEXT(b->image ? b->image : "");
        spec.kernel = TEXT(b->kernel ? b->kernel : "");
        spec.driver = TEXT(b->driver ? b->driver : "");
        spec.cpus = b->cpus;
        spec.memory_bytes = b->memory;
        spec.disk_bytes = b->disk;
        spec.work_disk_bytes = b->work_disk;
        spec.network = (Banger__V1__NetworkMode)b->network;
        Banger__V1__Operation *op = banger_create_vm(client, &request, NULL, &error);
        check_refused(b->what, op ? &op->base : NULL, &error, b->code, b->reason);
        check_unchanged(&before);
    }
}

static void labels_are_checked(void)
{
    static const char *const keys[] = {"", "Upper", "sp ace", "\xc3\xb6", "semi;colon", long_name};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct world before = look();
        struct banger_error error = {0};
        Banger__V1__Label label = BANGER__V1__LABEL__INIT;
        Banger__V1__Label *labels[] = {&label};
        Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
        label.key = TEXT(keys[i]);
        request.n_labels = 1;
        request.labels = labels;
        Banger__V1__Operation *op = banger_create_vm(client, &request, NULL, &error);
        check_refused(keys[i], op ? &op->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
        check_unchanged(&before);
    }
    struct world before = look();
    struct banger_error error = {0};
    Banger__V1__Label same = BANGER__V1__LABEL__INIT;
    Banger__V1__Label *many[100];
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    same.key = TEXT("same");
    for (int i = 0; i < 100; i++)
        many[i] = &same;
    request.labels = many;
    for (request.n_labels = 2; request.n_labels <= 100; request.n_labels += 98) {
        Banger__V1__Operation *op = banger_create_vm(client, &request, NULL, &error);
        check_refused("labels", op ? &op->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
    }
    check_unchanged(&before);
}

static void references_are_checked(void)
{
    static const struct {
        const char *ref;
        enum banger_code code;
        const char *reason;
    } cases[] = {
        {"", BANGER_INVALID_ARGUMENT, NULL},
        {"nobody", BANGER_NOT_FOUND, "VM_NOT_FOUND"},
        {"zzzzzzzzzzzzzzzz", BANGER_NOT_FOUND, "VM_NOT_FOUND"},
        {"../box", BANGER_NOT_FOUND, "VM_NOT_FOUND"},
        {"box; rm -rf /", BANGER_NOT_FOUND, "VM_NOT_FOUND"},
    };
    struct world before = look();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct banger_error error = {0};
        Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
        get.vm = TEXT(cases[i].ref);
        Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, &error);
        /* An empty reference may be called unknown, too. */
        enum banger_code code = *cases[i].ref ? cases[i].code : error.code;
        CHECK(code == BANGER_INVALID_ARGUMENT || code == BANGER_NOT_FOUND);
        check_refused(cases[i].ref, vm ? &vm->base : NULL, &error, code, cases[i].reason);
        for (enum steps_verb v = STEPS_START; v <= STEPS_DELETE; v++) {
            Banger__V1__Operation *op = steps_begin(client, v, cases[i].ref, NULL, &error);
            check_refused(cases[i].ref, op ? &op->base : NULL, &error, code, cases[i].reason);
        }
    }
    check_unchanged(&before);
}

/* Two VMs whose ids begin alike are made by making enough of them. */
static void ambiguous_prefix(void)
{
    enum { ENOUGH = 40 };
    static char ids[ENOUGH][STEPS_ID_BYTES];
    struct banger_error error = {0};
    struct steps_create stopped = {.stopped = true};
    char prefix[2] = "";
    int n = 0;
    while (n < ENOUGH && !*prefix) {
        if (!CHECK_INT(steps_create_vm(client, &h, &stopped, ids[n], &error), 0))
            return;
        for (int i = 0; i < n; i++)
            if (ids[i][0] == ids[n][0])
                prefix[0] = ids[n][0];
        n++;
    }
    CHECK(*prefix);
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = prefix;
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, &error);
    check_refused("prefix", vm ? &vm->base : NULL, &error, BANGER_INVALID_ARGUMENT,
                  "AMBIGUOUS_REFERENCE");
    CHECK_CONTAINS(error.message, ids[n - 1]);
    size_t before = steps_count_vms(&h, client);
    Banger__V1__Operation *op = steps_begin(client, STEPS_DELETE, prefix, NULL, &error);
    check_refused("prefix", op ? &op->base : NULL, &error, BANGER_INVALID_ARGUMENT,
                  "AMBIGUOUS_REFERENCE");
    CHECK_INT(steps_count_vms(&h, client), before);
    for (int i = 0; i < n; i++)
        CHECK_INT(steps_do(client, STEPS_DELETE, ids[i], &error), 0);
}

static void pages_and_requests(void)
{
    struct world before = look();
    struct banger_error error = {0};
    static const char *const tokens[] = {"x",      "-",      "1.", "999999999999999999999999.a",
                                         "%s%s%n", "1.zzz\n"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        Banger__V1__ListVMsRequest list = BANGER__V1__LIST_VMS_REQUEST__INIT;
        list.page_token = TEXT(tokens[i]);
        Banger__V1__ListVMsResponse *got = banger_list_vms(client, &list, NULL, &error);
        check_refused(tokens[i], got ? &got->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
    }
    Banger__V1__ListVMsRequest list = BANGER__V1__LIST_VMS_REQUEST__INIT;
    list.page_size = 1001;
    Banger__V1__ListVMsResponse *got = banger_list_vms(client, &list, NULL, &error);
    check_refused("page size", got ? &got->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
    Banger__V1__ListEventsRequest events = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    events.page_size = 1001;
    Banger__V1__ListEventsResponse *told = banger_list_events(client, &events, NULL, &error);
    check_refused("events", told ? &told->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
    Banger__V1__ListIdentitiesRequest known = BANGER__V1__LIST_IDENTITIES_REQUEST__INIT;
    known.page_size = 1001;
    Banger__V1__ListIdentitiesResponse *all = banger_list_identities(client, &known, NULL, &error);
    check_refused("identities", all ? &all->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);

    static const char *const ids[] = {
        "with blank in it", "tab\there", "\x7f",
        "far-too-long-far-too-long-far-too-long-far-too-long-far-too-long-far-too-long"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct steps_create how = {.request_id = ids[i]};
        Banger__V1__Operation *op = steps_begin_create(client, &h, &how, &error);
        check_refused(ids[i], op ? &op->base : NULL, &error, BANGER_INVALID_ARGUMENT, NULL);
    }
    check_unchanged(&before);
}

static void refuse_start(const char *what, const Banger__V1__StartSessionRequest *request,
                         enum banger_code code, const char *reason)
{
    struct banger_error error = {0};
    Banger__V1__GuestSession *session = banger_start_session(client, request, NULL, &error);
    check_refused(what, session ? &session->base : NULL, &error, code, reason);
}

static void sessions_are_checked(void)
{
    static char *argv[] = {(char *)"true"}, *empty[] = {(char *)""};
    struct world before = look();
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    request.vm = box;
    refuse_start("no spec", &request, BANGER_INVALID_ARGUMENT, NULL);
    request.spec = &spec;
    refuse_start("no argv", &request, BANGER_INVALID_ARGUMENT, NULL);
    spec.n_argv = 1;
    spec.argv = empty;
    refuse_start("empty command", &request, BANGER_INVALID_ARGUMENT, NULL);
    spec.argv = argv;
    request.name = TEXT("Not A Name");
    refuse_start("bad name", &request, BANGER_INVALID_ARGUMENT, NULL);
    request.name = TEXT("");
    request.vm = TEXT("nobody");
    refuse_start("unknown VM", &request, BANGER_NOT_FOUND, "VM_NOT_FOUND");
    request.vm = twin;
    refuse_start("stopped VM", &request, BANGER_FAILED_PRECONDITION, "VM_NOT_RUNNING");
    request.vm = box;
    Banger__V1__SessionLimits limits = BANGER__V1__SESSION_LIMITS__INIT;
    limits.spool_bytes = 1;
    spec.limits = &limits;
    refuse_start("tiny spool", &request, BANGER_INVALID_ARGUMENT, NULL);
    limits.spool_bytes = UINT64_MAX;
    refuse_start("absurd spool", &request, BANGER_INVALID_ARGUMENT, NULL);
    spec.limits = NULL;
    Banger__V1__EnvVar variable = BANGER__V1__ENV_VAR__INIT;
    Banger__V1__EnvVar *env[] = {&variable};
    spec.n_env = 1;
    spec.env = env;
    variable.name = TEXT("A=B");
    refuse_start("variable with =", &request, BANGER_INVALID_ARGUMENT, NULL);
    variable.name = TEXT("");
    refuse_start("variable without name", &request, BANGER_INVALID_ARGUMENT, NULL);
    check_unchanged(&before);
}

static void messages_too_large(void)
{
    struct world before = look();
    static char much[3 << 20];
    char *argv[] = {TEXT("true"), much};
    memset(much, 'x', sizeof(much) - 1);
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    request.vm = box;
    request.spec = &spec;
    spec.n_argv = 2;
    spec.argv = argv;
    struct banger_error error = {0};
    Banger__V1__GuestSession *session = banger_start_session(client, &request, NULL, &error);
    check_refused("3 MiB of argv", session ? &session->base : NULL, &error,
                  BANGER_RESOURCE_EXHAUSTED, NULL);
    much[200000] = '\0'; /* a fine message, but more than a session may have */
    session = banger_start_session(client, &request, NULL, &error);
    check_refused("200 kB of argv", session ? &session->base : NULL, &error,
                  BANGER_INVALID_ARGUMENT, NULL);
    check_unchanged(&before);
}

/* Bytes that are no HTTP/2, or no gRPC: the connection ends, and nothing else happens. */
static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", h.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        harness_die(&h, "cannot connect: %s", strerror(errno));
    return fd;
}

/* Sends it, reads until the daemon closes; true if it did within its time. */
static bool is_shut_out(const void *data, size_t len, bool more)
{
    auto_fd int fd = dial();
    char sink[4096];
    if (send(fd, data, len, MSG_NOSIGNAL) < 0)
        return true;
    if (!more)
        shutdown(fd, SHUT_WR);
    for (int64_t end = clock_mono_ms() + 30000; clock_mono_ms() < end;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1000) == 1 && read(fd, sink, sizeof(sink)) <= 0)
            return true;
    }
    return false;
}

static void garbage_on_the_socket(void)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static uint8_t noise[100000];
    struct world before = look();
    pid_t daemon = h.daemon;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        emit_fill(seed, 0, noise, sizeof(noise));
        CHECK(is_shut_out(noise, sizeof(noise), true));
        /* An honest preface first. */
        memcpy(noise, preface, sizeof(preface) - 1);
        CHECK(is_shut_out(noise, sizeof(noise), true));
    }
    static const char http1[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    CHECK(is_shut_out(http1, sizeof(http1) - 1, true));
    CHECK(is_shut_out(preface, 5, false));
    CHECK(is_shut_out("", 0, false));
    CHECK_INT(h.daemon, daemon);
    CHECK(harness_alive(daemon));
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    check_unchanged(&before);
    printf("     the daemon's memory: now %llu KiB, at most %llu KiB\n",
           (unsigned long long)harness_memory_kib(daemon, "VmRSS"),
           (unsigned long long)harness_memory_kib(daemon, "VmHWM"));
}

int main(int argc, char **argv)
{
    struct banger_error error;
    struct steps_create running = {.name = "box"}, stopped = {.name = "twin", .stopped = true};
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, &running, box, &error) < 0 ||
        steps_create_vm(client, &h, &stopped, twin, &error) < 0)
        harness_die(&h, "no VMs: %s", error.message);
    RUN(create_refuses);
    RUN(labels_are_checked);
    RUN(references_are_checked);
    RUN(ambiguous_prefix);
    RUN(pages_and_requests);
    RUN(sessions_are_checked);
    RUN(messages_too_large);
    RUN(garbage_on_the_socket);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, twin, &error), 0);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
