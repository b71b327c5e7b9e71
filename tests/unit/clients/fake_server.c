/* See fake_server.h. */
#include "tests/unit/clients/fake_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banger/v1/attach.pb-c.h"
#include "banger/v1/guest_session.server.rpc.h"
#include "banger/v1/operation.server.rpc.h"
#include "banger/v1/vm.server.rpc.h"
#include "base/err.h"
#include "base/fs.h"
#include "grpc/health/v1/health.server.rpc.h"
#include "rpc/event/server.h"
#include "rpc/wire/stream.h"
#include "tests/unit/clients/fake_listen.h"
#include "tests/unit/clients/fake_proxy.h"

enum { CHUNK = 32 << 10, WINDOW = 64 << 10, HELD = 16 << 10, GRACE_MS = 60000 };

uint8_t fake_byte(int stream, uint64_t offset)
{
    uint64_t x = offset * 0x9e3779b97f4a7c15ull + (uint64_t)stream * 77;
    return (uint8_t)(x >> 56 ^ x >> 13);
}

static void fatal(const char *what)
{
    fprintf(stderr, "fake server: %s\n", what);
    abort();
}

/* ---- unary ---- */

static void reply_vm(struct rpc_call *call, const char *name)
{
    Banger__V1__VM vm = BANGER__V1__VM__INIT;
    vm.id = (char *)"4fakefakefakefak";
    vm.name = (char *)name;
    rpc_call_reply(call, &vm.base);
}

static bool is_unavailable(struct fake *f, struct rpc_call *call)
{
    struct err err = ERR_INIT;
    if (f->unavailable == 0)
        return false;
    f->unavailable--;
    err_set(&err, ERR_UNAVAILABLE, "not now");
    rpc_call_finish(call, &err);
    return true;
}

static bool is_reset(struct fake *f, struct rpc_call *call)
{
    if (f->resets == 0)
        return false;
    f->resets--;
    call_reset(call, f->reset_code);
    return true;
}

/* What it gets as "echo-…" comes back in its headers, what it gets as "trail-…" in its trailers. */
static void echo_metadata(struct fake *f, struct rpc_call *call)
{
    struct rpc_metadata m;
    bool tagged = false;
    for (size_t at = 0; metadata_next(&call->metadata, &at, &m);) {
        bool header = strncmp(m.key, "echo-", 5) == 0, trailer = strncmp(m.key, "trail-", 6) == 0;
        if ((header && rpc_call_add_headers(call, &m, 1, NULL) < 0) ||
            (trailer && rpc_call_add_trailers(call, &m, 1, NULL) < 0))
            fatal("metadata does not come back");
        tagged |= header;
    }
    f->n_tagged += tagged;
}

static void on_get_vm(void *self, struct rpc_call *call, const Banger__V1__GetVMRequest *request)
{
    struct fake *f = self;
    f->n_gets++;
    echo_metadata(f, call);
    if (is_unavailable(f, call) || is_reset(f, call))
        return;
    if (strcmp(request->vm, "none") == 0) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_NOT_FOUND, "no VM none");
        err_tag(&err, "VM_NOT_FOUND", "vm/none");
        rpc_call_finish(call, &err);
    } else if (strcmp(request->vm, "hang") != 0) {
        reply_vm(call, request->vm);
    }
}

static void on_send_stdin(void *self, struct rpc_call *call,
                          const Banger__V1__SendStdinRequest *request)
{
    struct fake *f = self;
    (void)request;
    f->n_sends++; /* and no answer: the proxy cuts it off */
    (void)call;
}

static void on_get_session(void *self, struct rpc_call *call,
                           const Banger__V1__GetSessionRequest *request)
{
    (void)self;
    (void)request;
    Banger__V1__GuestSession session = BANGER__V1__GUEST_SESSION__INIT;
    session.id = (char *)"s";
    session.state = BANGER__V1__SESSION_STATE__SESSION_STATE_RUNNING;
    rpc_call_reply(call, &session.base);
}

/* The one method here that must not be done twice. */
static void on_signal_session(void *self, struct rpc_call *call,
                              const Banger__V1__SignalSessionRequest *request)
{
    struct fake *f = self;
    (void)request;
    f->n_signals++;
    if (is_unavailable(f, call))
        return;
    Banger__V1__GuestSession session = BANGER__V1__GUEST_SESSION__INIT;
    rpc_call_reply(call, &session.base);
}

/* ---- a boot that never ends by itself ---- */

static void fill_boot(const struct fake *f, Banger__V1__Operation *op)
{
    op->id = (char *)"create";
    op->resource = (char *)"vm/4fakefakefakefak";
    op->stage = (char *)"boot";
    op->state = f->n_cancels ? BANGER__V1__OPERATION_STATE__OPERATION_STATE_CANCELLED
                             : BANGER__V1__OPERATION_STATE__OPERATION_STATE_RUNNING;
}

