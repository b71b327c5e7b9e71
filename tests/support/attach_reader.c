/* Reading an attach by the rules; see attach_reader.h. */
#include "tests/support/attach_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/told.h"

void reader_open(struct attach_reader *r, struct banger_client *client, const char *session,
                 const struct told_attach *options)
{
    memset(r, 0, sizeof(*r));
    for (int i = 1; i < 3; i++)
        buf_init(&r->out[i], READER_KEEP_BYTES);
    r->attach = told_attach_open(client, session, options, &r->error);
    if (!r->attach)
        r->over = true;
}

void reader_close(struct attach_reader *r)
{
    banger_attach_close(r->attach);
    r->attach = NULL;
    for (int i = 1; i < 3; i++)
        buf_done(&r->out[i]);
}

static void violate(struct attach_reader *r, const char *what, int stream, uint64_t got,
                    uint64_t want)
{
    if (!r->violation[0])
        snprintf(r->violation, sizeof(r->violation), "%s, stream %d: %" PRIu64 ", want %" PRIu64,
                 what, stream, got, want);
}

static void check_bytes(struct attach_reader *r, const struct banger_frame *f)
{
    uint8_t want[4096];
    uint64_t seed = r->seed + (f->stream == 2);
    for (size_t at = 0; at < f->len; at += sizeof(want)) {
        size_t n = f->len - at < sizeof(want) ? f->len - at : sizeof(want);
        emit_fill(seed, f->offset + at, want, n);
        if (memcmp(want, f->data + at, n) != 0)
            violate(r, "other bytes than were written", f->stream, f->offset + at, 0);
    }
}

static void take_data(struct attach_reader *r, const struct banger_frame *f)
{
    int s = f->stream;
    if (r->ended[s])
        violate(r, "data after the stream's end", s, f->offset, r->total[s]);
    if (r->known[s] && f->offset != r->next[s])
        violate(r, "data at the wrong offset", s, f->offset, r->next[s]);
    r->known[s] = true;
    r->next[s] = f->offset + f->len;
    r->data_bytes += f->len;
    if (r->check)
        check_bytes(r, f);
    if (r->keep && buf_append(&r->out[s], f->data, f->len) < 0)
        violate(r, "more output than is kept", s, f->len, READER_KEEP_BYTES);
}

static void take_gap(struct attach_reader *r, const struct banger_frame *f)
{
    if (r->known[f->stream] && f->offset != r->next[f->stream])
        violate(r, "gap at the wrong offset", f->stream, f->offset, r->next[f->stream]);
    if (f->end <= f->offset)
        violate(r, "empty gap", f->stream, f->offset, f->end);
    r->known[f->stream] = true;
    r->next[f->stream] = f->end;
    r->gap_bytes += f->end - f->offset;
    r->gaps++;
    snprintf(r->gap_reason, sizeof(r->gap_reason), "%s", f->reason);
}

static void take_end(struct attach_reader *r, const struct banger_frame *f)
{
    if (r->ended[f->stream])
        violate(r, "a second StreamEnd", f->stream, f->offset, r->total[f->stream]);
    if (r->known[f->stream] && f->offset != r->next[f->stream])
        violate(r, "StreamEnd before the last byte", f->stream, r->next[f->stream], f->offset);
    r->ended[f->stream] = true;
    r->total[f->stream] = f->offset;
}

