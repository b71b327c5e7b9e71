/* From a StartSession message to a running process, or to the stage that failed. */
#include "agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/environment.h"
#include "agent/limits.h"
#include "agent/procs.h"
#include "agent/spawn.h"
#include "agent/subscription.h"
#include "agent/users.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum { N_DEFAULTS = 9, DEFAULT_BYTES = 300 };

/* argv and envp as execve wants them; the strings stay in the message. */
struct vectors {
    char **argv, **envp; /* owned arrays of borrowed strings */
    char defaults[N_DEFAULTS][DEFAULT_BYTES];
    const char *path;
};

static void vectors_done(struct vectors *v)
{
    free(v->argv);
    free(v->envp);
}

/* Adds the strings of s behind the n there are; returns the new count. */
static int add_strings(char **out, int n, struct slice s)
{
    for (const uint8_t *at = s.data; at < s.data + s.len; at += strlen((const char *)at) + 1)
        out[n++] = (char *)(uintptr_t)at;
    out[n] = NULL;
    return n;
}

static bool has_variable(struct slice env, const char *assignment)
{
    size_t n = strcspn(assignment, "=") + 1;
    for (const uint8_t *at = env.data; at < env.data + env.len; at += strlen((const char *)at) + 1)
        if (strncmp((const char *)at, assignment, n) == 0)
            return true;
    return false;
}

static int add_defaults(const struct session *s, struct vectors *v, const struct codec_start *start,
                        const struct user *user)
{
    int n = 0;
    snprintf(v->defaults[n++], DEFAULT_BYTES, "PATH=%s", default_path);
    snprintf(v->defaults[n++], DEFAULT_BYTES, "HOME=%s", user->home);
    snprintf(v->defaults[n++], DEFAULT_BYTES, "USER=%s", user->name);
    snprintf(v->defaults[n++], DEFAULT_BYTES, "LOGNAME=%s", user->name);
    snprintf(v->defaults[n++], DEFAULT_BYTES, "SHELL=%s", user->shell);
    snprintf(v->defaults[n++], DEFAULT_BYTES, "LANG=C.UTF-8");
    if (gethostname(v->defaults[n] + strlen("HOSTNAME="), DEFAULT_BYTES - 10) == 0)
        memcpy(v->defaults[n++], "HOSTNAME=", strlen("HOSTNAME="));
    snprintf(v->defaults[n++], DEFAULT_BYTES, PROCS_MARK "=%s", s->id);
    if (start->message.tty)
        snprintf(v->defaults[n++], DEFAULT_BYTES, "TERM=xterm-256color");
    int used = 0;
    for (int i = 0; i < n; i++)
        if (!has_variable(start->env, v->defaults[i]))
            v->envp[used++] = v->defaults[i];
    return used;
}

