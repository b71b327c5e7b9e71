/* The daemon under test and the guard behind it; see harness.h. */
#include "tests/support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/methods.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "daemon/model/state_tag.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

extern char **environ;

enum { GUARD_ROUNDS = 100, LOG_TAIL_BYTES = 6000, END_MS = 30000, ENV_ENTRIES_MAX = 256 };

static const char *program_path(const char *variable, const char *built)
{
    const char *set = getenv(variable);
    return set && *set ? set : built;
}

const char *harness_daemon_path(void)
{
    return program_path("BANGER_TEST_DAEMON", BANGER_TEST_DAEMON_FILE);
}

const char *harness_emit_path(void)
{
    return program_path("BANGER_TEST_EMIT", BANGER_TEST_EMIT_FILE);
}

static void print_log_tail(const struct harness *h)
{
    auto_fd int fd = open(h->log, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char text[LOG_TAIL_BYTES];
    if (fd < 0 || fstat(fd, &st) < 0)
        return;
    off_t from = st.st_size > LOG_TAIL_BYTES ? st.st_size - LOG_TAIL_BYTES : 0;
    ssize_t n = pread(fd, text, sizeof(text), from);
    if (n > 0)
        fprintf(stderr, "---- end of the daemon's log\n%.*s\n----\n", (int)n, text);
}

void harness_die(const struct harness *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "FATAL ");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    print_log_tail(h);
    fflush(NULL);
    _exit(1);
}

bool harness_until(bool (*cond)(void *arg), void *arg, int64_t timeout_ms)
{
    for (int64_t end = clock_mono_ms() + timeout_ms;;) {
        if (cond(arg))
            return true;
        if (clock_mono_ms() >= end)
            return false;
        poll(NULL, 0, 5);
    }
}

/* The guard */

/* Of its VMs, which nobody removes where the test is killed; their processes are gone. */
static void guard_remove_groups(const struct harness *h)
{
    static const char *const trees[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char tag[STATE_TAG_BYTES], pattern[96];
    glob_t found;
    for (size_t i = 0; i < 2 && state_tag(h->state, tag, NULL) == 0; i++) {
        snprintf(pattern, sizeof(pattern), "%s/banger/%s-*", trees[i], tag);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t n = 0; n < found.gl_pathc; n++)
            rmdir(found.gl_pathv[n]);
        globfree(&found);
    }
}

/* Waits for the test's end, then leaves nothing of it. A daemon that is left is killed with the
 * rest: its arguments name the folder, too. */
static void guard_run(const struct harness *h, int fd)
{
    static struct harness_process found[HARNESS_PROCESSES_MAX];
    struct harness all = *h;
    char byte;
    all.daemon = 0;
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    for (int round = 0; round < GUARD_ROUNDS; round++) {
        size_t n = harness_processes(&all, found, HARNESS_PROCESSES_MAX);
        if (n == 0)
            break;
        for (size_t i = 0; i < n; i++)
            kill(found[i].pid, SIGKILL);
        poll(NULL, 0, 20);
    }
    guard_remove_groups(h);
    if (!getenv("BANGER_TEST_KEEP"))
        fs_remove_tree(h->dir, NULL);
    _exit(0);
}

/* Twice removed, so that nobody waits for it and ctest's own killing of a tree misses it. */
static void start_guard(struct harness *h)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        harness_die(h, "no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        if (fork() == 0)
            guard_run(h, fds[0]);
        _exit(0);
    }
    close(fds[0]);
    h->guard_fd = fds[1];
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        harness_die(h, "no guard: %s", strerror(errno));
}

/* The daemon */

enum { PATH_ROOM = 4096 };

static char no_config[] = "BANGER_CONFIG=/dev/null";
/* Nor its systemd, nor its cgroups: a test that wants those says --scopes. */
static char no_scopes[] = "BANGER_SCOPES=none";
/* A callback of the daemon's loop that blocks fails the test; see harness_close. */
static char loop_limit[] = "BANGER_LOOP_LIMIT_MS=20";
static char by_jailer[] = "BANGER_FIRECRACKER_JAILER=yes";

/* With the firecracker that BANGER_FIRECRACKER names, or the one of tests/support/, before all
 * others: where it is the engine, as it takes a daemon's time to look at it. */
