/* Child processes on the loop; see child.h.
 *
 * base/launch.h does the forking, and shares the address space until exec (no page tables copied,
 * no code of ours in a half-alive process) and reports the errno of exec or of any step before it.
 * The child is known by its pidfd from then on. It is reaped in one place, child_try_reap, right
 * before it is freed: until then its pid cannot be reused and signals hit nobody else.
 *
 * A grandchild may keep the output pipe open for ever, so the end of output is not waited for: when
 * the process is gone, what the pipe holds at that moment is read, and that is the output. */
#include "rpc/event/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/launch.h"
#include "rpc/event/loop.h"

enum {
    CHILD_READ_BYTES = 16384,
    CHILD_MAX_KEEP_FDS = LAUNCH_FDS_MAX - 3,
};

struct child {
    pid_t pid;
    int pidfd;           /* owned */
    int out_fd;          /* owned; our end of the output pipe, or -1 */
    struct watch gone;   /* of pidfd */
    struct watch output; /* of out_fd */
    struct timer deadline;
    struct buf out; /* the last max_capture_bytes */
    size_t max_capture_bytes;
    bool truncated, timed_out;
    bool in_output; /* output() is on the stack: abandoning waits for its return */
    bool abandoned;
    void (*output_cb)(void *arg, const char *text, size_t len);
    void (*exited)(void *arg, const struct child_exit *exit);
    void *arg;
};

extern char **environ;

/* Starting */

/* Sources of the child's descriptors, all numbered above every target so that none is overwritten
 * before it is used. */
struct child_fds {
    int in, out; /* stdin; stdout and stderr */
    int keep[CHILD_MAX_KEEP_FDS];
    int lifted[CHILD_MAX_KEEP_FDS + 2]; /* duplicates made for that, owned */
    size_t n_lifted;
};

static void child_fds_done(struct child_fds *fds)
{
    while (fds->n_lifted > 0)
        close(fds->lifted[--fds->n_lifted]);
}

static int child_lift_fd(struct child_fds *fds, int fd, size_t n_keep)
{
    int lowest = 3 + (int)n_keep;
    if (fd >= lowest)
        return fd;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    if (copy >= 0)
        fds->lifted[fds->n_lifted++] = copy;
    return copy;
}

static int child_lift_fds(struct child_fds *fds, const struct child_spec *spec, int in, int out)
{
    fds->in = child_lift_fd(fds, in, spec->n_keep_fds);
    fds->out = child_lift_fd(fds, out, spec->n_keep_fds);
    if (fds->in < 0 || fds->out < 0)
        return errno;
    for (size_t i = 0; i < spec->n_keep_fds; i++) {
        fds->keep[i] = child_lift_fd(fds, spec->keep_fds[i], spec->n_keep_fds);
        if (fds->keep[i] < 0)
            return errno;
    }
    return 0;
}

/* 0 or an errno. */
static int child_spawn(pid_t *pid, const struct child_spec *spec, const struct child_fds *fds)
{
    int all[3 + CHILD_MAX_KEEP_FDS] = {fds->in, fds->out, fds->out};
    for (size_t i = 0; i < spec->n_keep_fds; i++)
        all[3 + i] = fds->keep[i];
    const struct launch l = {
        .argv = spec->argv,
        .env = spec->env ? (char *const *)spec->env : environ,
        .cwd = spec->cwd,
        .fds = all,
        .n_fds = 3 + spec->n_keep_fds,
        .session = spec->detached,
        .hold = spec->hold,
        .hold_arg = spec->arg,
    };
    return launch(&l, pid);
}

static int child_check_spec(const struct child_spec *spec, struct err *err)
{
    if (!spec->argv || !spec->argv[0] || !spec->argv[0][0])
        return err_set(err, ERR_INVALID, "no program to start");
    if (spec->n_keep_fds > CHILD_MAX_KEEP_FDS)
        return err_set(err, ERR_INVALID, "cannot start %s: %zu descriptors to keep, %d at most",
                       spec->argv[0], spec->n_keep_fds, CHILD_MAX_KEEP_FDS);
    /* Else a missing folder would read as a missing program. */
    struct stat st;
    if (spec->cwd && stat(spec->cwd, &st) < 0)
        return err_sys(err, errno, "cannot start %s in %s", spec->argv[0], spec->cwd);
    return 0;
}