static void reply_boot(const struct fake *f, struct rpc_call *call)
{
    Banger__V1__Operation op = BANGER__V1__OPERATION__INIT;
    fill_boot(f, &op);
    rpc_call_reply(call, &op.base);
}

static void on_create_vm(void *self, struct rpc_call *call,
                         const Banger__V1__CreateVMRequest *request)
{
    (void)request;
    reply_boot(self, call);
}

static void on_cancel_operation(void *self, struct rpc_call *call,
                                const Banger__V1__CancelOperationRequest *request)
{
    struct fake *f = self;
    f->n_cancels += strcmp(request->operation, "create") == 0;
    reply_boot(f, call);
}

/* The cancelled creation has left nothing. */
static void on_delete_vm(void *self, struct rpc_call *call,
                         const Banger__V1__DeleteVMRequest *request)
{
    struct fake *f = self;
    struct err err = ERR_INIT;
    f->n_deletes++;
    err_set(&err, ERR_NOT_FOUND, "no VM %s", request->vm);
    rpc_call_finish(call, &err);
}

static void watch_boot(struct fake *f, struct rpc_call *call)
{
    Banger__V1__Operation op = BANGER__V1__OPERATION__INIT;
    fill_boot(f, &op);
    rpc_call_send(call, &op.base);
    if (f->n_cancels)
        rpc_call_finish(call, NULL);
    else if (write(f->watching[1], "x", 1) != 1)
        fatal("pipe");
}

static void on_check(void *self, struct rpc_call *call,
                     const Grpc__Health__V1__HealthCheckRequest *request)
{
    (void)self;
    (void)request;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    rpc_call_reply(call, &response.base);
}

static void on_watch_operation(void *self, struct rpc_call *call,
                               const Banger__V1__WatchOperationRequest *request)
{
    echo_metadata(self, call);
    if (strcmp(request->operation, "create") == 0) {
        watch_boot(self, call);
        return;
    }
    if (is_reset(self, call))
        return;
    static const char *const stages[] = {"prepare", "boot", ""};
    for (int i = 0; i < 3; i++) {
        Banger__V1__Operation op = BANGER__V1__OPERATION__INIT;
        Banger__V1__OperationError error = BANGER__V1__OPERATION_ERROR__INIT;
        Banger__V1__ErrorInfo info = BANGER__V1__ERROR_INFO__INIT;
        op.id = request->operation;
        op.stage = (char *)stages[i];
        op.percent = (uint32_t)i * 50;
        op.state = i < 2 ? BANGER__V1__OPERATION_STATE__OPERATION_STATE_RUNNING
                         : BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED;
        if (i == 2 && strcmp(request->operation, "bad") == 0) {
            op.state = BANGER__V1__OPERATION_STATE__OPERATION_STATE_FAILED;
            op.error = &error;
            error.code = ERR_LIMIT;
            error.message = (char *)"no room";
            error.info = &info;
            info.stage = (char *)"prepare";
            info.reason = (char *)"DISK_FULL";
        }
        rpc_call_send(call, &op.base);
    }
    rpc_call_finish(call, NULL);
}

/* ---- attach ---- */

struct fake_attach {
    struct fake *f;
    struct rpc_call *call;
    uint64_t next[3]; /* by stream */
    bool opened, ended[3], finished;
    unsigned generation; /* n_opens when it was opened */
    unsigned random;
};

static void attach_send(struct fake_attach *a, Banger__V1__AttachResponse *response)
{
    rpc_call_send(a->call, &response->base);
}

static void attach_send_data(struct fake_attach *a, int stream, uint64_t total)
{
    static uint8_t bytes[CHUNK];
    a->random = a->random * 1103515245 + 12345;
    uint64_t len = 1 + (a->random >> 8) % CHUNK;
    if (len > total - a->next[stream])
        len = total - a->next[stream];
    for (uint64_t i = 0; i < len; i++)
        bytes[i] = fake_byte(stream, a->next[stream] + i);
    Banger__V1__AttachData data = BANGER__V1__ATTACH_DATA__INIT;
    data.stream = (Banger__V1__OutputStream)stream;
    data.offset = a->next[stream];
    data.data.data = bytes;
    data.data.len = len;
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_DATA;
    response.data = &data;
    if (a->f->lie && strcmp(a->f->lie, "gap") == 0 && a->next[stream] > 0)
        data.offset++;
    attach_send(a, &response);
    a->next[stream] += len;
}

