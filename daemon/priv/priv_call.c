/* One connection, used by one call at a time; see priv_call.h. */
#include "daemon/priv/priv_call.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "base/launch.h"
#include "base/programs.h"
#include "daemon/priv/priv_serve.h"

extern char **environ;

enum { PRIV_END_MS = 1000 };

/* The connection is whose turn it is; under the lock are turns alone, so that it is never held for
 * long. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_set, taken, open;
    unsigned answered; /* turns */
    struct priv_owner owner;
    char state_dir[PATH_BYTES], socket[SOCKET_PATH_BYTES], pool[24], program[PROGRAM_PATH_BYTES];
    int fd;    /* -1 */
    pid_t pid; /* a helper of our own, or what is left of it; 0 */
} priv = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void set_up(void)
{
    pthread_condattr_t attr;
    if (priv.is_set)
        return;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&priv.over, &attr);
    pthread_condattr_destroy(&attr);
    priv.is_set = true;
}

static void set_end(struct timespec *end)
{
    clock_gettime(CLOCK_MONOTONIC, end);
    end->tv_sec += PRIV_CALL_MS / 1000;
}

/* Waits for the calls before this one, as long as a helper answers them: one that hangs is waited
 * for no longer than a call may take, one that has much to do is. */
static int take_turn(struct err *err)
{
    struct timespec end;
    int sys = 0;
    set_end(&end);
    pthread_mutex_lock(&priv.lock);
    set_up();
    for (unsigned seen = priv.answered; priv.taken && sys == 0;) {
        sys = pthread_cond_timedwait(&priv.over, &priv.lock, &end);
        if (priv.answered == seen)
            continue;
        seen = priv.answered;
        sys = 0;
        set_end(&end);
    }
    bool mine = !priv.taken;
    priv.taken = true; /* by me, or still by whom it was */
    pthread_mutex_unlock(&priv.lock);
    return mine ? 0 : err_set(err, ERR_DEADLINE, "banger-priv has not done what came before");
}

static void end_turn(bool answered)
{
    pthread_mutex_lock(&priv.lock);
    priv.open = priv.fd >= 0;
    priv.taken = false;
    priv.answered += answered;
    pthread_cond_signal(&priv.over);
    pthread_mutex_unlock(&priv.lock);
}

int priv_use(const struct priv_config *config, struct err *err)
{
    if (priv_owner_of(config->state_dir, &priv.owner, err) < 0)
        return -1;
    snprintf(priv.state_dir, sizeof(priv.state_dir), "%s", config->state_dir);
    snprintf(priv.socket, sizeof(priv.socket), "%s", config->socket);
    snprintf(priv.pool, sizeof(priv.pool), "%s", config->pool);
    snprintf(priv.program, sizeof(priv.program), "%s", config->program ? config->program : "");
    return 0;
}

/* One that was killed, so long: the kernel may hold it in a call. It is left then, and has the
 * lock, so that none comes beside it, for as long as it is there. */
