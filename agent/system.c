/* The guest as a machine; see system.h. */
#include "agent/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/shares.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"

enum {
    MAX_ETC_BYTES = 256 * 1024,
    INIT_GRACE_MS = 30000,  /* an init system's own shutdown */
    STRAY_GRACE_MS = 1000,  /* processes that are nobody's session */
    SYSTEMD_POWER_OFF = 38, /* SIGRTMIN+4 and +5 as the kernel counts; musl's SIGRTMIN is another */
    SYSTEMD_REBOOT = 39,
    CLOCK_SLACK_MS = 20, /* not worth a step: what a message may take */
};

static int set_clock(uint64_t realtime_ns, struct err *err)
{
    struct timespec t = {.tv_sec = (time_t)(realtime_ns / 1000000000),
                         .tv_nsec = (long)(realtime_ns % 1000000000)};
    return clock_settime(CLOCK_REALTIME, &t) < 0 ? err_sys(err, errno, "cannot set the clock") : 0;
}

static void correct_clock(uint64_t realtime_ns)
{
    struct err err = ERR_INIT;
    int64_t off_ns = (int64_t)realtime_ns - clock_real_ns();
    if (off_ns > -(int64_t)CLOCK_SLACK_MS * 1000000 && off_ns < (int64_t)CLOCK_SLACK_MS * 1000000)
        return;
    if (set_clock(realtime_ns, &err) < 0)
        log_warn("agent", "%s", err.message);
}

/* Mixed in and credited (random(4)), then the generator is told to use it at once, so that clones
 * of one snapshot part ways. */
static int add_entropy(const void *bytes, size_t n, struct err *err)
{
    auto_fd int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    auto_free struct rand_pool_info *info = calloc(1, sizeof(*info) + n);
    if (fd < 0 || !info)
        return err_sys(err, errno, "cannot open /dev/urandom");
    info->entropy_count = (int)(n * 8);
    info->buf_size = (int)n;
    memcpy(info->buf, bytes, n);
    if (ioctl(fd, RNDADDENTROPY, info) < 0)
        return err_sys(err, errno, "cannot add entropy");
    ioctl(fd, RNDRESEEDCRNG);
    return 0;
}

/* No fsync: these files are written anew at every boot. A link (to a resolver's file, perhaps
 * dangling) is replaced. */
static int write_etc(const char *path, const char *text, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        unlink(path);
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    size_t n = strlen(text);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        return err_sys(err, errno, "cannot write %s", path);
    return 0;
}

/* /etc/hosts keeps its lines but for the one of 127.0.1.1, which is ours (as Debian has it). Images
 * of containers have an empty one. */
static int set_hosts(const char *hostname, struct err *err)
{
    static const char own[] = "127.0.1.1";
    auto_free char *old = NULL;
    if (fs_read("/etc/hosts", MAX_ETC_BYTES, &old, NULL, NULL) < 0 || !strstr(old, "localhost")) {
        free(old);
        old = strdup("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
                     "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
                     "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
    }
    size_t size = (old ? strlen(old) : 0) + 128;
    auto_free char *text = malloc(size);
    if (!old || !text)
        return err_set(err, ERR_LIMIT, "out of memory");
    size_t len = 0;
    char *rest = old;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && strncmp(line, own, sizeof(own) - 1) != 0)
            len += (size_t)snprintf(text + len, size - len, "%s\n", line);
    snprintf(text + len, size - len, "%s\t%s\n", own, hostname);
    return write_etc("/etc/hosts", text, err);
}

static int set_hostname(const char *hostname, struct err *err)
{
    if (sethostname(hostname, strlen(hostname)) < 0)
        return err_sys(err, errno, "cannot set the host name");
    char line[80];
    snprintf(line, sizeof(line), "%s\n", hostname);
    if (write_etc("/etc/hostname", line, err) < 0)
        return -1;
    return set_hosts(hostname, err);
}

static int set_dns(const char *server, struct err *err)
{
    char line[64];
    snprintf(line, sizeof(line), "nameserver %s\n", server);
    return write_etc("/etc/resolv.conf", line, err);
}

static int mount_work(struct agent *agent, const char *where, struct err *err)
{
    struct machine *m = &agent->k->machine;
    if (m->work_mount[0])
        return 0;
    if (!m->work_device[0])
        return err_set(err, ERR_NOT_FOUND, "there is no work disk to mount on %s", where);
    if (fs_make_dirs(where, 0755, err) < 0)
        return -1;
    if (mount(m->work_device, where, "ext4", MS_NOATIME, NULL) < 0)
        return err_sys(err, errno, "cannot mount %s on %s", m->work_device, where);
    snprintf(m->work_mount, sizeof(m->work_mount), "%s", where);
    if (spool_pool_want(&agent->sessions.pool, where) < 0)
        log_warn("agent", "output does not go to the work disk for now: %s", strerror(errno));
    return 0;
}

