/* A program in the place of the sim driver's agent. It becomes the real one, unless the VM's folder
 * has a file "lies" with the name of a lie: then it is an agent that answers politely until it is
 * to start a session, and from then on tells that lie on every link, as fast as it is listened to.
 * Each time that it begins one is a line in the file "told".
 *
 *   hostile-agent --listen SOCKET --spool FOLDER --no-system */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "banger/agent/v1/agent.pb-c.h"
#include "base/buf.h"
#include "base/frame.h"

#define PB(message)   Banger__Agent__V1__##message
#define TO_KIND(kind) BANGER__AGENT__V1__TO_AGENT__KIND_##kind
#define STATE(name)   BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_##name
#define NASTY         "\033[2J\r\n2026-01-01 INFO daemon: all is well\n\xff\xfe"

/* Sends a message of one kind: SEND(link, SYNCED, synced, Synced, SYNCED__INIT, .sessions = 1). */
#define SEND(l, KIND, member, Type, INIT, ...)                                                     \
    send_message(                                                                                  \
        l, &(PB(FromAgent)){                                                                       \
               .base = PROTOBUF_C_MESSAGE_INIT(&banger__agent__v1__from_agent__descriptor),        \
               .kind_case = BANGER__AGENT__V1__FROM_AGENT__KIND_##KIND,                            \
               .member =                                                                           \
                   with_base(&(PB(Type)){__VA_ARGS__}, &banger__agent__v1__##INIT##__descriptor)})

enum { MANY = 20000, IN_BYTES = 1024 * 1024 };

struct link {
    int fd;
    struct buf in;
    uint32_t next_out;
    uint64_t nonce;
};

struct lie {
    const char *name;
    bool early; /* instead of an answer to the hello */
    void (*tell)(struct link *l);
};

static const struct lie *lie;
static bool begun; /* to lie */
static char session[64] = "nobody", told_path[256];
static uint32_t subscription = 1;
static unsigned times;

/* A pointer to what was made on the caller's stack, as a message. */
static void *with_base(void *message, const ProtobufCMessageDescriptor *descriptor)
{
    *(ProtobufCMessage *)message = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(descriptor);
    return message;
}

/* --- bytes and frames ------------------------------------------------------------------------- */

static bool send_bytes(struct link *l, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t n = send(l->fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static size_t pack_frame(struct link *l, const PB(FromAgent) * m, uint8_t out[FRAME_MAX_BYTES])
{
    size_t len = protobuf_c_message_pack(&m->base, out + FRAME_HEADER_BYTES);
    frame_put_header(out, (uint32_t)len, l->next_out);
    frame_put_trailer(out + FRAME_HEADER_BYTES + len, l->next_out++);
    return FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES;
}

static bool send_message(struct link *l, const PB(FromAgent) * m)
{
    static uint8_t frame[FRAME_MAX_BYTES];
    return send_bytes(l, frame, pack_frame(l, m, frame));
}

static char *random_id(void)
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    static char id[17];
    for (int i = 0; i < 16; i++)
        id[i] = letters[rand() % 32];
    return id;
}

/* --- lies instead of a hello ------------------------------------------------------------------ */

static void garbage(struct link *l)
{
    uint8_t block[4096];
    for (int i = 0; i < 1024; i++)
        if (getrandom(block, sizeof(block), 0) < 0 || !send_bytes(l, block, sizeof(block)))
            return;
}

static void absurd_length(struct link *l)
{
    static const uint8_t zeros[4096];
    uint8_t header[FRAME_HEADER_BYTES];
    bool ok = true;
    for (int i = 0; ok && i < 1024; i++) {
        frame_put_header(header, UINT32_MAX - (uint32_t)i, (uint32_t)i);
        ok = send_bytes(l, header, sizeof(header)) && send_bytes(l, zeros, sizeof(zeros));
    }
}

static void only_zeros(struct link *l)
{
    static const uint8_t zeros[65536];
    while (send_bytes(l, zeros, sizeof(zeros)))
        continue;
}

static bool send_hello(struct link *l, uint64_t nonce)
{
    return SEND(l, HELLO_REPLY, hello_reply, HelloReply, hello_reply, .nonce = nonce, .protocol = 1,
                .boot_id = (char *)"c0ffee", .instance = (char *)"one", .version = (char *)"1",
                .stdin_window_bytes = 65536, .max_sessions = 10, .boot_error = (char *)"",
                .tools = true);
}

static void wrong_hellos(struct link *l)
{
    for (uint64_t i = 1; i <= MANY; i++) {
        l->next_out = 0;
        if (!send_hello(l, l->nonce + i))
            return;
    }
}

/* A right one, so slowly that it never ends. */
static void drips(struct link *l)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_put_header(header, FRAME_MAX_PAYLOAD_BYTES, 0);
    bool ok = send_bytes(l, header, sizeof(header));
    for (struct pollfd none; ok; poll(&none, 0, 50))
        ok = send_bytes(l, "x", 1);
}

/* Closes after so many bytes of a hello, one more each time. */
static void closes(struct link *l)
{
    PB(HelloReply) hello = BANGER__AGENT__V1__HELLO_REPLY__INIT;
    PB(FromAgent) m = BANGER__AGENT__V1__FROM_AGENT__INIT;
    static uint8_t frame[FRAME_MAX_BYTES];
    hello.nonce = l->nonce;
    hello.protocol = 1;
    m.kind_case = BANGER__AGENT__V1__FROM_AGENT__KIND_HELLO_REPLY;
    m.hello_reply = &hello;
    size_t len = pack_frame(l, &m, frame);
    send_bytes(l, frame, times * 5 % (len + 1));
}

static void silent(struct link *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLRDHUP};
    poll(&p, 1, -1);
}

/* --- lies of an agent that is known ----------------------------------------------------------- */

static void hellos(struct link *l)
{
    for (int i = 0; i < MANY && send_hello(l, l->nonce); i++)
        continue;
}

static bool send_status(struct link *l, const char *id, int state, int code, char *error)
{
    return SEND(l, SESSION_STATUS, session_status, SessionStatus, session_status,
                .session_id = (char *)(uintptr_t)id, .state = (PB(SessionState))state,
                .exit_code = code, .error = error, .failed_stage = error, .pid = UINT32_MAX,
                .stdout_total = (uint64_t)rand() << 33, .stdin_acked = UINT64_MAX,
                .started_ns = UINT64_MAX, .ended_ns = 1, .left = UINT32_MAX);
}

static void sessions_without_end(struct link *l)
{
    for (int i = 0; i < MANY && send_status(l, random_id(), STATE(RUNNING), 0, (char *)""); i++)
        continue;
    SEND(l, SYNCED, synced, Synced, synced, .sessions = 1);
}

static void exits_again(struct link *l)
{
    static const int states[] = {STATE(EXITED), STATE(RUNNING), STATE(EXITED),
                                 STATE(FAILED), STATE(UNKNOWN), 77};
    for (int i = 0; i < MANY && send_status(l, session, states[i % 6], i, (char *)NASTY); i++)
        continue;
}

static bool send_data(struct link *l, uint32_t to, int stream, uint64_t offset)
{
    static uint8_t text[1000];
    return SEND(l, DATA, data, Data, data, .subscription = to, .stream = (PB(Stream))stream,
                .offset = offset, .data = {sizeof(text), text});
}

static void output_of_nobody(struct link *l)
{
    bool ok = true;
    for (int i = 0; ok && i < MANY / 10; i++) {
        ok = send_data(l, subscription, 1, (uint64_t)(MANY - i)) &&
             send_data(l, subscription + 1 + (uint32_t)i, 2, 0) &&
             send_data(l, subscription, 9, UINT64_MAX) &&
             SEND(l, GAP, gap, Gap, gap, .subscription = subscription, .stream = 1,
                  .from = UINT64_MAX, .to = 1, .reason = (char *)NASTY) &&
             SEND(l, STREAM_END, stream_end, StreamEnd, stream_end, .subscription = subscription,
                  .stream = 1, .total = (uint64_t)i, .cut = (char *)NASTY) &&
             SEND(l, SUBSCRIPTION_END, subscription_end, SubscriptionEnd, subscription_end,
                  .subscription = subscription) &&
             SEND(l, SUBSCRIBED, subscribed, Subscribed, subscribed, .subscription = subscription,
                  .stdout_offset = UINT64_MAX, .error = (char *)NASTY);
    }
}

static void deletions(struct link *l)
{
    for (int i = 0; i < MANY; i++)
        if (!SEND(l, SESSION_DELETED, session_deleted, SessionDeleted, session_deleted,
                  .session_id = i % 100 ? random_id() : session))
            return;
}

static void shuts_down_again(struct link *l)
{
    for (int i = 0; i < MANY; i++)
        if (!SEND(l, SHUTTING_DOWN, shutting_down, ShuttingDown, shutting_down, ))
            return;
}

static void pongs(struct link *l)
{
    for (int i = 0; i < MANY; i++)
        if (!SEND(l, PONG, pong, Pong, pong, .token = (uint64_t)i, .realtime_ns = UINT64_MAX,
                  .boottime_ns = (uint64_t)rand()))
            return;
}

static void acks(struct link *l)
{
    for (int i = 0; i < MANY; i++)
        if (!SEND(l, STDIN_ACK, stdin_ack, StdinAck, stdin_ack,
                  .session_id = i % 2 ? random_id() : session, .offset = UINT64_MAX - (uint64_t)i,
                  .closed = i % 3 == 0))
            return;
}

static void complaints(struct link *l)
{
    for (int i = 0; i < MANY; i++) {
        char text[200];
        snprintf(text, sizeof(text), "%d" NASTY, i);
        if (!SEND(l, CONFIGURED, configured, Configured, configured, .error = text) ||
            !SEND(l, NEW_AGENT_REFUSED, new_agent_refused, NewAgentRefused, new_agent_refused,
                  .error = text))
            return;
    }
}

static void no_messages(struct link *l)
{
    uint8_t frame[FRAME_HEADER_BYTES + 8 + FRAME_TRAILER_BYTES] = {0};
    for (int i = 0; i < MANY; i++) {
        frame_put_header(frame, 8, l->next_out);
        memset(frame + FRAME_HEADER_BYTES, 0xff, 8);
        frame_put_trailer(frame + FRAME_HEADER_BYTES + 8, l->next_out++);
        if (!send_bytes(l, frame, sizeof(frame)))
            return;
    }
}

static void sequences(struct link *l)
{
    for (int i = 0; i < MANY; i++) {
        l->next_out += 7;
        if (!SEND(l, SYNCED, synced, Synced, synced, .sessions = UINT32_MAX))
            return;
    }
}

static const struct lie lies[] = {
    {"garbage", true, garbage},
    {"absurd_length", true, absurd_length},
    {"only_zeros", true, only_zeros},
    {"wrong_hellos", true, wrong_hellos},
    {"drips", true, drips},
    {"closes", true, closes},
    {"silent", true, silent},
    {"deaf", false, silent},
    {"hellos", false, hellos},
    {"sessions_without_end", false, sessions_without_end},
    {"exits_again", false, exits_again},
    {"output_of_nobody", false, output_of_nobody},
    {"deletions", false, deletions},
    {"shuts_down_again", false, shuts_down_again},
    {"pongs", false, pongs},
    {"acks", false, acks},
    {"complaints", false, complaints},
    {"no_messages", false, no_messages},
    {"sequences", false, sequences},
};

/* --- the agent -------------------------------------------------------------------------------- */

static void tell(struct link *l)
{
    int fd = open(told_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x\n", 2) != 2)
        exit(3);
    close(fd);
    times++;
    lie->tell(l);
}

/* The next message; NULL: the link is over. */
static PB(ToAgent) * next_message(struct link *l)
{
    for (;;) {
        struct frame frame;
        size_t used = 0;
        enum frame_found found = frame_find(buf_data(&l->in), buf_len(&l->in), &frame, &used);
        PB(ToAgent) *m = found == FRAME_WHOLE
                             ? banger__agent__v1__to_agent__unpack(NULL, frame.len, frame.payload)
                             : NULL;
        buf_consume(&l->in, used);
        if (m)
            return m;
        if (found != FRAME_MORE)
            continue;
        uint8_t *room = buf_reserve(&l->in, 65536);
        ssize_t n = room ? read(l->fd, room, 65536) : -1;
        if (n <= 0)
            return NULL;
        buf_commit(&l->in, (size_t)n);
    }
}

static bool answer(struct link *l, const PB(ToAgent) * m)
{
    switch (m->kind_case) {
    case TO_KIND(HELLO):
        l->nonce = m->hello->nonce;
        l->next_out = 0;
        if (begun && lie->early)
            return tell(l), false;
        if (!send_hello(l, l->nonce) || !SEND(l, SYNCED, synced, Synced, synced, ))
            return false;
        return begun ? (tell(l), false) : true;
    case TO_KIND(CONFIGURE):
        return SEND(l, CONFIGURED, configured, Configured, configured, .error = (char *)"");
    case TO_KIND(PING):
        return SEND(l, PONG, pong, Pong, pong, .token = m->ping->token);
    case TO_KIND(SUBSCRIBE):
        subscription = m->subscribe->subscription;
        break;
    case TO_KIND(START_SESSION):
        snprintf(session, sizeof(session), "%s", m->start_session->session_id);
        begun = true;
        if (!lie->early)
            tell(l);
        return false;
    default:
        break;
    }
    return true;
}

static void serve(int fd)
{
    struct link l = {.fd = fd};
    PB(ToAgent) * m;
    buf_init(&l.in, IN_BYTES);
    for (bool goes_on = true; goes_on && (m = next_message(&l));) {
        goes_on = answer(&l, m);
        banger__agent__v1__to_agent__free_unpacked(m, NULL);
    }
    buf_done(&l.in);
    close(fd);
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    return fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 8) == 0
               ? fd
               : -1;
}

/* The name in the file "lies" beside the socket. */
static bool choose(const char *socket_path)
{
    char path[256], name[64] = "";
    const char *slash = strrchr(socket_path, '/');
    int folder = slash ? (int)(slash - socket_path) : 0;
    snprintf(path, sizeof(path), "%.*s/lies", folder, socket_path);
    snprintf(told_path, sizeof(told_path), "%.*s/told", folder, socket_path);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    if (fscanf(f, "%63s", name) != 1)
        exit(3);
    fclose(f);
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
        if (strcmp(lies[i].name, name) == 0)
            lie = &lies[i];
    if (!lie)
        exit(3);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "--listen") != 0 || !choose(argv[2])) {
        execv(HONEST_AGENT_FILE, argv);
        return 127;
    }
    int fd = listen_at(argv[2]);
    for (int peer; fd >= 0 && (peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        serve(peer);
    return 2;
}
