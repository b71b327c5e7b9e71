/* Output of the link: preamble, queue, frames; see agent_link.h.
 *
 * Requests and stdin share one queue with a hard bound. Stdin is refused long before requests are,
 * so that a session whose process does not read never keeps another from being started or killed.
 * Stdin that meets an empty queue goes from the caller's memory to the channel in one call.
 */
#include "daemon/guest/agent_link_out.h"

#include <string.h>
#include <sys/uio.h>

#include "daemon/model/model.h"

static const uint8_t zeros[16 * 1024];

enum { PREAMBLE_PIECES = FRAME_PREAMBLE_BYTES / sizeof(zeros) + 1 };

static bool has_output(const struct agent_link *l)
{
    return l->preamble_left > 0 || buf_len(&l->out) > 0;
}

bool agent_link_is_drained(const struct agent_link *l)
{
    return l->refused && buf_len(&l->out) < AGENT_LINK_DRAINED_BYTES;
}

static void write_once(struct agent_link *l)
{
    struct iovec iov[PREAMBLE_PIECES + 1];
    size_t n = 0;
    for (size_t left = l->preamble_left; left > 0;) {
        size_t piece = left < sizeof(zeros) ? left : sizeof(zeros);
        iov[n++] = (struct iovec){(void *)(uintptr_t)zeros, piece};
        left -= piece;
    }
    if (buf_len(&l->out) > 0)
        iov[n++] = (struct iovec){(void *)(uintptr_t)buf_data(&l->out), buf_len(&l->out)};
    size_t done = channel_send(l->channel, iov, n);
    size_t of_preamble = done < l->preamble_left ? done : l->preamble_left;
    l->preamble_left -= of_preamble;
    buf_consume(&l->out, done - of_preamble);
}

void agent_link_flush(struct agent_link *l)
{
    if (!channel_is_alive(l->channel))
        return;
    if (has_output(l))
        write_once(l);
    bool alive = channel_is_alive(l->channel);
    channel_want(l->channel, WATCH_READ | (alive && has_output(l) ? WATCH_WRITE : 0));
    if (alive && agent_link_is_drained(l))
        timer_start(&l->retry, 0);
}

static int refuse(struct agent_link *l, struct err *err)
{
    l->refused = true;
    return err_set(err, ERR_UNAVAILABLE, "the agent does not take its requests fast enough");
}

static uint8_t *reserve_frame(struct agent_link *l, size_t payload_max)
{
    return buf_reserve(&l->out, FRAME_HEADER_BYTES + payload_max + FRAME_TRAILER_BYTES);
}

/* The payload of len is in the room behind where the header goes. */
static void finish_frame(struct agent_link *l, uint8_t *room, size_t len)
{
    frame_put_header(room, (uint32_t)len, l->next_out);
    frame_put_trailer(room + FRAME_HEADER_BYTES + len, l->next_out);
    l->next_out++;
    buf_commit(&l->out, FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
    if (l->busy == 0)
        agent_link_flush(l);
}

int agent_link_queue(struct agent_link *l, const PB(ToAgent) * message, struct err *err)
{
    uint8_t *room = reserve_frame(l, AGENT_CODEC_MESSAGE_BYTES);
    if (!room)
        return refuse(l, err);
    size_t n = agent_codec_write(message, room + FRAME_HEADER_BYTES, AGENT_CODEC_MESSAGE_BYTES);
    if (n == 0)
        return err_set(err, ERR_INTERNAL, "a request to the agent does not fit");
    finish_frame(l, room, n);
    return 0;
}

static int check_up(const struct agent_link *l, struct err *err)
{
    if (l->state == AGENT_LINK_UP && channel_is_alive(l->channel))
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "the guest's agent is not connected");
}

int agent_link_send(struct agent_link *l, const PB(ToAgent) * message, struct err *err)
{
    return check_up(l, err) < 0 ? -1 : agent_link_queue(l, message, err);
}