/* Opens what is not given, spawns, and leaves our end of the output pipe in *out_fd. */
static int child_launch(pid_t *pid, int *out_fd, const struct child_spec *spec, struct err *err)
{
    auto_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return err_sys(err, errno, "cannot start %s: /dev/null", spec->argv[0]);
    auto_fd int read_end = -1;
    auto_fd int write_end = -1;
    int out = spec->log_fd >= 0 ? spec->log_fd : null_fd;
    if (spec->max_capture_bytes > 0 || spec->output) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return err_sys(err, errno, "cannot start %s: pipe", spec->argv[0]);
        read_end = ends[0];
        out = write_end = ends[1];
        if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
            return err_sys(err, errno, "cannot start %s: pipe", spec->argv[0]);
    }
    struct child_fds fds = {.n_lifted = 0};
    int rc = child_lift_fds(&fds, spec, spec->stdin_fd >= 0 ? spec->stdin_fd : null_fd, out);
    if (rc == 0)
        rc = child_spawn(pid, spec, &fds);
    child_fds_done(&fds);
    if (rc != 0)
        return err_sys(err, rc, "cannot start %s", spec->argv[0]);
    *out_fd = take_fd(&read_end);
    return 0;
}

/* Ending */

static void child_free(struct child *c)
{
    watch_done(&c->gone);
    watch_done(&c->output);
    timer_done(&c->deadline);
    if (c->pidfd >= 0)
        close(c->pidfd);
    if (c->out_fd >= 0)
        close(c->out_fd);
    buf_done(&c->out);
    free(c);
}

static void child_keep_tail(struct child *c, const char *text, size_t len)
{
    size_t room = c->max_capture_bytes;
    if (room == 0)
        return;
    if (len > room) {
        text += len - room;
        len = room;
        c->truncated = true;
    }
    size_t after = buf_len(&c->out) + len;
    if (after > room) {
        buf_consume(&c->out, after - room);
        c->truncated = true;
    }
    if (buf_append(&c->out, text, len) < 0)
        c->truncated = true;
}

static void child_end_output(struct child *c)
{
    watch_done(&c->output);
    close(c->out_fd);
    c->out_fd = -1;
}

/* Reads one piece of at most max bytes. Its length, or 0: nothing now, no more, or abandoned (c is
 * freed then, and *abandoned set). */
static size_t child_read(struct child *c, size_t max, bool *abandoned)
{
    char text[CHILD_READ_BYTES];
    ssize_t n = read(c->out_fd, text, max < sizeof(text) ? max : sizeof(text));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        child_end_output(c);
    if (n <= 0)
        return 0;
    child_keep_tail(c, text, (size_t)n);
    if (c->output_cb) {
        c->in_output = true;
        c->output_cb(c->arg, text, (size_t)n);
        c->in_output = false;
        if (c->abandoned) {
            child_free(c);
            *abandoned = true;
            return 0;
        }
    }
    return (size_t)n;
}

/* The process is gone: what the pipe holds now is the rest. */
static void child_drain(struct child *c, bool *abandoned)
{
    int left = 0;
    if (c->out_fd < 0 || ioctl(c->out_fd, FIONREAD, &left) < 0)
        return;
    while (left > 0 && c->out_fd >= 0) {
        size_t n = child_read(c, (size_t)left, abandoned);
        if (n == 0)
            return;
        left -= (int)n;
    }
}