static char *search_path(const struct harness *h, char path[PATH_ROOM])
{
    const char *file = getenv("BANGER_FIRECRACKER"), *before = getenv("PATH");
    bool is_engine = strcmp(h->driver, "firecracker") == 0;
    if (!file)
        file = BANGER_TEST_FIRECRACKER_FILE;
    snprintf(path, PATH_ROOM, "PATH=%.*s%s%s", is_engine ? (int)(strrchr(file, '/') - file) : 0,
             file, is_engine ? ":" : "", before ? before : "/usr/bin:/bin");
    return path;
}

static void fill_environment(const struct harness *h, char **out, const char *const *env,
                             char *asan, size_t asan_size)
{
    static char path[PATH_ROOM];
    int n = 0;
    for (char **e = environ; *e && n < ENV_ENTRIES_MAX - HARNESS_ENV_MAX - 9; e++)
        if (strncmp(*e, "BANGER_", 7) != 0 && strncmp(*e, "ASAN_OPTIONS=", 13) != 0 &&
            strncmp(*e, "PATH=", 5) != 0)
            out[n++] = *e;
    /* So that memory figures mean something where the daemon has ASan in it. */
    const char *given = getenv("ASAN_OPTIONS");
    snprintf(asan, asan_size, "ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=8%s%s",
             given ? ":" : "", given ? given : "");
    out[n++] = asan;
    out[n++] = search_path(h, path);
    out[n++] = no_config; /* not this machine's; a test's own goes by --config */
    out[n++] = no_scopes;
    out[n++] = loop_limit;
    if (h->jailed)
        out[n++] = by_jailer;
    for (int i = 0; env && env[i] && i < HARNESS_ENV_MAX; i++)
        out[n++] = (char *)(uintptr_t)env[i];
    out[n] = NULL;
}

/* As sd_listen_fds(3) wants it. */
static void say_given(const struct harness *h, char **envp)
{
    static char pid[32], fds[] = "LISTEN_FDS=1";
    int n = 0;
    if (h->given_fd <= 0)
        return;
    while (envp[n])
        n++;
    snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
    envp[n++] = pid;
    envp[n++] = fds;
    envp[n] = NULL;
}

