/* banger-net: a guest's way out. Started by the daemon alone, one for each VM with a user's
 * network:
 *
 *   qemu <-- socket pair --> banger-net <-- socket pair --> passt
 *
 *   banger-net PASST COUNTS all|none|list [ENTRY...]
 *
 * It starts passt, and returns to the daemon when passt is ready, or with passt's words
 * on stderr. What stays behind passes frames on, those of the guest through net_filter.h, and
 * counts them in a file (net_counts.h). Nothing is to be found again: each of the three ends when a
 * neighbour does, and the daemon's death before qemu's start is such an end, too.
 *
 * A thread for each direction, so that none waits for the other; whichever ends first ends all. A
 * third follows the host's own addresses. With names in the list (net_names.h) a question of the
 * guest's may be answered by the thread that has read it: the only one that writes both ways. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/launch.h"
#include "daemon/vmm/net/net_counts.h"
#include "daemon/vmm/net/net_filter.h"
#include "daemon/vmm/net/net_names.h"
#include "daemon/vmm/net/net_own.h"

enum {
    NET_BUFFER_BYTES = 4 * (NET_HEAD_BYTES + NET_FRAME_MAX_BYTES),
    NET_NOBODY = 65534,
};

extern char **environ;

static int passt_fd;
static struct net_policy policy;
static struct net_counts *counts;
static struct net_names names;
static pthread_mutex_t guest_lock = PTHREAD_MUTEX_INITIALIZER; /* writing to the guest */

/* An exit status. */
static int net_fail(const char *what, int error)
{
    fprintf(stderr, "banger-net: %s: %s\n", what, strerror(error));
    return 1;
}

/* The addresses are those that the agent gives the guest (daemon/core/vm/vm_agent.c). "lo" is what
 * passt would take addresses from that it is not told: it insists on an interface, and this one is
 * there without a network, too. The resolver is the first of the host, also one on loopback. */
static const char *const passt_options[] = {"--ipv4-only",
                                            "--quiet",
                                            "--interface",
                                            "lo",
                                            "--address",
                                            "10.0.2.15",
                                            "--netmask",
                                            "24",
                                            "--gateway",
                                            "10.0.2.2",
                                            "--mac-addr",
                                            "52:55:0a:00:02:02",
                                            "--no-map-gw",
                                            "--dns-forward",
                                            "10.0.2.3",
                                            "--tcp-ports",
                                            "none",
                                            "--udp-ports",
                                            "none",
                                            "--fd",
                                            "3"};

enum { N_OPTIONS = sizeof(passt_options) / sizeof(*passt_options), N_FDS = 4 };

/* 0 or an errno. fds: see launch.h; closed here. */
static int net_launch(const char *program, const int fds[N_FDS], pid_t *pid)
{
    const char *argv[N_OPTIONS + 2] = {program};
    memcpy(argv + 1, passt_options, sizeof(passt_options));
    const struct launch l = {.argv = argv, .env = environ, .cwd = "/", .fds = fds, .n_fds = N_FDS};
    int rc = 0;
    for (size_t i = 0; i < N_FDS; i++)
        rc = fds[i] < 0 ? EMFILE : rc;
    if (rc == 0)
        rc = launch(&l, pid);
    for (size_t i = 0; i < N_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return rc;
}

/* 0: passt is ready, and in the background. Else an exit status, and somebody has said why. */
static int net_start_passt(const char *program, int link)
{
    pid_t pid;
    int status, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int from[N_FDS] = {null_fd, STDERR_FILENO, STDERR_FILENO, link};
    int fds[N_FDS];
    for (size_t i = 0; i < N_FDS; i++)
        fds[i] = fcntl(from[i], F_DUPFD_CLOEXEC, N_FDS);
    if (null_fd >= 0)
        close(null_fd);
    int rc = net_launch(program, fds, &pid);
    if (rc != 0)
        return net_fail(program, rc);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return net_fail(program, errno);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "banger-net: %s was ended by signal %d\n", program, WTERMSIG(status));
    return 1;
}

