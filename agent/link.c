/* Channel to the daemon; see link.h.
 *
 * virtio-serial has no connections: a host that leaves shows as a read of 0 (and HUP), one that
 * comes back as EAGAIN or data. The wake-up for that is not reliable, so a timer looks as well. */
#include "agent/link.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent/spool.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum {
    MESSAGE_ROOM = 1024,
    READ_BYTES = 64 * 1024,
    ROUND_BYTES = 256 * 1024, /* read in a turn; virtio-serial gives 4 KiB at once */
};

static const uint32_t LINK_EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;

static const char port_class[] = "/sys/class/virtio-ports";
static const char port_name[] = "agent";

/* buf_consume gives memory back whenever the buffer runs empty, which here is all the time. */
static void consume(struct buf *b, size_t n_bytes)
{
    if (n_bytes >= buf_len(b))
        b->head = b->tail = 0;
    else
        b->head += n_bytes;
}

static void forget(struct link *link)
{
    bool was = link->linked;
    link->linked = false;
    buf_reset(&link->out);
    link->zeros = 0;
    if (was)
        link->on_lost(link);
}

static void look_again(struct link *link)
{
    bool busy = link->n_looks < LINK_LOOK_BUSY;
    link->n_looks += busy;
    loop_arm(link->loop, &link->look, busy ? LINK_LOOK_MS : LINK_LOOK_IDLE_MS);
}

/* The channel itself has gone. */
static void close_channel(struct link *link)
{
    forget(link);
    buf_reset(&link->in);
    loop_remove(link->loop, &link->io);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    if (link->kind == LINK_SOCKET)
        link->ended = true;
    else if (link->listen_fd >= 0)
        loop_add(link->loop, &link->accept_io, link->listen_fd, EPOLLIN);
    else
        look_again(link);
}

void link_ask_hello(struct link *link)
{
    forget(link);
    link->zeros = FRAME_PREAMBLE_BYTES;
}

/* The link cannot go on. */
static void give_up(struct link *link)
{
    if (link->linked)
        link_ask_hello(link);
}

static void take_frames(struct link *link)
{
    while (buf_len(&link->in) > 0 && buf_len(&link->out) < LINK_INPUT_BYTES) {
        struct frame frame;
        size_t used = 0;
        enum frame_found found = frame_find(buf_data(&link->in), buf_len(&link->in), &frame, &used);
        if (found == FRAME_WHOLE && !link->on_frame(link, &frame))
            give_up(link);
        consume(&link->in, used);
        if (found == FRAME_MORE)
            break;
    }
}

/* -1: nothing now, 0: the peer is gone, else so many bytes. */
static ssize_t read_some(struct link *link)
{
    uint8_t *room = buf_reserve(&link->in, READ_BYTES);
    if (!room)
        return -1;
    ssize_t n;
    do {
        n = read(link->fd, room, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        buf_commit(&link->in, (size_t)n);
    return n < 0 && errno != EAGAIN ? 0 : n;
}

/* A port's data and the news that a host left or came reach us by two queues, in no order: the
 * hello of a new host may be read before the old one is seen to have left. So the link is given up
 * only when the host stays away; else that hello's answer would be thrown away with it. A hello
 * makes a fresh start anyway. */
static void host_gone(struct link *link)
{
    if (link->kind != LINK_PORT) {
        close_channel(link);
        return;
    }
    int64_t now = clock_mono_ms();
    if (link->away_since_ms == 0)
        link->away_since_ms = now;
    if (now - link->away_since_ms >= LINK_GONE_MS)
        forget(link);
    struct stat st;
    if (fstat(link->fd, &st) < 0 || access("/dev", F_OK) < 0) {
        close_channel(link);
        return;
    }
    look_again(link);
}

/* Reads and handles until there is no more, or the answers pile up. */
static void take_input(struct link *link)
{
    link->more_in = true;
    for (size_t n_bytes = 0; n_bytes < ROUND_BYTES && link->fd >= 0;) {
        take_frames(link);
        if (buf_len(&link->out) >= LINK_INPUT_BYTES)
            return;
        ssize_t got = read_some(link);
        if (got != 0)
            link->away_since_ms = 0;
        if (got > 0) {
            n_bytes += (size_t)got;
            link->n_looks = 0;
            continue;
        }
        link->more_in = false;
        if (got == 0)
            host_gone(link);
        else
            loop_disarm(&link->look);
        return;
    }
}

static void channel_ready(struct loop_io *io, uint32_t events)
{
    struct link *link = container_of(io, struct link, io);
    if (events & EPOLLOUT)
        link->blocked = false;
    take_input(link);
}

static int open_channel(struct link *link, int fd)
{
    link->fd = fd;
    link->blocked = link->awaits_room = false;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || loop_add(link->loop, &link->io, fd, LINK_EVENTS) < 0)
        return -1;
    take_input(link);
    return 0;
}

/* devtmpfs makes the node at once; where /dev is something else, we do. */
static int open_port_node(const char *node)
{
    char path[300], text[32];
    snprintf(path, sizeof(path), "/dev/%s", node);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    char dev[300];
    snprintf(dev, sizeof(dev), "%s/%s/dev", port_class, node);
    auto_file FILE *f = fopen(dev, "re");
    if (!f || !fgets(text, sizeof(text), f))
        return -1;
    char *colon; /* "major:minor" */
    unsigned long major = strtoul(text, &colon, 10);
    if (*colon != ':' ||
        mknod(path, S_IFCHR | 0600, makedev(major, strtoul(colon + 1, NULL, 10))) < 0)
        return -1;
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static bool is_named_agent(const char *node)
{
    char path[300], text[32] = "";
    snprintf(path, sizeof(path), "%s/%s/name", port_class, node);
    auto_file FILE *f = fopen(path, "re");
    if (!f || !fgets(text, sizeof(text), f))
        return false;
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, port_name) == 0;
}

static int find_port(void)
{
    auto_dir DIR *dir = opendir(port_class);
    if (!dir)
        return -1;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && is_named_agent(e->d_name))
            return open_port_node(e->d_name);
    return -1;
}