/* Everything is tried; what failed first is told. Who logged in as a mere user is no master of the
 * machine, which has set itself up. */
static void configure(struct agent *agent, const PB(Configure) * c, char *error, size_t size)
{
    struct err first = ERR_INIT, e = ERR_INIT;
    int n_failed = 0;
    *error = '\0';
    if (geteuid() != 0)
        return;
#define TRY(wanted, call)                                                                          \
    do {                                                                                           \
        if ((wanted) && (call) < 0 && n_failed++ == 0)                                             \
            first = e;                                                                             \
    } while (0)
    TRY(c->realtime_ns, set_clock(c->realtime_ns, &e));
    TRY(c->entropy.size, add_entropy(c->entropy.bytes, c->entropy.size, &e));
    TRY(c->hostname[0], set_hostname(c->hostname, &e));
    TRY(c->address_cidr[0], network_set(c->address_cidr, c->gateway, c->window_bytes, &e));
    TRY(c->dns_server[0], set_dns(c->dns_server, &e));
    TRY(c->work_mount[0], mount_work(agent, c->work_mount, &e));
#undef TRY
    snprintf(error, size, "%s", n_failed ? first.message : "");
}

void system_prepare(struct agent *agent, bool has_spool)
{
    cgroups_init(&agent->sessions.cgroups, "/sys/fs/cgroup/banger");
    shares_set(&agent->sessions.cgroups, agent->sessions.store.keeper_fd >= 0 ? getppid() : 0);
    sessions_purge(&agent->sessions);
    if (has_spool)
        return;
    static const char *const folders[] = {"/var/lib/banger/spool", "/run/banger"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        if (fs_make_dirs(folders[i], 0700, NULL) == 0 &&
            spool_pool_use(&agent->sessions.pool, folders[i]) == 0)
            return;
    spool_pool_want(&agent->sessions.pool, folders[0]);
    log_warn("agent", "output stays in memory for now: no folder can be written");
}

/* Waits for children until there are none or the deadline comes. */
static void reap_until(int64_t deadline_ms)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 || clock_mono_ms() > deadline_ms)
            return;
        if (pid == 0)
            usleep(2000);
    }
}

static _Noreturn void power_off_now(struct agent *agent, PB(ShutdownMode) mode)
{
    if (agent->k->machine.is_init) {
        kill(-1, SIGTERM);
        reap_until(clock_mono_ms() + STRAY_GRACE_MS);
        kill(-1, SIGKILL);
        reap_until(clock_mono_ms() + STRAY_GRACE_MS);
    }
    sync();
    if (agent->k->machine.work_mount[0])
        umount2(agent->k->machine.work_mount, MNT_DETACH);
    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    sync();
    reboot(mode == PB(ShutdownMode_SHUTDOWN_MODE_REBOOT) ? RB_AUTOBOOT : RB_POWER_OFF);
    for (;;) /* cannot be refused to process 1 or root; the daemon's patience is the bound */
        pause();
}

static bool init_is_systemd(void)
{
    char exe[256];
    ssize_t n = readlink("/proc/1/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    return strstr(exe, "systemd") != NULL;
}

static void ask_init(PB(ShutdownMode) mode)
{
    bool again = mode == PB(ShutdownMode_SHUTDOWN_MODE_REBOOT);
    if (init_is_systemd()) {
        kill(1, again ? SYSTEMD_REBOOT : SYSTEMD_POWER_OFF);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execl(again ? "/sbin/reboot" : "/sbin/poweroff", again ? "reboot" : "poweroff",
              (char *)NULL);
        _exit(127);
    }
}

/* Without an init system, and not being one ourselves, the guest is not ours to end (a container, a
 * host): then only the agent ends. */
static int power_off(struct agent *agent, PB(ShutdownMode) mode, bool force)
{
    bool inside = agent->k->machine.is_init || agent->k->machine.has_init;
    if (agent->k->machine.is_init || (force && inside))
        power_off_now(agent, mode);
    if (!inside)
        return 0;
    ask_init(mode);
    return INIT_GRACE_MS;
}

const struct agent_system system_guest = {
    .configure = configure, .set_clock = correct_clock, .power_off = power_off};