static bool net_write(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static ssize_t net_read(int fd, uint8_t *data, size_t len)
{
    ssize_t n;
    do
        n = read(fd, data, len);
    while (n < 0 && errno == EINTR);
    return n;
}

/* One frame, behind its head. */
static bool net_write_guest(const uint8_t *data, size_t len)
{
    pthread_mutex_lock(&guest_lock);
    bool done = net_write(STDIN_FILENO, data, len);
    pthread_mutex_unlock(&guest_lock);
    counts->to_guest += len - NET_HEAD_BYTES;
    return done;
}

/* Names, under net_own_lock. Nothing is written under it: who waits for a place there would hold up
 * the other direction, and passt waits for that while it makes none. */

static void net_names_now(void)
{
    names.now_ms = clock_mono_ms();
    if (getrandom(&names.next_id, sizeof(names.next_id), 0) != sizeof(names.next_id))
        _exit(1); /* a number that can be guessed is worse than no network */
}

static void net_put_head(uint8_t *head, size_t len)
{
    for (size_t i = 0; i < NET_HEAD_BYTES; i++)
        head[i] = (uint8_t)(len >> (8 * (NET_HEAD_BYTES - 1 - i)));
}

/* Within net_filter_stream, which goes by what is there at each frame. */
static void net_question(const uint8_t *frame, size_t len)
{
    uint8_t out[NET_HEAD_BYTES + NET_DNS_BYTES];
    size_t n = 0;
    net_names_now();
    enum net_names_way way = net_names_ask(&names, frame, len, out + NET_HEAD_BYTES, &n);
    net_own_unlock();
    net_put_head(out, n);
    counts->from_guest += len;
    if ((way == NET_NAMES_TO_PASST && !net_write(passt_fd, out, NET_HEAD_BYTES + n)) ||
        (way == NET_NAMES_TO_GUEST && !net_write_guest(out, NET_HEAD_BYTES + n)))
        _exit(0);
    net_own_lock();
    names.now_ms = clock_mono_ms(); /* of the frames behind it */
}

static bool net_answer(const uint8_t *frame, size_t len)
{
    uint8_t out[NET_HEAD_BYTES + NET_DNS_BYTES];
    size_t n = 0;
    const struct net_own *own = net_own_lock();
    net_names_now();
    bool told = net_names_tell(&names, &policy.ranges, own, frame, len, out + NET_HEAD_BYTES, &n);
    net_own_unlock();
    net_put_head(out, n);
    return !told || net_write_guest(out, NET_HEAD_BYTES + n);
}

/* Frame by frame, as what the resolver says is told in other words. Returns how much of it is
 * done; -1: no more. */
static ssize_t net_tell_frames(const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= NET_HEAD_BYTES) {
        const uint8_t *frame = data + at + NET_HEAD_BYTES;
        size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 |
                   data[at + 3];
        if (n > NET_FRAME_MAX_BYTES)
            return -1;
        if (len - at - NET_HEAD_BYTES < n)
            break;
        if (!(net_names_is_answer(frame, n) ? net_answer(frame, n)
                                            : net_write_guest(data + at, NET_HEAD_BYTES + n)))
            return -1;
        at += NET_HEAD_BYTES + n;
    }
    return (ssize_t)at;
}

static void *net_to_guest_by_names(void *arg)
{
    static uint8_t data[NET_BUFFER_BYTES];
    size_t have = 0;
    ssize_t n, done;
    (void)arg;
    while ((n = net_read(passt_fd, data + have, sizeof(data) - have)) > 0) {
        have += (size_t)n;
        if ((done = net_tell_frames(data, have)) < 0)
            break;
        have -= (size_t)done;
        memmove(data, data + done, have);
    }
    _exit(0);
}

static void *net_to_guest(void *arg)
{
    static uint8_t data[NET_BUFFER_BYTES];
    struct net_tally tally = {0};
    ssize_t n;
    (void)arg;
    while ((n = net_read(passt_fd, data, sizeof(data))) > 0 &&
           net_write(STDIN_FILENO, data, (size_t)n))
        counts->to_guest += net_tally(&tally, data, (size_t)n);
    _exit(0);
}

