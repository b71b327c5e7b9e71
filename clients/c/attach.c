/* An attach and its connections: opened, lost, opened again at the offsets reached.
 *
 * A struct banger_attach outlives its streams. All work happens inside banger_attach_next (and the
 * writes of attach_stdin.c), so that nothing is freed behind a callback's back. */
#include "attach_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

static int64_t attach_due_ms(const struct client_due *due)
{
    const struct banger_attach *attach = container_of(due, struct banger_attach, due);
    return attach->stream || attach->over ? INT64_MAX : attach->due_ms;
}

struct banger_attach *banger_attach_open(struct banger_client *client, const char *session,
                                         struct banger_error *error)
{
    struct banger_attach *attach = calloc(1, sizeof(*attach));
    char *copy = strdup(session);
    if (!attach || !copy) {
        free(attach);
        free(copy);
        error_no_memory(error);
        return NULL;
    }
    attach->client = client;
    client_use(client);
    attach->session = copy;
    attach->reattach_ms = ATTACH_REATTACH_MS;
    call_metadata_init(&attach->metadata);
    if (getrandom(&attach->writer_key, sizeof(attach->writer_key), GRND_NONBLOCK) !=
        (ssize_t)sizeof(attach->writer_key))
        attach->writer_key = 0; /* it goes without */
    buf_init(&attach->unacked, ATTACH_STDIN_BYTES);
    attach->due_ms = client->told_ms;
    attach->due.due_ms = attach_due_ms;
    list_add_tail(&client->dues, &attach->due.link);
    client_arm(client);
    return attach;
}

struct banger_attach *banger_attach_open_console(struct banger_client *client, const char *vm,
                                                 struct banger_error *error)
{
    struct banger_attach *attach = banger_attach_open(client, vm, error);
    if (attach)
        attach->console = true;
    return attach;
}

int attach_send(struct banger_attach *attach, Banger__V1__AttachRequest *frame,
                struct banger_error *error)
{
    if (!attach->console)
        return banger_stream_send(attach->stream, &frame->base, error);
    Banger__V1__AttachConsoleRequest request = BANGER__V1__ATTACH_CONSOLE_REQUEST__INIT;
    if (frame->frame_case == BANGER__V1__ATTACH_REQUEST__FRAME_OPEN)
        request.vm = attach->session;
    request.frame = frame;
    return banger_stream_send(attach->stream, &request.base, error);
}

void banger_attach_set_role(struct banger_attach *attach, Banger__V1__AttachRole role)
{
    attach->role = role;
    attach->writer = role > BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER;
}

void banger_attach_set_start(struct banger_attach *attach, int stream, enum banger_start at,
                             uint64_t value)
{
    if (stream != 1 && stream != 2)
        return;
    attach->out[stream - 1].start = at;
    attach->out[stream - 1].value = value;
}

void banger_attach_set_reattach_ms(struct banger_attach *attach, int64_t ms)
{
    attach->reattach_ms = ms;
}

struct banger_metadata *banger_attach_metadata(struct banger_attach *attach)
{
    return &attach->metadata;
}

void banger_attach_set_hold(struct banger_attach *attach, bool hold)
{
    attach->hold = hold;
}

void banger_attach_close(struct banger_attach *attach)
{
    if (!attach)
        return;
    banger_stream_close(attach->stream);
    banger_message_free(attach->current);
    list_remove(&attach->due.link);
    buf_done(&attach->unacked);
    call_metadata_done(&attach->metadata);
    client_unuse(attach->client);
    free(attach->session);
    free(attach);
}

