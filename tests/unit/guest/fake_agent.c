/* See fake_agent.h. */
#include "tests/unit/guest/fake_agent.h"

#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/fs.h"

static const uint8_t zeros[FRAME_PREAMBLE_BYTES];

void fake_agent_hang_up(struct fake_agent *f)
{
    if (f->fd < 0)
        return;
    watch_done(&f->watch);
    close(f->fd);
    f->fd = -1;
    buf_reset(&f->in);
}

/* Blocking in effect: the daemon's end is on the same loop, so the socket's buffer must do. What
 * does not fit is the end of the link. */
void fake_agent_send_raw(struct fake_agent *f, const void *data, size_t len)
{
    if (f->fd < 0)
        return;
    ssize_t n = send(f->fd, data, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len)
        fake_agent_hang_up(f);
}

void fake_agent_send_payload(struct fake_agent *f, const void *payload, size_t len)
{
    static uint8_t frame[FRAME_MAX_BYTES];
    frame_put_header(frame, (uint32_t)len, f->next_out);
    memcpy(frame + FRAME_HEADER_BYTES, payload, len);
    frame_put_trailer(frame + FRAME_HEADER_BYTES + len, f->next_out);
    f->next_out++;
    fake_agent_send_raw(f, frame, FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
}

void fake_agent_send(struct fake_agent *f, const PB(FromAgent) * m)
{
    static uint8_t payload[FRAME_MAX_PAYLOAD_BYTES];
    pb_ostream_t out = pb_ostream_from_buffer(payload, sizeof(payload));
    if (!pb_encode(&out, PB(FromAgent_fields), m)) {
        fprintf(stderr, "fake agent: %s\n", PB_GET_ERROR(&out));
        exit(EXIT_FAILURE);
    }
    fake_agent_send_payload(f, payload, out.bytes_written);
}

void fake_agent_subscribed(struct fake_agent *f, uint64_t stdout_offset, uint64_t stderr_offset)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, subscribed);
    m.kind.subscribed.subscription = f->subscription;
    m.kind.subscribed.stdout_offset = stdout_offset;
    m.kind.subscribed.stderr_offset = stderr_offset;
    fake_agent_send(f, &m);
}

static bool write_data(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const size_t *len = *arg;
    return pb_encode_tag_for_field(stream, field) && pb_encode_string(stream, zeros, *len);
}

void fake_agent_data(struct fake_agent *f, uint32_t subscription, int stream, uint64_t offset,
                     size_t len)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, data);
    m.kind.data.subscription = subscription;
    m.kind.data.stream = (PB(Stream))stream;
    m.kind.data.offset = offset;
    m.kind.data.data.funcs.encode = write_data;
    m.kind.data.data.arg = &len;
    fake_agent_send(f, &m);
}

static void take_hello(struct fake_agent *f, const PB(Hello) * hello)
{
    f->hellos++;
    if (f->mute)
        return;
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, hello_reply);
    PB(HelloReply) *reply = &m.kind.hello_reply;
    reply->nonce = hello->nonce;
    reply->protocol = 1;
    strcpy(reply->boot_id, "boot");
    strcpy(reply->instance, "instance");
    reply->stdin_window_bytes = 65536;
    reply->max_sessions = 8;
    f->next_out = 0;
    fake_agent_send_raw(f, zeros, sizeof(zeros));
    if (f->on_hello && !f->on_hello(f, reply))
        return;
    fake_agent_send(f, &m);
    if (f->on_up)
        f->on_up(f);
}

static void take_request(struct fake_agent *f, const PB(ToAgent) * m)
{
    f->requests[m->which_kind]++;
    if (m->which_kind == PB_TAG(ToAgent, hello)) {
        take_hello(f, &m->kind.hello);
    } else if (m->which_kind == PB_TAG(ToAgent, ping) && !f->no_pong) {
        PB(FromAgent) pong = PB(FromAgent_init_zero);
        pong.which_kind = PB_TAG(FromAgent, pong);
        pong.kind.pong.token = m->kind.ping.token;
        fake_agent_send(f, &pong);
    } else if (m->which_kind == PB_TAG(ToAgent, subscribe)) {
        f->subscription = m->kind.subscribe.subscription;
        f->credit = m->kind.subscribe.credit_bytes;
        if (f->on_subscribe)
            f->on_subscribe(f);
    }
}

static void on_ready(void *arg, int events)
{
    (void)events;
    struct fake_agent *f = arg;
    uint8_t *room = buf_reserve(&f->in, 65536);
    ssize_t n = room ? read(f->fd, room, 65536) : 0;
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            fake_agent_hang_up(f);
        return;
    }
    buf_commit(&f->in, (size_t)n);
    struct frame frame;
    size_t used;
    enum frame_found found;
    do {
        found = frame_find(buf_data(&f->in), buf_len(&f->in), &frame, &used);
        PB(ToAgent) m = PB(ToAgent_init_zero);
        pb_istream_t in = pb_istream_from_buffer(frame.payload, frame.len);
        if (found == FRAME_WHOLE && pb_decode(&in, PB(ToAgent_fields), &m))
            take_request(f, &m);
        if (f->fd < 0)
            return;
        buf_consume(&f->in, used);
    } while (found != FRAME_MORE && buf_len(&f->in) > 0);
}

static void on_accept(void *arg, int events)
{
    (void)events;
    struct fake_agent *f = arg;
    int fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    fake_agent_hang_up(f);
    int size = 4 * 1024 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    f->fd = fd;
    watch_init(&f->watch, f->loop, fd, on_ready, f);
    watch_want(&f->watch, WATCH_READ);
}

void fake_agent_open(struct fake_agent *f, struct loop *loop)
{
    f->loop = loop;
    f->fd = -1;
    buf_init(&f->in, 4 * 1024 * 1024);
    strcpy(f->dir, "/tmp/banger-test-XXXXXX");
    if (!mkdtemp(f->dir))
        exit(EXIT_FAILURE);
    snprintf(f->path, sizeof(f->path), "%s/agent.sock", f->dir);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, f->path, strlen(f->path) + 1);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->listen_fd < 0 || bind(f->listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(f->listen_fd, 4) < 0 ||
        watch_init(&f->listen_watch, loop, f->listen_fd, on_accept, f) < 0)
        exit(EXIT_FAILURE);
    watch_want(&f->listen_watch, WATCH_READ);
}

void fake_agent_close(struct fake_agent *f)
{
    fake_agent_hang_up(f);
    watch_done(&f->listen_watch);
    close(f->listen_fd);
    buf_done(&f->in);
    fs_remove_tree(f->dir, NULL);
}
