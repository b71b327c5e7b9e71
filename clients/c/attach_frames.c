/* What an attach receives, held against what must come next: offsets are contiguous or announced by
 * a Gap, and Exit comes after both ends with the same totals. Anything else is an error, never a
 * quiet hole. */
#include "attach_internal.h"

#include "base/clock.h"

static const char *const stream_names[] = {"stdout", "stderr"};

static int attach_nonsense(struct banger_error *error, const char *what, int stream, uint64_t got,
                           uint64_t want)
{
    return error_set(error, BANGER_DATA_LOSS, "%s of %s is at byte %llu where %llu was due", what,
                     stream_names[stream], (unsigned long long)got, (unsigned long long)want);
}

/* Index of the stream, or -1. */
static int attach_stream_index(Banger__V1__OutputStream stream, struct banger_error *error)
{
    switch (stream) {
    case BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDOUT:
        return 0;
    case BANGER__V1__OUTPUT_STREAM__OUTPUT_STREAM_STDERR:
        return 1;
    default:
        return error_set(error, BANGER_INTERNAL, "the server sent output of stream %d", stream);
    }
}

static int attach_opened(struct banger_attach *attach, const Banger__V1__AttachOpened *opened,
                         struct banger_frame *frame, struct banger_error *error)
{
    const uint64_t offsets[] = {opened->stdout_offset, opened->stderr_offset};
    for (int i = 0; i < 2; i++) {
        struct attach_output *out = &attach->out[i];
        if (out->start == BANGER_START_SKIP)
            continue;
        if (!out->known)
            out->next = offsets[i];
        else if (offsets[i] > out->next)
            return attach_nonsense(error, "the reopened output", i, offsets[i], out->next);
        out->known = true;
    }
    if (attach_stdin_resume(attach, opened->stdin_offset, opened->stdin_foreign, error) < 0)
        return -1;
    attach->in_window =
        opened->stdin_window_bytes ? opened->stdin_window_bytes : ATTACH_WINDOW_BYTES;
    attach->opened_at_ms = clock_mono_ms();
    attach->size_sent = false;
    attach->wants_taken = opened->wants_taken;
    for (int i = 0; i < 2; i++)
        attach->taken[i] = offsets[i];
    /* Next time as a plain writer: a takeover is asked for only once. */
    if (attach->role == BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER)
        attach->role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER;
    frame->kind = BANGER_FRAME_OPENED;
    frame->session = opened->session;
    frame->offset = attach->n_opened++;
    return 1;
}

static int attach_data(struct banger_attach *attach, const Banger__V1__AttachData *data,
                       struct banger_frame *frame, struct banger_error *error)
{
    int i = attach_stream_index(data->stream, error);
    if (i < 0)
        return -1;
    struct attach_output *out = &attach->out[i];
    if (data->offset > out->next || out->ended)
        return attach_nonsense(error, "output", i, data->offset, out->next);
    uint64_t seen = out->next - data->offset;
    if (seen >= data->data.len)
        return 0;
    frame->kind = BANGER_FRAME_DATA;
    frame->stream = i + 1;
    frame->offset = out->next;
    frame->data = data->data.data + seen;
    frame->len = data->data.len - (size_t)seen;
    out->next += frame->len;
    return 1;
}

void attach_tell_taken(struct banger_attach *attach, bool idle)
{
    const uint64_t least = idle ? ATTACH_TAKEN_IDLE_BYTES : ATTACH_TAKEN_BYTES;
    bool due = false;
    for (int i = 0; i < 2; i++)
        due |= attach->out[i].next >= attach->taken[i] + least;
    if (!due || !attach->wants_taken || !attach->stream || !attach->opened_at_ms)
        return;
    Banger__V1__AttachTaken taken = BANGER__V1__ATTACH_TAKEN__INIT;
    taken.stdout_offset = attach->out[0].next;
    taken.stderr_offset = attach->out[1].next;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_TAKEN;
    request.taken = &taken;
    if (attach_send(attach, &request, NULL) < 0)
        return; /* next time */
    attach->taken[0] = taken.stdout_offset;
    attach->taken[1] = taken.stderr_offset;
}