static void reap(void)
{
    if (priv.pid <= 0)
        return;
    auto_fd int fd = pidfd_open(priv.pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    poll(&p, 1, PRIV_END_MS);
    if (waitpid(priv.pid, NULL, WNOHANG) != 0)
        priv.pid = 0;
}

static void disconnect(void)
{
    if (priv.fd >= 0)
        close(priv.fd);
    priv.fd = -1;
    if (priv.pid > 0)
        kill(priv.pid, SIGKILL);
    reap();
}

void priv_end(void)
{
    if (take_turn(NULL) == 0) {
        disconnect();
        end_turn(false);
    }
}

bool priv_is_open(void)
{
    pthread_mutex_lock(&priv.lock);
    bool is = priv.open;
    pthread_mutex_unlock(&priv.lock);
    return is;
}

bool priv_may_have_made(void)
{
    char lock[PATH_BYTES + 16];
    snprintf(lock, sizeof(lock), "%s/priv.lock", priv.state_dir);
    if (geteuid() == 0 && !priv.socket[0])
        return access(lock, F_OK) == 0;
    return access(priv.socket[0] ? priv.socket : PRIV_SOCKET, R_OK | W_OK) == 0;
}

/* Connecting */

static int missing(const char *why, struct err *err)
{
    err_set(err, ERR_PRECONDITION,
            "no banger-priv at %s (%s): taps and disks of device-mapper need it; systemctl enable "
            "--now banger-priv.socket, "
            "and be of the group that its socket is open to",
            priv.socket[0] ? priv.socket : PRIV_SOCKET, why);
    return err_tag(err, "PRIVILEGES_MISSING", NULL);
}

int priv_look(struct err *err)
{
    char path[PROGRAM_PATH_BYTES];
    const char *socket = priv.socket[0] ? priv.socket : PRIV_SOCKET;
    if (geteuid() == 0 && !priv.socket[0])
        return priv.program[0] ? 0 : program_find(PROGRAM_PRIV, NULL, path, err);
    return access(socket, W_OK) < 0 ? missing(strerror(errno), err) : 0;
}

/* Of connecting, too. */
static int limit_waits(struct err *err)
{
    const struct timeval limit = {.tv_sec = PRIV_CALL_MS / 1000};
    if (setsockopt(priv.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
        setsockopt(priv.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0)
        return 0;
    int sys = errno;
    disconnect();
    return err_sys(err, sys, "no time limit for banger-priv");
}

static int connect_socket(struct err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", priv.socket[0] ? priv.socket : PRIV_SOCKET);
    priv.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (priv.fd < 0)
        return err_sys(err, errno, "no socket");
    if (limit_waits(err) < 0)
        return -1;
    if (connect(priv.fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return 0;
    int sys = errno;
    disconnect();
    return missing(strerror(sys), err);
}

/* The lock is the helper's for as long as it lives: one that an earlier daemon has left is still at
 * its last request, which must not come after ours. */
static int open_lock(struct err *err)
{
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/priv.lock", priv.state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    for (int i = 0; fd >= 0 && i < PRIV_CALL_MS / 10; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(10000);
    }
    int sys = fd < 0 ? errno : EBUSY;
    if (fd >= 0)
        close(fd);
    return err_sys(err, sys, "cannot lock %s, which an earlier helper has", path);
}

static int launch_helper(int socket_fd, int lock_fd, struct err *err)
{
    char path[PROGRAM_PATH_BYTES];
    snprintf(path, sizeof(path), "%s", priv.program);
    if (!path[0] && program_find(PROGRAM_PRIV, NULL, path, err) < 0)
        return -1;
    const char *argv[] = {path, "--pool", priv.pool, "--disks", NULL};
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {fcntl(null, F_DUPFD_CLOEXEC, 16), fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 16),
                 fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 16), fcntl(socket_fd, F_DUPFD_CLOEXEC, 16),
                 fcntl(lock_fd, F_DUPFD_CLOEXEC, 16)};
    const size_t n = sizeof(fds) / sizeof(*fds);
    const struct launch l = {.argv = argv, .env = environ, .cwd = "/", .fds = fds, .n_fds = n};
    int sys = launch(&l, &priv.pid);
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (sys == 0)
        return 0;
    priv.pid = 0;
    return err_sys(err, sys, "cannot start %s", path);
}

static int start_own(struct err *err)
{
    int pair[2];
    auto_fd int lock = open_lock(err);
    if (lock < 0)
        return -1;
    reap(); /* of an earlier one, which has let go of it */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, errno, "no sockets for banger-priv");
    int rc = launch_helper(pair[1], lock, err);
    close(pair[1]);
    if (rc < 0)
        close(pair[0]);
    else
        priv.fd = pair[0];
    return rc < 0 ? -1 : limit_waits(err);
}

static int make_connection(struct err *err)
{
    if (priv.fd >= 0)
        return 0;
    if (!priv.state_dir[0])
        return missing("it is not said whose it is", err);
    return geteuid() == 0 && !priv.socket[0] ? start_own(err) : connect_socket(err);
}

/* Talking */

struct conversation {
    const uint8_t *request;
    size_t len;
    const int *fds;
    size_t n_fds;
    priv_call_found_fn *found;
    void *arg;
    bool broken; /* the helper is gone */
};

static int broken(struct conversation *c, int sys, struct err *err)
{
    bool late = sys == EAGAIN || sys == EWOULDBLOCK;
    c->broken = !late;
    disconnect();
    if (late)
        return err_set(err, ERR_DEADLINE, "banger-priv does not answer");
    return err_sys(err, sys ? sys : ECONNRESET, "banger-priv is gone");
}

/* 1: another packet follows. */
static int take_packet(const struct conversation *c, const Banger__Priv__V1__Reply *m,
                       struct err *err)
{
    for (size_t i = 0; m->code == 0 && c->found && i < m->n_found; i++)
        if (id_is_valid(m->found[i]->vm))
            c->found(c->arg, m->found[i]->vm);
    if (m->code == 0)
        return !m->last;
    err_set(err, m->code <= ERR_UNAUTHENTICATED ? (enum err_code)m->code : ERR_UNKNOWN, "%s",
            m->message);
    if (err)
        err->sys = (int)m->sys;
    if (m->code == ERR_UNIMPLEMENTED)
        err_wrap(err, "banger-priv is of an older build, which a restart of it ends");
    return m->reason[0] ? err_tag(err, m->reason, NULL) : -1;
}

static ssize_t send_request(const struct conversation *c)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(PRIV_FDS * sizeof(int))];
    } control = {.room = {0}};
    struct iovec data = {(void *)c->request, c->len};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1};
    if (c->n_fds > 0) {
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(c->n_fds * sizeof(int));
        *CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                              .cmsg_type = SCM_RIGHTS,
                                              .cmsg_len = CMSG_LEN(c->n_fds * sizeof(int))};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), c->fds, c->n_fds * sizeof(int));
    }
    return sendmsg(priv.fd, &m, MSG_NOSIGNAL);
}