/* 0, or -1 with errno: EINVAL for strings that are not terminated or no command. */
static int make_vectors(const struct session *s, const struct codec_start *start,
                        const struct user *user, struct vectors *v)
{
    int argc = codec_count_strings(start->argv), envc = codec_count_strings(start->env);
    bool sane = codec_count_strings(start->required_commands) >= 0;
    if (argc < 1 || envc < 0 || !sane || start->argv.data[0] == '\0') {
        errno = EINVAL;
        return -1;
    }
    if (argc > SESSION_MAX_STRINGS || envc > SESSION_MAX_STRINGS) {
        errno = E2BIG;
        return -1;
    }
    v->argv = calloc((size_t)argc + 1, sizeof(char *));
    v->envp = calloc((size_t)envc + N_DEFAULTS + 1, sizeof(char *));
    if (!v->argv || !v->envp) {
        errno = ENOMEM;
        return -1;
    }
    add_strings(v->argv, 0, start->argv);
    int n = start->message.clear_env ? 0 : add_defaults(s, v, start, user);
    if (environment_add(v->envp, n, start->env, envc) < 0) {
        errno = ENOMEM;
        return -1;
    }
    v->path = default_path;
    for (char **e = v->envp; *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            v->path = *e + 5;
    return 0;
}

static const char *find_missing(struct slice names, const char *path)
{
    for (const uint8_t *at = names.data; at < names.data + names.len;
         at += strlen((const char *)at) + 1)
        if (!spawn_can_find((const char *)at, path))
            return (const char *)at;
    return NULL;
}

/* The child's ends of stdin, stdout, stderr, and ours; -1 where there is none. */
struct ends {
    int child[3], ours[3];
};

static void close_ends(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static int open_pipes(const struct codec_start *start, struct ends *e)
{
    for (int i = 0; i < 3; i++) {
        int p[2];
        if (i == 0 && start->message.stdin_mode == PB(StdinMode_STDIN_MODE_NONE)) {
            e->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
            if (e->child[0] < 0)
                return -1;
            continue;
        }
        if (i == 2 && start->message.merge_stderr) {
            e->child[2] = fcntl(e->child[1], F_DUPFD_CLOEXEC, 3);
            return e->child[2] < 0 ? -1 : 0;
        }
        if (pipe2(p, O_CLOEXEC) < 0)
            return -1;
        e->child[i] = p[i == 0 ? 0 : 1];
        e->ours[i] = p[i == 0 ? 1 : 0];
    }
    return 0;
}

static int open_terminal(const struct codec_start *start, struct ends *e)
{
    char name[64];
    int master = e->ours[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, name, sizeof(name)) != 0)
        return -1;
    struct winsize size = {
        .ws_row = (unsigned short)(start->message.rows ? start->message.rows : 24),
        .ws_col = (unsigned short)(start->message.columns ? start->message.columns : 80)};
    ioctl(master, TIOCSWINSZ, &size);
    e->ours[0] = fcntl(master, F_DUPFD_CLOEXEC, 3);
    e->child[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    e->child[1] = fcntl(e->child[0], F_DUPFD_CLOEXEC, 3);
    e->child[2] = fcntl(e->child[0], F_DUPFD_CLOEXEC, 3);
    return e->ours[0] < 0 || e->child[2] < 0 ? -1 : 0;
}

/* All that another agent has to know of it: from here on we may end at any moment. */
static void keep_before_start(struct session *s, const struct codec_start *start,
                              const struct vectors *v, const int ours[3], int report_fd)
{
    const int fds[STORE_FDS] = {ours[0], ours[1], ours[2], report_fd, -1, -1};
    s->k->started_ns = (uint64_t)clock_real_ns();
    s->k->started_mono_ns = clock_mono_ns();
    /* in front of the report's errno, should there be one */
    snprintf(s->k->error, sizeof(s->k->error), "cannot run %.200s", v->argv[0]);
    if (start->message.timeout_ms)
        s->k->timeout_at_ms = clock_mono_ms() + start->message.timeout_ms;
    session_enter(s, SESSION_STARTING);
    store_put(&s->table->store, s->slot, fds);
}

static bool claim_slot(void *arg, pid_t pid)
{
    const struct session *s = arg;
    return store_claim(&s->table->store, s->slot, pid);
}

static pid_t start_kept(struct session *s, struct spawn_plan *plan)
{
    struct store *store = &s->table->store;
    plan->stage = &s->k->spawn_stage;
    plan->sys = &s->k->spawn_errno;
    plan->what = &s->k->spawn_what;
    plan->claim = claim_slot;
    plan->claim_arg = s;
    plan->as_sibling = store->keeper_fd >= 0;
    store_intend(store, s->slot);
    pid_t pid = spawn_start(plan);
    if (pid > 0) {
        store_claim(store, s->slot, pid);
        s->k->pid = (uint32_t)pid;
    } else {
        store_void(store, s->slot);
    }
    return pid;
}

static void start_process(struct session *s, const struct codec_start *start,
                          const struct user *user, const struct vectors *v)
{
    struct ends ends = {{-1, -1, -1}, {-1, -1, -1}};
    if ((start->message.tty ? open_terminal(start, &ends) : open_pipes(start, &ends)) < 0) {
        int sys = errno;
        close_ends(ends.child);
        close_ends(ends.ours);
        session_fail(s, start->message.tty ? "tty" : "spawn", sys, "cannot make its %s: %s",
                     start->message.tty ? "terminal" : "pipes", strerror(sys));
        return;
    }
    struct limits limits;
    if (!limits_read(start, &limits)) {
        close_ends(ends.child);
        close_ends(ends.ours);
        session_fail(s, "limits", EINVAL, "malformed limits");
        return;
    }
    int report[2] = {-1, -1};
    auto_fd int cgroup = cgroup_make(&s->table->cgroups, s->id);
    const char *cwd = start->message.cwd;
    struct spawn_plan plan = {
        .argv = v->argv,
        .envp = v->envp,
        .path = v->path,
        .cwd = *cwd ? cwd : user->home,
        .cwd_optional = *cwd == '\0',
        .user = geteuid() == 0 ? user : NULL,
        .umask = start->message.umask ? (mode_t)(start->message.umask - 1) & 0777 : 022,
        .limits = &limits,
        .fds = {ends.child[0], ends.child[1], ends.child[2]},
        .tty = start->message.tty,
        .tool = start->message.tool,
        .cgroup_fd = cgroup,
    };
    bool ready = spawn_open_report(report) == 0 &&
                 session_prepare_io(s, ends.ours[0], ends.ours[1], ends.ours[2]) == 0;
    plan.report_fd = report[1];
    if (ready) {
        keep_before_start(s, start, v, ends.ours, report[0]);
        s->pid = start_kept(s, &plan);
    }
    int sys = errno;
    close_ends(ends.child);
    if (report[1] >= 0)
        close(report[1]);
    if (s->pid <= 0 || session_open_io(s, ends.ours[0], ends.ours[1], ends.ours[2]) < 0) {
        if (s->pid > 0)
            kill(s->pid, SIGKILL); /* its end is noticed like any other's */
        close_ends(ends.ours);
        if (report[0] >= 0)
            close(report[0]);
        session_fail(s, "spawn", sys, "cannot start a process: %s", strerror(sys));
        return;
    }
    session_watch_report(s, report[0]);
    session_arm_timeout(s);
}

static void launch_with(struct session *s, const struct codec_start *start, struct vectors *v)
{
    struct user user;
    struct err err = ERR_INIT;
    if (user_find("", start->message.user, start->message.group, &user, &err) < 0) {
        session_fail(s, "user", ENOENT, "%.200s", err.message);
        return;
    }
    if (geteuid() != 0 && user.uid != geteuid()) {
        session_fail(s, "user", EPERM, "cannot become %s: the agent is not root", user.name);
        return;
    }
    if (make_vectors(s, start, &user, v) < 0) {
        session_fail(s, "spawn", errno, "argv or env: %s", strerror(errno));
        return;
    }
    const char *missing = find_missing(start->required_commands, v->path);
    if (missing) {
        session_fail(s, "required_commands", ENOENT, "%.200s is not in PATH", missing);
        return;
    }
    start_process(s, start, &user, v);
}

void session_launch(struct session *s, struct slice body)
{
    struct codec_start start;
    if (s->table->closed_error[0]) {
        session_fail(s, "boot", EIO, "%s", s->table->closed_error);
        return;
    }
    if (!codec_read_start(body, &start)) {
        session_fail(s, "spawn", EINVAL, "malformed request");
        return;
    }
    s->k->tty = start.message.tty;
    s->k->tool = start.message.tool;
    s->k->drain_ms = start.message.drain_ms ? start.message.drain_ms : SESSION_DRAIN_MS;
    s->k->hold_ms = start.message.hold_ms;
    s->k->until_acked = start.message.until_acked;
    s->k->drain_until_closed = start.message.drain_until_closed;
    s->k->drop_acked = start.message.drop_acked && start.message.hold_ms > 0;
    if (s->k->hold_ms > 0 && !subscriptions_held(s))
        session_hold_from(s, 0, 0);
    for (uint32_t i = 0; i < 2; i++)
        spool_init(&s->out[i].spool, &s->table->pool, s->slot, i, &s->k->out[i].spool,
                   start.message.spool_bytes, s->k->drop_acked);
    struct vectors v = {0};
    launch_with(s, &start, &v);
    vectors_done(&v);
}