static void run_daemon(const struct harness *h, const char *const *env)
{
    char *envp[ENV_ENTRIES_MAX];
    char asan[512];
    const char *argv[16 + HARNESS_ENV_MAX] = {"bangerd", "--state-dir", h->state, "--socket",
                                              h->socket, "--driver",    h->driver};
    int n = 7;
    for (int i = 0; h->args[i]; i++)
        argv[n++] = h->args[i];
    argv[n++] = "--agent";
    argv[n++] = h->boots ? program_path("BANGER_TEST_AGENT", BANGER_TEST_AGENT_FILE)
                         : program_path("BANGER_TEST_SIM_AGENT", BANGER_TEST_SIM_AGENT_FILE);
    argv[n] = NULL;
    fill_environment(h, envp, env, asan, sizeof(asan));
    say_given(h, envp);
    int null = open("/dev/null", O_RDONLY);
    int log = open(h->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    if (h->given_fd > 0)
        dup2(h->given_fd, 3);
    closefrom(h->given_fd > 0 ? 4 : 3);
    execve(harness_daemon_path(), (char *const *)(uintptr_t)argv, envp);
    fprintf(stderr, "cannot run %s: %s\n", harness_daemon_path(), strerror(errno));
    _exit(127);
}

static bool daemon_answers(const struct harness *h)
{
    struct banger_client *client = harness_connect_once(h);
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *answer =
        client ? banger_check_health(client, &request, NULL, NULL) : NULL;
    bool well = answer != NULL;
    banger_message_free(answer ? &answer->base : NULL);
    banger_close(client);
    return well;
}

bool harness_wait_end(struct harness *h, int64_t timeout_ms, int *status)
{
    struct pollfd p = {.fd = h->pidfd, .events = POLLIN};
    int got = 0;
    if (h->daemon <= 0 || poll(&p, 1, (int)timeout_ms) != 1)
        return false;
    if (waitpid(h->daemon, &got, 0) != h->daemon)
        harness_die(h, "waitpid: %s", strerror(errno));
    close(h->pidfd);
    h->daemon = 0;
    h->pidfd = -1;
    if (status)
        *status = got;
    return true;
}

int harness_try_start(struct harness *h, const char *const *env)
{
    if (h->daemon)
        harness_die(h, "the daemon runs already");
    fflush(NULL);
    h->daemon = fork();
    if (h->daemon == 0)
        run_daemon(h, env);
    if (h->daemon < 0)
        harness_die(h, "fork: %s", strerror(errno));
    h->pidfd = (int)syscall(SYS_pidfd_open, h->daemon, 0);
    if (h->pidfd < 0)
        harness_die(h, "pidfd_open: %s", strerror(errno));
    for (int64_t end = clock_mono_ms() + HARNESS_START_MS; clock_mono_ms() < end;) {
        if (daemon_answers(h))
            return 0;
        if (harness_wait_end(h, 5, NULL))
            return -1;
    }
    harness_die(h, "the daemon does not answer within %d ms", HARNESS_START_MS);
}

void harness_start(struct harness *h, const char *const *env)
{
    if (harness_try_start(h, env) < 0)
        harness_die(h, "the daemon ended before it answered");
}

int harness_end(struct harness *h, int signo)
{
    int status = 0;
    kill(h->daemon, signo);
    if (!harness_wait_end(h, END_MS, &status)) {
        kill(h->daemon, SIGABRT);
        harness_die(h, "the daemon did not end within %d ms of signal %d", END_MS, signo);
    }
    return status;
}

void harness_crash(struct harness *h)
{
    harness_end(h, SIGKILL);
    harness_start(h, NULL);
}

struct banger_client *harness_connect(const struct harness *h)
{
    static const struct told_client patient = {.retry_ms = HARNESS_START_MS,
                                               .wait_for_ready_ms = HARNESS_START_MS};
    struct banger_error error;
    struct banger_client *client = told_connect(h->socket, &patient, &error);
    if (!client)
        harness_die(h, "no client: %s", error.message);
    return client;
}

struct banger_client *harness_connect_once(const struct harness *h)
{
    static const struct told_client impatient = {.retry_ms = -1, .wait_for_ready_ms = -1};
    struct banger_error error;
    struct banger_client *client = told_connect(h->socket, &impatient, &error);
    if (!client)
        harness_die(h, "no client: %s", error.message);
    return client;
}

bool harness_own_network(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    if (unshare(CLONE_NEWNET) < 0)
        return false;
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    lo.ifr_flags = IFF_UP;
    return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
}

void harness_prepare(struct harness *h, const char *driver)
{
    memset(h, 0, sizeof(*h));
    h->jailed = strcmp(driver, "firecracker_jailed") == 0;
    h->driver = h->jailed ? "firecracker" : driver;
    h->boots = strcmp(driver, "sim") != 0;
    h->pidfd = h->guard_fd = -1;
    if (h->boots && !getenv("BANGER_TEST_ASSETS"))
        exit(check_skip("no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"));
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(h->dir, sizeof(h->dir), "/tmp/bt.XXXXXX");
    if (!mkdtemp(h->dir))
        harness_die(h, "mkdtemp: %s", strerror(errno));
    snprintf(h->state, sizeof(h->state), "%s/s", h->dir);
    snprintf(h->socket, sizeof(h->socket), "%s/s/run/bangerd.sock", h->dir);
    snprintf(h->log, sizeof(h->log), "%s/bangerd.log", h->dir);
    start_guard(h);
}

void harness_open(struct harness *h, const char *driver)
{
    harness_prepare(h, driver);
    harness_start(h, NULL);
    if (h->boots)
        harness_import_assets(h);
}

enum { LOOP_ASLEEP_MS = 250 }; /* what blocks for so long is no lock's holder that was preempted */

/* What rpc/event/loop_turn.c says of callbacks that held up all others (20 ms): told, and a failure
 * where one slept as no busy machine explains it. */
static bool loop_was_held_up(const struct harness *h)
{
    char line[1024];
    bool found = false;
    FILE *log = fopen(h->log, "re");
    while (log && fgets(line, sizeof(line), log)) {
        const char *at = strstr(line, "subject=\"loop\" msg=\"a turn took");
        int took, asleep;
        if (!at || sscanf(at, "subject=\"loop\" msg=\"a turn took %d ms: %d", &took, &asleep) != 2)
            continue;
        fprintf(stderr, "the daemon's loop was held up: %s", line);
        found |= asleep >= LOOP_ASLEEP_MS && !h->stops_it;
    }
    if (log)
        fclose(log);
    return found;
}

bool harness_close(struct harness *h)
{
    int status = h->daemon ? harness_end(h, SIGTERM) : 0;
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!clean) {
        fprintf(stderr, "the daemon ended with wait status 0x%x\n", (unsigned)status);
        print_log_tail(h);
    }
    clean = clean && !loop_was_held_up(h);
    close(h->guard_fd);
    return clean;
}