/* The module may not be there yet. */
static bool listen_vsock(struct link *link)
{
    struct sockaddr_vm addr = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = link->port};
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        listen(fd, 8) == 0 && loop_add(link->loop, &link->accept_io, fd, EPOLLIN) == 0) {
        link->listen_fd = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

static void look_fired(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, look);
    if (link->fd >= 0) {
        take_input(link);
        return;
    }
    if (link->kind == LINK_VSOCK) {
        if (link->listen_fd < 0 && !listen_vsock(link))
            look_again(link);
        return;
    }
    int fd =
        link->path ? open(link->path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) : find_port();
    if (fd < 0)
        look_again(link);
    else if (open_channel(link, fd) < 0)
        close_channel(link);
}

/* What runs in the guest may connect to its own vsock. */
static bool is_host(int fd)
{
    struct sockaddr_vm peer;
    socklen_t len = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && len >= sizeof(peer) &&
           peer.svm_family == AF_VSOCK && peer.svm_cid == VMADDR_CID_HOST;
}

static void accept_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct link *link = container_of(io, struct link, accept_io);
    int fd = accept4(link->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (link->kind == LINK_VSOCK && !is_host(fd)) {
        close(fd);
        return;
    }
    loop_remove(link->loop, &link->accept_io);
    if (open_channel(link, fd) < 0)
        close_channel(link);
}

void link_init(struct link *link, struct loop *loop,
               bool (*on_frame)(struct link *, const struct frame *),
               void (*on_lost)(struct link *))
{
    *link = (struct link){.loop = loop, .fd = -1, .listen_fd = -1};
    link->on_frame = on_frame;
    link->on_lost = on_lost;
    loop_io_init(&link->io, channel_ready);
    loop_io_init(&link->accept_io, accept_ready);
    loop_timer_init(&link->look, look_fired);
    buf_init(&link->in, 2 * FRAME_MAX_BYTES);
    buf_init(&link->out, LINK_QUEUE_BYTES);
}

void link_done(struct link *link)
{
    loop_remove(link->loop, &link->io);
    loop_remove(link->loop, &link->accept_io);
    loop_disarm(&link->look);
    if (link->fd >= 0)
        close(link->fd);
    if (link->listen_fd >= 0) {
        close(link->listen_fd);
        if (link->kind == LINK_LISTENER)
            unlink(link->path);
    }
    buf_done(&link->in);
    buf_done(&link->out);
}

void link_use_port(struct link *link, const char *device)
{
    link->kind = LINK_PORT;
    link->path = device;
    loop_arm(link->loop, &link->look, 0);
}

void link_use_vsock(struct link *link, uint32_t port)
{
    link->kind = LINK_VSOCK;
    link->port = port;
    loop_arm(link->loop, &link->look, 0);
}

void link_look(struct link *link)
{
    if (link->fd < 0 && link->listen_fd < 0)
        look_fired(&link->look);
}

int link_use_listener(struct link *link, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    unlink(path);
    link->kind = LINK_LISTENER;
    link->path = path;
    link->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->listen_fd < 0 ||
        bind(link->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chmod(path, 0600) < 0 || listen(link->listen_fd, 8) < 0)
        return -1;
    return loop_add(link->loop, &link->accept_io, link->listen_fd, EPOLLIN);
}

