/* Bytes between the daemon's socket and the SSH channel; see ssh.h.
 *
 * libssh decrypts more than it was asked for, and does not say so by its file descriptor: so each
 * turn takes what there is until one side waits, and packets are always looked at, since they also
 * say that more may be sent. What one side does not take stops the other, within the channel's
 * window. */
#include "daemon/guest/ssh/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024, GOODBYE_S = 3 };

struct pass {
    ssh_session session;
    ssh_channel channel;
    uint8_t in[PIECE_BYTES], out[PIECE_BYTES]; /* to the guest, to the daemon */
    size_t in_head, in_len, out_head, out_len;
    bool deaf; /* the guest takes nothing any more, but may have said something */
    bool left; /* the daemon has closed its end */
    bool over;
};

static bool would_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* True: something was moved. */
static bool from_daemon(struct pass *p)
{
    if (p->deaf)
        return false;
    if (p->in_len == 0) {
        ssize_t n = recv(SSH_DAEMON_FD, p->in, sizeof(p->in), MSG_DONTWAIT);
        p->left |= n == 0 || (n < 0 && !would_wait());
        p->in_head = 0;
        p->in_len = n > 0 ? (size_t)n : 0;
    }
    uint32_t window = ssh_channel_window_size(p->channel);
    size_t len = p->in_len < window ? p->in_len : window;
    if (len == 0)
        return false;
    int n = ssh_channel_write(p->channel, p->in + p->in_head, (uint32_t)len);
    p->deaf = n < 0 && n != SSH_AGAIN;
    if (n <= 0)
        return false;
    p->in_head += (size_t)n;
    p->in_len -= (size_t)n;
    return true;
}

static bool from_guest(struct pass *p)
{
    if (p->out_len == 0) {
        int n = ssh_channel_read_nonblocking(p->channel, p->out, sizeof(p->out), 0);
        bool eof = n == SSH_EOF || (n == 0 && ssh_channel_is_eof(p->channel));
        p->over |= eof || (n < 0 && n != SSH_AGAIN) || ssh_channel_is_closed(p->channel);
        p->out_head = 0;
        p->out_len = n > 0 ? (size_t)n : 0;
        if (n > 0)
            p->over = false; /* its end comes behind what it has said */
    } else {
        ssh_channel_poll(p->channel, 0); /* looks at packets */
    }
    if (p->out_len == 0)
        return false;
    ssize_t n = send(SSH_DAEMON_FD, p->out + p->out_head, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    p->over |= n < 0 && !would_wait();
    if (n <= 0)
        return false;
    p->out_head += (size_t)n;
    p->out_len -= (size_t)n;
    return true;
}

static void await(struct pass *p)
{
    bool may_send = ssh_channel_window_size(p->channel) > 0;
    if (p->in_len > 0 && may_send && !p->deaf)
        return; /* the packet that says so has just come */
    int wanted = ssh_get_poll_flags(p->session);
    struct pollfd fds[2] = {
        {ssh_get_fd(p->session), POLLIN, 0},
        {SSH_DAEMON_FD, (short)(p->out_len ? POLLOUT : 0), 0}, /* POLLHUP comes unasked */
    };
    if (wanted & SSH_WRITE_PENDING)
        fds[0].events |= POLLOUT;
    if (p->in_len == 0 && may_send && !p->deaf)
        fds[1].events |= POLLIN;
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
        p->over = true;
    p->left |= (fds[1].revents & (POLLHUP | POLLERR)) && p->in_len > 0;
}

/* What was sent goes out, and the relay ends of itself when it has it: the server would drop what
 * it has not yet passed on when the connection ends before. */
static void say_goodbye(struct pass *p)
{
    char dropped[1024];
    alarm(GOODBYE_S);
    ssh_set_blocking(p->session, 1);
    while (p->in_len > 0) {
        int n = ssh_channel_write(p->channel, p->in + p->in_head, (uint32_t)p->in_len);
        if (n <= 0)
            return;
        p->in_head += (size_t)n;
        p->in_len -= (size_t)n;
    }
    ssh_channel_send_eof(p->channel);
    while (ssh_channel_read(p->channel, dropped, sizeof(dropped), 0) > 0)
        continue;
}

void ssh_pass(ssh_session session, ssh_channel channel)
{
    static struct pass p; /* not on the stack */
    p.session = session;
    p.channel = channel;
    ssh_set_blocking(session, 0);
    while (!p.over && !p.left) {
        bool moved = from_daemon(&p);
        if (!p.over && !p.left)
            moved |= from_guest(&p);
        if (!moved && !p.over && !p.left)
            await(&p);
    }
    if (p.left)
        say_goodbye(&p);
}