static void attach_send_end(struct fake_attach *a, int stream, uint64_t total)
{
    Banger__V1__AttachStreamEnd end = BANGER__V1__ATTACH_STREAM_END__INIT;
    end.stream = (Banger__V1__OutputStream)stream;
    end.total = total + (a->f->lie && strcmp(a->f->lie, "total") == 0);
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_STREAM_END;
    response.stream_end = &end;
    attach_send(a, &response);
    a->ended[stream] = true;
}

static void attach_send_exit(struct fake_attach *a)
{
    Banger__V1__SessionExit status = BANGER__V1__SESSION_EXIT__INIT;
    status.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
    status.code = 7;
    Banger__V1__AttachExit exit = BANGER__V1__ATTACH_EXIT__INIT;
    exit.exit = &status;
    exit.stdout_total = a->f->stdout_bytes;
    exit.stderr_total = a->f->stderr_bytes;
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_EXIT;
    response.exit = &exit;
    if (!a->f->lie || strcmp(a->f->lie, "no_exit") != 0)
        attach_send(a, &response);
    rpc_call_finish(a->call, NULL);
    a->finished = true;
}

/* Sends while the client takes it. */
static void attach_pump(struct fake_attach *a)
{
    const uint64_t totals[] = {0, a->f->stdout_bytes, a->f->stderr_bytes};
    if (!a->opened || a->finished)
        return;
    if (a->f->lie && strcmp(a->f->lie, "exit_early") == 0) {
        attach_send_exit(a);
        return;
    }
    if (a->next[1] > totals[1] / 2 && is_reset(a->f, a->call)) {
        a->finished = true;
        return;
    }
    while (rpc_call_writable(a->call) && (a->next[1] < totals[1] || a->next[2] < totals[2])) {
        int stream = a->next[2] >= totals[2] || (a->next[1] < totals[1] && a->random & 64) ? 1 : 2;
        attach_send_data(a, stream, totals[stream]);
    }
    for (int stream = 1; stream <= 2; stream++)
        if (a->next[stream] >= totals[stream] && !a->ended[stream])
            attach_send_end(a, stream, totals[stream]);
    if (a->ended[1] && a->ended[2] && (a->f->stdin_bytes == 0 || a->f->stdin_ended))
        attach_send_exit(a);
}

static void attach_ack(struct fake_attach *a)
{
    Banger__V1__AttachStdinAck ack = BANGER__V1__ATTACH_STDIN_ACK__INIT;
    ack.offset = a->f->stdin_acked;
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_STDIN_ACK;
    response.stdin_ack = &ack;
    attach_send(a, &response);
}

/* Acknowledges everything, or all but the last bytes, and not each time. */
static void advance_ack(struct fake *f)
{
    uint64_t held = f->stdin_taken - f->stdin_acked;
    if (!f->holds_stdin)
        f->stdin_acked = f->stdin_taken;
    else if (held >= WINDOW / 2)
        f->stdin_acked = f->stdin_taken - HELD;
}

static void lose_held_stdin(struct fake *f)
{
    f->n_lost += f->stdin_taken > f->stdin_acked;
    f->stdin_taken = f->stdin_acked;
    f->stdin_ended = false;
}

static void attach_open(struct fake_attach *a, const Banger__V1__AttachOpen *open)
{
    struct fake *f = a->f;
    struct err err = ERR_INIT;
    f->n_opens++;
    if (strcmp(open->session, "s") != 0) {
        err_set(&err, ERR_NOT_FOUND, "no session %s", open->session);
        rpc_call_finish(a->call, &err);
        return;
    }
    if (f->n_opens > 1 && f->refuse_writer > 0) {
        f->refuse_writer--;
        err_set(&err, ERR_PRECONDITION, "there is a writer");
        err_tag(&err, "WRITER_TAKEN", "session/s");
        rpc_call_finish(a->call, &err);
        return;
    }
    const Banger__V1__StreamStart *starts[] = {NULL, open->start_stdout, open->start_stderr};
    const uint64_t totals[] = {0, f->stdout_bytes, f->stderr_bytes};
    for (int i = 1; i <= 2; i++) {
        if (starts[i]->at_case == BANGER__V1__STREAM_START__AT_OFFSET)
            a->next[i] = starts[i]->offset;
        else if (starts[i]->at_case == BANGER__V1__STREAM_START__AT_TAIL)
            a->next[i] = totals[i] - starts[i]->tail;
        else
            a->next[i] = totals[i];
    }
    Banger__V1__AttachOpened opened = BANGER__V1__ATTACH_OPENED__INIT;
    opened.stdout_offset = a->next[1];
    opened.stderr_offset = a->next[2];
    a->generation = f->n_opens;
    if (f->holds_stdin && f->n_opens % 2 == 1)
        lose_held_stdin(f);
    opened.stdin_offset = f->stdin_taken;
    opened.stdin_window_bytes = WINDOW;
    Banger__V1__AttachResponse response = BANGER__V1__ATTACH_RESPONSE__INIT;
    response.frame_case = BANGER__V1__ATTACH_RESPONSE__FRAME_OPENED;
    response.opened = &opened;
    attach_send(a, &response);
    if (open->role > BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER)
        attach_ack(a);
    a->opened = true;
    a->random = f->n_opens * 7919;
}