static void take_frame(struct attach_reader *r, const struct banger_frame *f)
{
    switch (f->kind) {
    case BANGER_FRAME_OPENED:
        r->opened++;
        break;
    case BANGER_FRAME_DATA:
        take_data(r, f);
        break;
    case BANGER_FRAME_GAP:
        take_gap(r, f);
        break;
    case BANGER_FRAME_STDIN_ACK:
        if (f->offset < r->stdin_acked)
            violate(r, "the acknowledged offset went back", 0, f->offset, r->stdin_acked);
        r->stdin_acked = f->offset;
        r->stdin_closed = f->closed;
        break;
    case BANGER_FRAME_WRITER:
        r->writer = f->writer;
        r->writer_told = true;
        break;
    case BANGER_FRAME_STREAM_END:
        take_end(r, f);
        break;
    case BANGER_FRAME_EXIT:
        r->exits++;
        if (!r->ended[1] || !r->ended[2])
            violate(r, "Exit before both StreamEnds", 0, r->ended[1], r->ended[2]);
        r->status = banger_exit_status(f->exit);
        if (f->exit->kind_case == BANGER__V1__SESSION_EXIT__KIND_SIGNAL)
            r->signal = f->exit->signal;
        r->over = true;
        break;
    case BANGER_FRAME_LOST:
        snprintf(r->reason, sizeof(r->reason), "%s", f->reason);
        r->over = r->lost = true;
        break;
    case BANGER_FRAME_DETACHED:
        r->over = r->detached = true;
        break;
    case BANGER_FRAME_BROKEN:
        r->broken++;
        break;
    }
}

int reader_step(struct attach_reader *r, int64_t timeout_ms)
{
    struct banger_frame frame;
    if (!r->attach)
        return -1;
    int got = banger_attach_next(r->attach, timeout_ms, &frame, &r->error);
    if (got > 0 && r->over)
        violate(r, "a frame after the last", frame.stream, (uint64_t)frame.kind, 0);
    if (got > 0)
        take_frame(r, &frame);
    return got;
}

bool reader_complain(const struct attach_reader *r, const char *what)
{
    fprintf(stderr, "%s: %s; %s %s; out %" PRIu64 "%s err %" PRIu64 "%s, opened %u broken %u\n",
            what, r->violation[0] ? r->violation : "no rule is broken",
            r->error.code ? banger_code_name(r->error.code) : "",
            r->error.code ? r->error.message : "", r->next[1], r->ended[1] ? " ended" : "",
            r->next[2], r->ended[2] ? " ended" : "", r->opened, r->broken);
    return false;
}

static int64_t left_until(int64_t end)
{
    int64_t left = end - clock_mono_ms();
    return left > 0 ? left : 0;
}

bool reader_finish(struct attach_reader *r, int64_t timeout_ms)
{
    int64_t end = clock_mono_ms() + timeout_ms;
    while (!r->over) {
        int got = reader_step(r, left_until(end));
        if (got < 0)
            return reader_complain(r, "the attach failed");
        if (got == 0 && left_until(end) == 0)
            return reader_complain(r, "the attach did not end in time");
    }
    return r->violation[0] ? reader_complain(r, "the attach broke a rule") : true;
}

bool reader_await_bytes(struct attach_reader *r, uint64_t n, int64_t timeout_ms)
{
    int64_t end = clock_mono_ms() + timeout_ms;
    while (!r->over && r->next[1] < n) {
        int got = reader_step(r, left_until(end));
        if (got < 0)
            return reader_complain(r, "the attach failed");
        if (got == 0 && left_until(end) == 0)
            return reader_complain(r, "output did not come in time");
    }
    return r->next[1] >= n ? true : reader_complain(r, "the session ended early");
}

bool reader_write(struct attach_reader *r, const void *data, size_t len, bool eof,
                  int64_t timeout_ms)
{
    const char *at = data;
    int64_t end = clock_mono_ms() + timeout_ms;
    while (len > 0) {
        ssize_t n = banger_attach_write(r->attach, at, len, &r->error);
        if (n < 0)
            return reader_complain(r, "stdin is refused");
        at += n;
        len -= (size_t)n;
        if (n > 0)
            continue;
        int got = reader_step(r, left_until(end));
        if (got < 0 || r->over || (got == 0 && left_until(end) == 0))
            return reader_complain(r, "stdin was not taken in time");
    }
    if (eof)
        banger_attach_write_eof(r->attach);
    return true;
}