int agent_link_send_start(struct agent_link *l, const char *id, const struct session_spec *spec,
                          bool tool, int64_t within_ms, struct err *err)
{
    int64_t not_after_ns = within_ms > 0 ? agent_link_clock_in(l, within_ms) : 0;
    if (check_up(l, err) < 0)
        return -1;
    size_t max = AGENT_CODEC_MESSAGE_BYTES + spec->argv.len + spec->env.len +
                 spec->required_commands.len + spec->rlimits.len;
    if (max > FRAME_MAX_PAYLOAD_BYTES)
        return err_set(err, ERR_INVALID, "arguments and environment of %zu bytes are too large",
                       max - AGENT_CODEC_MESSAGE_BYTES);
    uint8_t *room = reserve_frame(l, max);
    if (!room)
        return refuse(l, err);
    size_t n =
        agent_codec_write_start(id, spec, tool, not_after_ns, room + FRAME_HEADER_BYTES, max);
    if (n == 0)
        return err_set(err, ERR_INTERNAL, "a session start does not fit");
    finish_frame(l, room, n);
    return 0;
}

int agent_link_send_new_agent(struct agent_link *l, uint32_t size, uint32_t offset,
                              const void *data, size_t len, struct err *err)
{
    if (check_up(l, err) < 0)
        return -1;
    if (buf_len(&l->out) >= AGENT_LINK_STDIN_BYTES)
        return refuse(l, err);
    size_t max = AGENT_CODEC_MESSAGE_BYTES + len;
    uint8_t *room = max > FRAME_MAX_PAYLOAD_BYTES ? NULL : reserve_frame(l, max);
    if (!room)
        return refuse(l, err);
    size_t n = agent_codec_write_new_agent(size, offset, data, len, room + FRAME_HEADER_BYTES, max);
    if (n == 0)
        return err_set(err, ERR_INTERNAL, "a part of an agent does not fit into a frame");
    finish_frame(l, room, n);
    return 0;
}

/* What the channel did not take is queued. Sequence numbers go up only when that is sure to work.
 */
static int send_stdin_now(struct agent_link *l, const uint8_t *front, size_t n_front,
                          const uint8_t *data, size_t len, const uint8_t *trailer)
{
    struct iovec iov[3] = {{(void *)(uintptr_t)front, n_front},
                           {(void *)(uintptr_t)data, len},
                           {(void *)(uintptr_t)trailer, FRAME_TRAILER_BYTES}};
    size_t done = 0;
    if (l->busy == 0 && !has_output(l)) {
        if (!buf_reserve(&l->out, n_front + len + FRAME_TRAILER_BYTES))
            return -1;
        done = channel_send(l->channel, iov, 3);
    } else if (!buf_reserve(&l->out, n_front + len + FRAME_TRAILER_BYTES)) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
        done -= skip;
        buf_append(&l->out, (uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);
    }
    return 0;
}

int agent_link_send_stdin(struct agent_link *l, const char *session_id, uint64_t offset,
                          uint64_t key, bool more, const void *data, size_t len, struct err *err)
{
    if (check_up(l, err) < 0)
        return -1;
    if (buf_len(&l->out) >= AGENT_LINK_STDIN_BYTES)
        return refuse(l, err);
    uint8_t front[FRAME_HEADER_BYTES + AGENT_CODEC_STDIN_HEAD_BYTES], trailer[FRAME_TRAILER_BYTES];
    size_t head = agent_codec_write_stdin_head(session_id, offset, key, more, len,
                                               front + FRAME_HEADER_BYTES);
    if (head == 0 || head + len > FRAME_MAX_PAYLOAD_BYTES)
        return err_set(err, ERR_INTERNAL, "stdin of %zu bytes does not fit into a frame", len);
    frame_put_header(front, (uint32_t)(head + len), l->next_out);
    frame_put_trailer(trailer, l->next_out);
    if (send_stdin_now(l, front, FRAME_HEADER_BYTES + head, data, len, trailer) < 0)
        return refuse(l, err);
    l->next_out++;
    if (l->busy == 0)
        agent_link_flush(l);
    return 0;
}