/* since: where a time is kept meanwhile. */
static void attach_set_start(Banger__V1__StreamStart *start, const struct attach_output *out,
                             Google__Protobuf__Timestamp *since)
{
    start->at_case = BANGER__V1__STREAM_START__AT_OFFSET;
    if (out->known) {
        start->offset = out->next;
        return;
    }
    switch (out->start) {
    case BANGER_START_OFFSET:
        start->offset = out->value;
        break;
    case BANGER_START_TAIL:
        start->at_case = BANGER__V1__STREAM_START__AT_TAIL;
        start->tail = out->value;
        break;
    case BANGER_START_END:
        start->at_case = BANGER__V1__STREAM_START__AT_END;
        start->end = true;
        break;
    case BANGER_START_SKIP:
        start->at_case = BANGER__V1__STREAM_START__AT_SKIP;
        start->skip = true;
        break;
    case BANGER_START_TAIL_LINES:
        start->at_case = BANGER__V1__STREAM_START__AT_TAIL_LINES;
        start->tail_lines = out->value < UINT32_MAX ? (uint32_t)out->value : UINT32_MAX;
        break;
    case BANGER_START_TIME:
        start->at_case = BANGER__V1__STREAM_START__AT_SINCE;
        google__protobuf__timestamp__init(since);
        since->seconds = (int64_t)(out->value / 1000000000);
        since->nanos = (int32_t)(out->value % 1000000000);
        start->since = since;
        break;
    }
}

static int attach_connect(struct banger_attach *attach, struct banger_error *error)
{
    attach->opened_at_ms = 0;
    const struct rpc_method *method =
        method_find(attach->console ? "/banger.v1.VMService/AttachConsole"
                                    : "/banger.v1.GuestSessionService/Attach",
                    error);
    /* Waiting for a connection is done here, with a patience of its own. */
    const struct stream_config config = {
        .fail_fast = true, .timeout_ms = -1, .metadata = &attach->metadata};
    attach->stream = method ? stream_open(attach->client, method, &config, error) : NULL;
    if (!attach->stream)
        return -1;
    Banger__V1__StreamStart out = BANGER__V1__STREAM_START__INIT;
    Banger__V1__StreamStart err = BANGER__V1__STREAM_START__INIT;
    Google__Protobuf__Timestamp since[2];
    attach_set_start(&out, &attach->out[0], &since[0]);
    attach_set_start(&err, &attach->out[1], &since[1]);
    Banger__V1__AttachOpen open = BANGER__V1__ATTACH_OPEN__INIT;
    if (!attach->console)
        open.session = attach->session;
    open.role = attach->role;
    open.start_stdout = &out;
    open.start_stderr = &err;
    open.hold = attach->hold;
    open.writer_key = attach->writer_key;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_OPEN;
    request.open = &open;
    return attach_send(attach, &request, error);
}

/* Ends the attach for good with error. */
static int attach_fail(struct banger_attach *attach, const struct banger_error *error)
{
    attach->over = true;
    attach->failure = *error;
    return -1;
}

/* A server that restarts, or has not yet noticed that our earlier connection is gone. */
static bool attach_may_return(const struct banger_attach *attach, const struct banger_error *error)
{
    if (error->code == BANGER_UNAVAILABLE)
        return true;
    return attach->n_opened > 0 &&
           (strcmp(error->reason, "WRITER_TAKEN") == 0 || strcmp(error->reason, "VM_PAUSED") == 0);
}

/* The stream is gone. 1 with a BROKEN frame, 0 when it will be tried again, -1 when not. */
static int attach_lose(struct banger_attach *attach, struct banger_frame *frame,
                       struct banger_error *error)
{
    int64_t now = clock_mono_ms();
    bool was_open = attach->opened_at_ms != 0;
    if (was_open && now - attach->opened_at_ms >= ATTACH_STEADY_MS)
        retry_reset(&attach->retry);
    banger_stream_close(attach->stream);
    attach->stream = NULL;
    attach->opened_at_ms = 0;
    int64_t patience = attach->reattach_ms;
    if (attach->n_opened == 0 && patience > 0)
        patience = attach->client->ever_connected ? attach->client->retry_ms
                                                  : attach->client->wait_for_ready_ms;
    int64_t delay = attach_may_return(attach, error) ? retry_delay(&attach->retry, patience) : -1;
    if (delay < 0)
        return attach_fail(attach, error);
    attach->due_ms = now + delay;
    if (!was_open)
        return 0;
    snprintf(attach->reason, sizeof(attach->reason), "%s", error->message);
    frame->kind = BANGER_FRAME_BROKEN;
    frame->reason = attach->reason;
    return 1;
}