static int talk(struct conversation *c, struct err *err)
{
    uint8_t packet[PRIV_REPLY_BYTES];
    if (send_request(c) < 0)
        return broken(c, errno, err);
    for (;;) {
        ssize_t n = recv(priv.fd, packet, sizeof(packet), 0);
        if (n <= 0)
            return broken(c, n < 0 ? errno : 0, err);
        Banger__Priv__V1__Reply *m = banger__priv__v1__reply__unpack(NULL, (size_t)n, packet);
        if (!m)
            return broken(c, EBADMSG, err);
        int rc = take_packet(c, m, err);
        banger__priv__v1__reply__free_unpacked(m, NULL);
        if (rc <= 0)
            return rc;
    }
}

static int call(Banger__Priv__V1__Request *request, struct conversation *c, struct err *err)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    request->state = priv.owner.state;
    size_t len = banger__priv__v1__request__get_packed_size(request);
    if (len > sizeof(packed))
        return err_set(err, ERR_LIMIT, "a request of %zu bytes for banger-priv", len);
    banger__priv__v1__request__pack(request, packed);
    c->request = packed;
    c->len = len;
    int rc = -1;
    if (take_turn(err) < 0)
        return -1;
    struct err why;
    for (int tries = 0; tries < 2; tries++) {
        why = (struct err)ERR_INIT;
        c->broken = false;
        rc = make_connection(&why) < 0 ? -1 : talk(c, &why);
        if (!c->broken)
            break;
    }
    end_turn(!c->broken && why.code != ERR_DEADLINE);
    if (rc < 0 && err) /* what the first of them said is none where the second has done it */
        *err = why;
    return rc;
}

int priv_call(Banger__Priv__V1__Request *request, priv_call_found_fn *found, void *arg,
              struct err *err)
{
    struct conversation c = {.found = found, .arg = arg};
    return call(request, &c, err);
}

int priv_call_with(Banger__Priv__V1__Request *request, const int *fds, size_t n_fds,
                   struct err *err)
{
    struct conversation c = {.fds = fds, .n_fds = n_fds};
    assert(n_fds <= PRIV_FDS);
    return call(request, &c, err);
}
