/* What an attach sends: stdin by offset, kept until acknowledged, signals, the terminal's size. */
#include "attach_internal.h"

#include <errno.h>

static int attach_stdin_is_mixed(struct banger_error *error)
{
    return error_set(error, BANGER_ABORTED, "someone else has written to the session's stdin");
}

int attach_stdin_check_foreign(const struct banger_attach *attach, uint64_t foreign,
                               struct banger_error *error)
{
    return attach->writer && foreign > attach->in_first ? attach_stdin_is_mixed(error) : 0;
}

int attach_stdin_resume(struct banger_attach *attach, uint64_t offset, uint64_t foreign,
                        struct banger_error *error)
{
    if (attach->console) { /* offsets begin anew; what was under way may have come */
        buf_reset(&attach->unacked);
        attach->in_base = attach->in_sent = offset;
        return 0;
    }
    if (attach->n_opened == 0)
        attach->in_first = attach->in_base = offset;
    size_t kept = buf_len(&attach->unacked);
    if (attach->writer && offset < attach->in_base)
        return error_set(error, BANGER_DATA_LOSS,
                         "the session has lost stdin that it had, from byte %llu on",
                         (unsigned long long)offset);
    if (attach_stdin_check_foreign(attach, foreign, error) < 0)
        return -1;
    if (attach->writer && offset - attach->in_base > kept)
        return attach_stdin_is_mixed(error);
    /* What the server has is not sent again, but kept: it may die with it, and the next ack tells
     * what is safe. */
    if (!attach->writer)
        attach->in_base = offset;
    attach->in_sent = offset;
    attach->in_eof_sent = false;
    return 0;
}

void attach_stdin_acked(struct banger_attach *attach, uint64_t offset, bool closed)
{
    uint64_t most = attach->in_base + buf_len(&attach->unacked);
    if (offset > most)
        offset = most;
    if (offset > attach->in_base) {
        buf_consume(&attach->unacked, (size_t)(offset - attach->in_base));
        attach->in_base = offset;
        if (attach->in_sent < offset)
            attach->in_sent = offset;
    }
    if (closed) {
        attach->in_closed = true;
        buf_reset(&attach->unacked);
    }
}

/* Sends one frame of stdin; false when nothing may be sent now. */
static bool attach_send_stdin(struct banger_attach *attach)
{
    size_t under_way = (size_t)(attach->in_sent - attach->in_base);
    size_t left = buf_len(&attach->unacked) - under_way;
    if (left == 0 || under_way >= attach->in_window || !banger_stream_writable(attach->stream))
        return false;
    size_t len = left < ATTACH_CHUNK_BYTES ? left : ATTACH_CHUNK_BYTES;
    if (len > attach->in_window - under_way)
        len = attach->in_window - under_way;
    Banger__V1__AttachStdin bytes = BANGER__V1__ATTACH_STDIN__INIT;
    bytes.offset = attach->in_sent;
    bytes.data.data = (uint8_t *)buf_data(&attach->unacked) + under_way;
    bytes.data.len = len;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_DATA;
    request.stdin_data = &bytes;
    if (attach_send(attach, &request, NULL) < 0)
        return false;
    attach->in_sent += len;
    return true;
}

static void attach_send_eof(struct banger_attach *attach)
{
    Banger__V1__AttachStdinEof eof = BANGER__V1__ATTACH_STDIN_EOF__INIT;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_STDIN_EOF;
    request.stdin_eof = &eof;
    attach->in_eof_sent = attach_send(attach, &request, NULL) == 0;
}

static void attach_send_signals(struct banger_attach *attach)
{
    for (int signo = 1; signo < ATTACH_SIGNALS; signo++) {
        if (!attach->signals[signo])
            continue;
        Banger__V1__AttachSignal sig = BANGER__V1__ATTACH_SIGNAL__INIT;
        sig.signo = signo;
        sig.target = (Banger__V1__SignalTarget)(attach->signals[signo] - 1);
        Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
        request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_SIGNAL;
        request.signal = &sig;
        if (attach_send(attach, &request, NULL) < 0)
            return;
        attach->signals[signo] = 0;
    }
}

static void attach_send_size(struct banger_attach *attach)
{
    Banger__V1__AttachResize size = BANGER__V1__ATTACH_RESIZE__INIT;
    size.rows = attach->rows;
    size.columns = attach->columns;
    Banger__V1__AttachRequest request = BANGER__V1__ATTACH_REQUEST__INIT;
    request.frame_case = BANGER__V1__ATTACH_REQUEST__FRAME_RESIZE;
    request.resize = &size;
    attach->size_sent = attach_send(attach, &request, NULL) == 0;
}

void attach_stdin_pump(struct banger_attach *attach)
{
    if (!attach->stream || !attach->opened_at_ms || attach->detaching || attach->over)
        return;
    attach_send_signals(attach);
    if (attach->writer && attach->rows && !attach->size_sent && !attach->console)
        attach_send_size(attach);
    if (!attach->writer || attach->in_closed)
        return;
    while (attach_send_stdin(attach))
        ;
    bool all_sent = attach->in_sent == attach->in_base + buf_len(&attach->unacked);
    if (attach->in_eof && all_sent && !attach->in_eof_sent && !attach->console)
        attach_send_eof(attach);
}

ssize_t banger_attach_write(struct banger_attach *attach, const void *data, size_t len,
                            struct banger_error *error)
{
    if (attach->over || attach->in_closed || attach->in_eof)
        return error_set(error, BANGER_FAILED_PRECONDITION, "the session's stdin is closed");
    if (!attach->writer)
        return error_set(
            error, BANGER_FAILED_PRECONDITION,
            "this attach does not write: another one has taken over, or it only views");
    size_t room = banger_attach_room(attach);
    if (len > room)
        len = room;
    if (len > 0 && buf_append(&attach->unacked, data, len) < 0)
        return error_no_memory(error);
    attach_stdin_pump(attach);
    return (ssize_t)len;
}

size_t banger_attach_room(const struct banger_attach *attach)
{
    bool open = attach->writer && !attach->over && !attach->in_closed && !attach->in_eof;
    return open ? buf_room(&attach->unacked) : 0;
}

void banger_attach_write_eof(struct banger_attach *attach)
{
    attach->in_eof = true;
    attach_stdin_pump(attach);
}

int banger_attach_resize(struct banger_attach *attach, uint32_t rows, uint32_t columns,
                         struct banger_error *error)
{
    if (rows < 1 || rows > UINT16_MAX || columns < 1 || columns > UINT16_MAX)
        return error_set(error, BANGER_INVALID_ARGUMENT, "a terminal of %u x %u", (unsigned)rows,
                         (unsigned)columns);
    if (attach->over)
        return error_set(error, BANGER_FAILED_PRECONDITION, "the attach is over");
    attach->rows = rows;
    attach->columns = columns;
    attach->size_sent = false;
    attach_stdin_pump(attach);
    return 0;
}

int banger_attach_signal(struct banger_attach *attach, int signo, Banger__V1__SignalTarget target,
                         struct banger_error *error)
{
    if (signo < 1 || signo >= ATTACH_SIGNALS)
        return error_set(error, BANGER_INVALID_ARGUMENT, "%d is no signal", signo);
    if (attach->over)
        return error_set(error, BANGER_FAILED_PRECONDITION, "the attach is over");
    if (attach->console)
        return error_set(error, BANGER_INVALID_ARGUMENT, "a console takes no signals");
    attach->signals[signo] = (uint8_t)(1 + (unsigned)target);
    attach_stdin_pump(attach);
    return 0;
}