static void attach_take_stdin(struct fake_attach *a, const Banger__V1__AttachStdin *bytes)
{
    struct fake *f = a->f;
    if (a->generation != f->n_opens)
        return; /* of a connection that is gone */
    if (bytes->offset > f->stdin_taken)
        f->stdin_wrong = true;
    for (uint64_t i = 0; i < bytes->data.len; i++) {
        uint64_t offset = bytes->offset + i;
        if (bytes->data.data[i] != fake_byte(0, offset))
            f->stdin_wrong = true;
        if (offset == f->stdin_taken)
            f->stdin_taken++;
    }
    advance_ack(f);
    attach_ack(a);
}

static void attach_on_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct fake_attach *a = arg;
    const Banger__V1__AttachRequest *request = (const Banger__V1__AttachRequest *)message;
    switch (request->frame_case) {
    case BANGER__V1__ATTACH_REQUEST__FRAME_OPEN:
        attach_open(a, request->open);
        break;
    case BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_DATA:
        attach_take_stdin(a, request->stdin_data);
        break;
    case BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_EOF:
        a->f->stdin_ended |= a->generation == a->f->n_opens;
        break;
    case BANGER__V1__ATTACH_REQUEST__FRAME_DETACH:
        a->finished = true;
        rpc_call_finish(call, NULL);
        break;
    default:
        break;
    }
    attach_pump(a);
}

static void attach_on_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    attach_pump(arg);
}

static void attach_on_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)status;
    rpc_call_unref(call);
    free(arg);
}

static const struct rpc_call_events attach_events = {
    .message = attach_on_message,
    .writable = attach_on_writable,
    .closed = attach_on_closed,
};

static void on_attach(void *self, struct rpc_call *call)
{
    struct fake_attach *a = calloc(1, sizeof(*a));
    if (!a)
        fatal("no memory");
    a->f = self;
    a->call = rpc_call_ref(call);
    echo_metadata(self, call);
    rpc_call_set_events(call, &attach_events, a);
}

/* ---- life ---- */

static const struct banger_v1_vm_service_handlers vm_handlers = {
    .get_vm = on_get_vm, .create_vm = on_create_vm, .delete_vm = on_delete_vm};
static const struct banger_v1_operation_service_handlers operation_handlers = {
    .watch_operation = on_watch_operation, .cancel_operation = on_cancel_operation};
static const struct grpc_health_v1_health_handlers health_handlers = {.check = on_check};
static const struct banger_v1_guest_session_service_handlers session_handlers = {
    .attach = on_attach,
    .get_session = on_get_session,
    .send_stdin = on_send_stdin,
    .signal_session = on_signal_session};

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    (void)arg;
    (void)err;
    peer->role = RPC_ROLE_ADMIN;
    return 0;
}

static void *serve(void *arg)
{
    struct fake *f = arg;
    struct err err = ERR_INIT;
    if (loop_run(f->loop, &err) < 0)
        fatal(err.message);
    return NULL;
}

void fake_start(struct fake *f)
{
    struct err err = ERR_INIT;
    struct rpc_server_config config = {
        .identify = identify, .max_age_ms = f->max_age_ms, .max_age_grace_ms = GRACE_MS};
    snprintf(f->dir, sizeof(f->dir), "/tmp/banger-fake-XXXXXX");
    if (!mkdtemp(f->dir))
        fatal("mkdtemp");
    if (pipe2(f->watching, O_CLOEXEC) < 0)
        fatal("pipe");
    f->loop = loop_new(&err);
    f->server = f->loop ? rpc_server_new(f->loop, &config, &err) : NULL;
    if (!f->server || banger_v1_vm_service_register(f->server, &vm_handlers, f, &err) < 0 ||
        banger_v1_operation_service_register(f->server, &operation_handlers, f, &err) < 0 ||
        banger_v1_guest_session_service_register(f->server, &session_handlers, f, &err) < 0 ||
        grpc_health_v1_health_register(f->server, &health_handlers, f, &err) < 0 ||
        fake_listen(f, &err) < 0)
        fatal(err.message);
    if (pthread_create(&f->thread, NULL, serve, f) != 0)
        fatal("no thread");
    fake_proxy_start(f);
}

void fake_stop(struct fake *f)
{
    fake_proxy_stop(f);
    loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    rpc_server_free(f->server);
    loop_free(f->loop);
    close(f->watching[0]);
    close(f->watching[1]);
    fs_remove_tree(f->dir, NULL);
}