static void net_from_guest(void)
{
    static uint8_t data[NET_BUFFER_BYTES];
    struct net_tally tally = {0};
    size_t have = 0, kept;
    ssize_t n;
    while ((n = net_read(STDIN_FILENO, data + have, sizeof(data) - have)) > 0) {
        have += (size_t)n;
        const struct net_own *own = net_own_lock();
        names.now_ms = clock_mono_ms();
        int64_t seen = net_filter_stream(&policy, own, data, have, &kept);
        net_own_unlock();
        if (seen < 0 || !net_write(passt_fd, data, kept))
            return;
        counts->from_guest += net_tally(&tally, data, kept);
        have -= (size_t)seen;
        memmove(data, data + seen, have);
    }
}

/* What reads a guest's bytes needs two descriptors and no privilege. */
static int net_confine(void)
{
    static const struct rlimit none = {0, 0};
    if (chdir("/") < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(NET_NOBODY, NET_NOBODY, NET_NOBODY) < 0 ||
         setresuid(NET_NOBODY, NET_NOBODY, NET_NOBODY) < 0))
        return -1;
    return setrlimit(RLIMIT_NOFILE, &none);
}

static int net_stay(void)
{
    pthread_t thread;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || setsid() < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
        dup2(null_fd, STDERR_FILENO) < 0)
        return 1;
    close(null_fd);
    signal(SIGPIPE, SIG_IGN);
    if (net_confine() < 0 || net_own_watch() != 0 ||
        pthread_create(&thread, NULL, policy.names ? net_to_guest_by_names : net_to_guest, NULL) !=
            0)
        return 1;
    net_from_guest();
    return 0;
}

static int net_read_name(const char *text, struct err *err)
{
    if (names.names.n == EGRESS_NAMES_MAX)
        return err_set(err, ERR_INVALID, "more than %d names", EGRESS_NAMES_MAX);
    policy.names = &names;
    policy.question = net_question;
    return egress_name_parse(text, &names.names.at[names.names.n++], err);
}

/* What the guest may reach: a mode, and the entries of a list. */
static int net_read_policy(int argc, char **argv, struct err *err)
{
    static const char *const modes[] = {
        [EGRESS_ALL] = "all", [EGRESS_NONE] = "none", [EGRESS_LIST] = "list"};
    static struct egress_list list;
    for (int m = EGRESS_ALL; m <= EGRESS_LIST; m++)
        if (argc > 0 && strcmp(argv[0], modes[m]) == 0)
            policy.mode = (enum egress_mode)m;
    if (!policy.mode || argc - 1 > EGRESS_ENTRIES_MAX || (policy.mode != EGRESS_LIST && argc > 1))
        return err_set(err, ERR_INVALID, "started by bangerd, with a socket as stdin");
    for (int i = 1; i < argc; i++)
        if ((egress_is_name(argv[i]) ? net_read_name(argv[i], err)
                                     : egress_entry_parse(argv[i], &list.at[list.n++], err)) < 0)
            return -1;
    return egress_compile(&list, &policy.ranges, err);
}

int main(int argc, char **argv)
{
    int ends[2];
    struct err err = ERR_INIT;
    if (net_read_policy(argc - 3, argv + 3, &err) < 0) {
        fprintf(stderr, "banger-net: %s\n", err.message);
        return 2;
    }
    counts = net_counts_make(argv[2], &err);
    if (!counts) {
        fprintf(stderr, "banger-net: %s\n", err.message);
        return 1;
    }
    int own = net_own_open();
    if (own != 0)
        return net_fail("the host's own addresses", own);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return net_fail("socketpair", errno);
    passt_fd = ends[0];
    int rc = net_start_passt(argv[1], ends[1]);
    close(ends[1]);
    if (rc != 0)
        return rc;
    pid_t pid = fork();
    if (pid < 0)
        return net_fail("fork", errno);
    if (pid == 0)
        _exit(net_stay());
    return 0;
}