/* True when the process is over: it was reaped, reported and freed. */
static bool child_try_reap(struct child *c)
{
    siginfo_t info = {.si_pid = 0};
    /* First look, then drain, then reap: output() may still signal the group by its pid. */
    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
        return false;
    watch_want(&c->gone, 0);
    timer_stop(&c->deadline);
    bool abandoned = false;
    child_drain(c, &abandoned);
    if (abandoned)
        return true;
    waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG);
    bool exited = info.si_code == CLD_EXITED;
    struct child_exit result = {
        .code = exited ? info.si_status : -1,
        .signo = exited ? 0 : info.si_status,
        .timed_out = c->timed_out,
        .out = "",
        .out_len = buf_len(&c->out),
        .truncated = c->truncated,
    };
    if (buf_append(&c->out, "", 1) == 0)
        result.out = (const char *)buf_data(&c->out);
    else
        result.out_len = 0;
    c->in_output = true; /* child_abandon from exited() leaves the freeing to us */
    if (c->exited)
        c->exited(c->arg, &result);
    child_free(c);
    return true;
}

static void child_on_gone(void *arg, int events)
{
    (void)events;
    child_try_reap(arg);
}

static void child_on_output(void *arg, int events)
{
    (void)events;
    bool abandoned = false;
    child_read(arg, CHILD_READ_BYTES, &abandoned);
}

static void child_on_deadline(void *arg)
{
    struct child *c = arg;
    if (child_try_reap(c))
        return;
    c->timed_out = true;
    child_kill(c, SIGKILL);
}

/* Public */

static int child_attach(struct child *c, struct loop *loop, const struct child_spec *spec)
{
    c->pidfd = pidfd_open(c->pid, 0);
    if (c->pidfd < 0)
        return errno;
    if (watch_init(&c->gone, loop, c->pidfd, child_on_gone, c) < 0 ||
        timer_init(&c->deadline, loop, child_on_deadline, c) < 0)
        return ENOMEM;
    if (c->out_fd >= 0) {
        if (watch_init(&c->output, loop, c->out_fd, child_on_output, c) < 0)
            return ENOMEM;
        watch_want(&c->output, WATCH_READ);
    }
    watch_want(&c->gone, WATCH_READ);
    if (spec->deadline_ms > 0 && !spec->detached)
        timer_start(&c->deadline, spec->deadline_ms);
    return 0;
}

struct child *child_start(struct loop *loop, const struct child_spec *spec, struct err *err)
{
    if (child_check_spec(spec, err) < 0)
        return NULL;
    struct child *c = calloc(1, sizeof(*c));
    if (!c) {
        err_sys(err, ENOMEM, "cannot start %s", spec->argv[0]);
        return NULL;
    }
    c->pidfd = c->out_fd = -1;
    c->max_capture_bytes = spec->max_capture_bytes;
    c->output_cb = spec->output;
    c->exited = spec->exited;
    c->arg = spec->arg;
    buf_init(&c->out, spec->max_capture_bytes + 1); /* and a NUL */
    if (child_launch(&c->pid, &c->out_fd, spec, err) < 0) {
        child_free(c);
        return NULL;
    }
    int rc = child_attach(c, loop, spec);
    if (rc == 0)
        return c;
    /* It runs but cannot be watched: undo. SIGKILL makes the wait short. */
    child_kill(c, SIGKILL);
    waitpid(c->pid, NULL, 0);
    child_free(c);
    err_sys(err, rc, "cannot watch %s", spec->argv[0]);
    return NULL;
}

int child_start_unwatched(const struct child_spec *spec, pid_t *pid, int *pidfd, struct err *err)
{
    auto_fd int out_fd = -1;
    if (child_check_spec(spec, err) < 0 || child_launch(pid, &out_fd, spec, err) < 0)
        return -1;
    *pidfd = pidfd_open(*pid, 0);
    if (*pidfd >= 0)
        return 0;
    int cause = errno;
    kill(-*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    return err_sys(err, cause, "cannot watch %s", spec->argv[0]);
}

pid_t child_pid(const struct child *c)
{
    return c->pid;
}

int child_pidfd(const struct child *c)
{
    return c->pidfd;
}

void child_kill(struct child *c, int signo)
{
    kill(-c->pid, signo);
}

void child_abandon(struct child *c)
{
    if (c->in_output)
        c->abandoned = true;
    else
        child_free(c);
}