static int attach_gap(struct banger_attach *attach, const Banger__V1__AttachGap *gap,
                      struct banger_frame *frame, struct banger_error *error)
{
    int i = attach_stream_index(gap->stream, error);
    if (i < 0)
        return -1;
    struct attach_output *out = &attach->out[i];
    if (gap->from > out->next || out->ended)
        return attach_nonsense(error, "a gap", i, gap->from, out->next);
    if (gap->to <= out->next)
        return 0;
    frame->kind = BANGER_FRAME_GAP;
    frame->stream = i + 1;
    frame->offset = out->next;
    frame->end = gap->to;
    frame->oldest = gap->oldest ? gap->oldest : gap->to; /* 0: an older daemon's */
    frame->reason = gap->reason;
    out->next = gap->to;
    return 1;
}

static int attach_stream_end(struct banger_attach *attach, const Banger__V1__AttachStreamEnd *end,
                             struct banger_frame *frame, struct banger_error *error)
{
    int i = attach_stream_index(end->stream, error);
    if (i < 0)
        return -1;
    struct attach_output *out = &attach->out[i];
    if (out->start != BANGER_START_SKIP && end->total != out->next)
        return attach_nonsense(error, "the end", i, end->total, out->next);
    out->next = end->total;
    if (out->ended)
        return 0;
    out->ended = true;
    frame->kind = BANGER_FRAME_STREAM_END;
    frame->stream = i + 1;
    frame->offset = end->total;
    frame->reason = end->cut;
    return 1;
}

static int attach_exit(struct banger_attach *attach, const Banger__V1__AttachExit *end,
                       struct banger_frame *frame, struct banger_error *error)
{
    const uint64_t totals[] = {end->stdout_total, end->stderr_total};
    for (int i = 0; i < 2; i++)
        if (!attach->out[i].ended || totals[i] != attach->out[i].next)
            return attach_nonsense(error, "the exit's total", i, totals[i], attach->out[i].next);
    if (!end->exit || end->exit->kind_case == BANGER__V1__SESSION_EXIT__KIND__NOT_SET)
        return error_set(error, BANGER_INTERNAL, "the server sent an exit without a status");
    frame->kind = BANGER_FRAME_EXIT;
    frame->exit = end->exit;
    attach->over = true;
    return 1;
}

int attach_take_message(struct banger_attach *attach, const Banger__V1__AttachResponse *message,
                        struct banger_frame *frame, struct banger_error *error)
{
    bool is_opened = message->frame_case == BANGER__V1__ATTACH_RESPONSE__FRAME_OPENED;
    if (is_opened == (attach->opened_at_ms != 0))
        return error_set(error, BANGER_INTERNAL, "the server %s the attach",
                         is_opened ? "opened twice" : "never opened");
    switch (message->frame_case) {
    case BANGER__V1__ATTACH_RESPONSE__FRAME_OPENED:
        return attach_opened(attach, message->opened, frame, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_DATA:
        return attach_data(attach, message->data, frame, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_GAP:
        return attach_gap(attach, message->gap, frame, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_STREAM_END:
        return attach_stream_end(attach, message->stream_end, frame, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_EXIT:
        return attach_exit(attach, message->exit, frame, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_STDIN_ACK:
        attach_stdin_acked(attach, message->stdin_ack->offset, message->stdin_ack->closed);
        frame->kind = BANGER_FRAME_STDIN_ACK;
        frame->offset = message->stdin_ack->offset;
        frame->closed = message->stdin_ack->closed;
        return 1;
    case BANGER__V1__ATTACH_RESPONSE__FRAME_WRITER_CHANGED:
        attach->writer = message->writer_changed->is_writer;
        attach->role = attach->writer ? BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER
                                      : BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER;
        frame->kind = BANGER_FRAME_WRITER;
        frame->writer = attach->writer;
        return 1;
    case BANGER__V1__ATTACH_RESPONSE__FRAME_STDIN_FOREIGN:
        return attach_stdin_check_foreign(attach, message->stdin_foreign->offset, error);
    case BANGER__V1__ATTACH_RESPONSE__FRAME_LOST:
        attach->over = true;
        frame->kind = BANGER_FRAME_LOST;
        frame->reason = message->lost->message[0] ? message->lost->message : message->lost->reason;
        return 1;
    default:
        return 0; /* a frame of a later version */
    }
}