int link_use_socket(struct link *link, int fd)
{
    link->kind = LINK_SOCKET;
    return open_channel(link, fd);
}

void link_restart(struct link *link)
{
    link->linked = true;
    link->next_in = 1;
    link->next_out = 0;
    buf_reset(&link->out);
    link->zeros = FRAME_PREAMBLE_BYTES;
}

/* Puts header and trailer around a payload that is already in the room reserved for the frame. */
static void finish_frame(struct link *link, uint8_t *room, size_t len)
{
    frame_put_header(room, (uint32_t)len, link->next_out);
    frame_put_trailer(room + FRAME_HEADER_BYTES + len, link->next_out);
    link->next_out++;
    buf_commit(&link->out, FRAME_HEADER_BYTES + len + FRAME_TRAILER_BYTES);
}

void link_send(struct link *link, const PB(FromAgent) * message)
{
    if (!link->linked)
        return;
    uint8_t *room =
        buf_reserve(&link->out, FRAME_HEADER_BYTES + MESSAGE_ROOM + FRAME_TRAILER_BYTES);
    size_t n = room ? codec_write(message, room + FRAME_HEADER_BYTES, MESSAGE_ROOM) : 0;
    if (n > 0)
        finish_frame(link, room, n);
    else
        give_up(link); /* no memory: the daemon says hello again and sees the state */
}

size_t link_send_data(struct link *link, uint32_t subscription, int stream, uint64_t offset,
                      int64_t time_ns, size_t max_bytes, struct spool *spool)
{
    enum {
        ROOM = LINK_WRITE_BYTES, /* so a frame is one write */
        OVERHEAD = FRAME_HEADER_BYTES + CODEC_DATA_HEAD_BYTES + FRAME_TRAILER_BYTES,
    };
    size_t max = max_bytes < ROOM - OVERHEAD ? max_bytes : ROOM - OVERHEAD, n;
    uint8_t *room = buf_reserve(&link->out, ROOM);
    if (!room)
        return 0;
    /* The head's length depends on that of the data. How much a file will give is known when it
     * has: then the data is put where a longest head ends, and moved. */
    uint8_t *head = room + FRAME_HEADER_BYTES, *moved = head + CODEC_DATA_HEAD_BYTES;
    const uint8_t *data = spool_view(spool, offset, max, &n);
    if (!data) {
        n = spool_read(spool, offset, moved, max);
        data = moved;
    }
    if (n == 0)
        return 0;
    uint8_t head_bytes[CODEC_DATA_HEAD_BYTES];
    size_t n_head = codec_write_data_head(subscription, stream, offset, time_ns, n, head_bytes);
    memmove(head + n_head, data, n);
    memcpy(head, head_bytes, n_head);
    finish_frame(link, room, n_head + n);
    return n;
}

/* A port tells of each write that the host has taken it, which is a turn for nothing unless one
 * waits for that. */
static void want_room(struct link *link, bool want)
{
    if (link->fd < 0 || link->awaits_room == want)
        return;
    link->awaits_room = want;
    loop_change(link->loop, &link->io, LINK_EVENTS | (want ? EPOLLOUT : 0));
}

static size_t unwritten(const struct link *link)
{
    return link->zeros + buf_len(&link->out);
}

/* Zeros need no memory of their own: pages that nobody has written to are all the same one. */
static ssize_t write_some(struct link *link)
{
    static uint8_t zeros[LINK_WRITE_BYTES];
    if (link->zeros == 0)
        return write(link->fd, buf_data(&link->out), buf_len(&link->out));
    return write(link->fd, zeros, link->zeros < sizeof(zeros) ? link->zeros : sizeof(zeros));
}

static void take_written(struct link *link, size_t n_bytes)
{
    if (link->zeros == 0) {
        consume(&link->out, n_bytes);
        return;
    }
    link->zeros -= n_bytes;
    if (link->zeros == 0 && buf_len(&link->in) == 0)
        buf_reset(&link->in); /* what the other end's preamble took */
}

static void write_out(struct link *link)
{
    while (link->fd >= 0 && !link->blocked && unwritten(link) > 0) {
        ssize_t n = write_some(link);
        if (n > 0) {
            take_written(link, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            link->blocked = true;
        } else if (n < 0 && errno != EINTR) {
            host_gone(link);
            return;
        }
    }
    want_room(link, link->blocked);
}

bool link_flush(struct link *link)
{
    size_t before = unwritten(link);
    write_out(link);
    bool took = false;
    if (link->more_in && link->fd >= 0 && buf_len(&link->out) < LINK_INPUT_BYTES) {
        take_input(link);
        took = true;
    }
    return took || (before > 0 && unwritten(link) < before && !link->blocked);
}