/* Output came: a later loss is a new one. */
static void attach_note_progress(struct banger_attach *attach, const struct banger_frame *frame)
{
    if (frame->kind == BANGER_FRAME_DATA || frame->kind == BANGER_FRAME_STDIN_ACK)
        retry_reset(&attach->retry);
}

static int attach_detached(struct banger_attach *attach, struct banger_frame *frame)
{
    attach->over = true;
    frame->kind = BANGER_FRAME_DETACHED;
    return 1;
}

/* What can be said without waiting: 1 a frame, 0 nothing (*again: look once more), -1. */
static int attach_step(struct banger_attach *attach, struct banger_frame *frame, bool *again,
                       struct banger_error *error)
{
    *again = false;
    if (!attach->stream) {
        if (attach->detaching)
            return attach_detached(attach, frame);
        if (clock_mono_ms() < attach->due_ms)
            return 0;
        return attach_connect(attach, error) < 0 ? attach_lose(attach, frame, error) : 0;
    }
    ProtobufCMessage *message;
    switch (banger_stream_next(attach->stream, 0, &message, error)) {
    case BANGER_NEXT_NOTHING:
        return 0;
    case BANGER_NEXT_END:
        if (attach->detaching)
            return attach_detached(attach, frame);
        error_set(error, BANGER_UNAVAILABLE, "the server ended the attach before the session");
        return attach_lose(attach, frame, error);
    case BANGER_NEXT_ERROR:
        if (attach->detaching)
            return attach_detached(attach, frame);
        return attach_lose(attach, frame, error);
    case BANGER_NEXT_MESSAGE:
        break;
    }
    attach->current = message;
    const Banger__V1__AttachResponse *response =
        attach->console ? ((const Banger__V1__ConsoleChunk *)message)->frame
                        : (const Banger__V1__AttachResponse *)message;
    int result = response ? attach_take_message(attach, response, frame, error) : 0;
    if (result < 0)
        return attach_fail(attach, error);
    attach_note_progress(attach, frame);
    *again = result == 0;
    return result;
}

int banger_attach_next(struct banger_attach *attach, int64_t timeout_ms, struct banger_frame *frame,
                       struct banger_error *error)
{
    struct banger_error own;
    if (!error)
        error = &own;
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    for (;;) {
        banger_message_free(attach->current);
        attach->current = NULL;
        memset(frame, 0, sizeof(*frame));
        if (attach->over) {
            if (!attach->failure.code)
                error_set(&attach->failure, BANGER_FAILED_PRECONDITION, "the attach is over");
            *error = attach->failure;
            return -1;
        }
        bool again;
        attach_tell_taken(attach, false); /* the caller has done with it */
        int result = attach_step(attach, frame, &again, error);
        if (result == 0 && !again)
            attach_tell_taken(attach, true);
        attach_stdin_pump(attach);
        client_arm(attach->client);
        if (result != 0)
            return result;
        if (again)
            continue;
        int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_mono_ms();
        if (timeout_ms == 0 || (deadline != INT64_MAX && left <= 0))
            return 0;
        if (client_wait(attach->client, left, error) < 0)
            return -1;
    }
}

void banger_attach_detach(struct banger_attach *attach)
{
    attach->detaching = true;
    if (!attach->stream)
        return;
    Banger__V1__AttachDetach detach = BANGER__V1__ATTACH_DETACH__INIT;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_DETACH;
    request.detach = &detach;
    if (!attach->stream->begun || attach_send(attach, &request, NULL) < 0) {
        banger_stream_close(attach->stream);
        attach->stream = NULL;
    }
}

int banger_exit_status(const Banger__V1__SessionExit *exit)
{
    switch (exit ? exit->kind_case : BANGER__V1__SESSION_EXIT__KIND__NOT_SET) {
    case BANGER__V1__SESSION_EXIT__KIND_CODE:
        return exit->code & 0xff || exit->code == 0 ? exit->code & 0xff : 125;
    case BANGER__V1__SESSION_EXIT__KIND_SIGNAL:
        return 128 + (exit->signal & 0x7f);
    case BANGER__V1__SESSION_EXIT__KIND_OOM:
        return 137;
    default:
        return 125;
    }
}
