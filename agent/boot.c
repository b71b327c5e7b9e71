/* Boot as process 1; see boot.h.
 *
 * One small step after the other from a timer, so that the link is served in between: the daemon
 * gets its answer as soon as the port's module is there, long before the root is. A step that fails
 * ends the boot with an error that the daemon sees; the agent stays, so that it can be asked. */
#include "agent/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/spawn.h"
#include "agent/surroundings.h"
#include "agent/system.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

enum { ROOT_WAIT_MS = 10000, ROOT_LOOK_MS = 5, MAX_FILE_BYTES = 64 * 1024 };

static const char new_root[] = "/newroot";

struct boot {
    struct agent *agent;
    struct loop_timer step;
    char root[64], fstype[16];
    char vsock[12]; /* port to listen on; "": there is a virtio-serial port */
    bool init_wanted;
    char *modules, *next_module; /* the order file, and the rest of it */
    int64_t deadline_ms;
};

/* The kernel gives process 1 /dev/console where the initramfs has the node. */
static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0)
        fd = open("/dev/null", O_RDWR);
    for (int i = 0; fd >= 0 && i < 3; i++)
        if (fd != i)
            dup2(fd, i);
    if (fd > 2)
        close(fd);
}

static void copy_value(char *out, size_t size, const char *word, const char *key)
{
    size_t n = strlen(key);
    if (strncmp(word, key, n) == 0)
        snprintf(out, size, "%s", word + n);
}

static void read_command_line(struct boot *b)
{
    char init[16] = "auto";
    auto_free char *text = NULL;
    snprintf(b->fstype, sizeof(b->fstype), "ext4");
    if (fs_read("/proc/cmdline", MAX_FILE_BYTES, &text, NULL, NULL) < 0)
        return;
    char *rest = text;
    for (char *word; (word = strsep(&rest, " \n"));) {
        copy_value(b->root, sizeof(b->root), word, "banger.root=");
        copy_value(b->fstype, sizeof(b->fstype), word, "banger.rootfstype=");
        copy_value(b->agent->k->machine.work_device, sizeof(b->agent->k->machine.work_device), word,
                   "banger.work=");
        copy_value(init, sizeof(init), word, "banger.init=");
        copy_value(b->vsock, sizeof(b->vsock), word, "banger.vsock=");
    }
    b->init_wanted = strcmp(init, "none") != 0;
}

static void load_module(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : "/modules/", name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
        log_warn("boot", "cannot load %s: %s", path, strerror(errno));
}

static void then(struct boot *b, void (*step)(struct loop_timer *), int64_t in_ms)
{
    b->step.fired = step;
    loop_arm(&b->agent->loop, &b->step, in_ms);
}

static void fail(struct boot *b, const char *what, const char *subject, int sys)
{
    char text[256];
    snprintf(text, sizeof(text), "%s %s: %s", what, subject, strerror(sys));
    log_error("boot", "%s", text);
    agent_set_root(b->agent, text);
}

/* Files of the initramfs are memory: the modules and the program's own. */
static void free_initramfs(void)
{
    unlink("/init");
    auto_dir DIR *dir = opendir("/modules");
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
}

/* What was mounted moves along, and the root itself goes over /. */
static int switch_root(void)
{
    if (surroundings_move(new_root) < 0)
        return -1;
    free_initramfs();
    if (chdir(new_root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
        return -1;
    return chdir("/");
}

static const char *find_init(void)
{
    static const char *const inits[] = {"/sbin/init", "/lib/systemd/systemd"};
    for (size_t i = 0; i < sizeof(inits) / sizeof(*inits); i++)
        if (access(inits[i], X_OK) == 0)
            return inits[i];
    return NULL;
}

/* Process 1 becomes the image's init; where that fails it only reaps. */
static _Noreturn void become_init(const char *init)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    char *argv[] = {(char *)(uintptr_t)init, NULL};
    char *envp[] = {"HOME=/", "TERM=linux", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    execve(init, argv, envp);
    log_error("boot", "cannot run %s: %s", init, strerror(errno));
    for (;;)
        if (waitpid(-1, NULL, 0) < 0)
            pause();
}

/* The agent goes on as a child of the init: same link, same sessions that wait, a new process. */
static void start_init(struct boot *b, const char *init)
{
    pid_t pid = fork();
    if (pid > 0)
        become_init(init);
    if (pid < 0) {
        log_error("boot", "cannot fork: %s", strerror(errno));
        return; /* stays process 1, which works as well */
    }
    setsid();
    b->agent->k->machine.is_init = false;
    b->agent->k->machine.has_init = true;
}

/* From here on there are sessions, and their memory and files outlive the agent. */
static void get_keeper(struct boot *b)
{
    static char name[] = "banger-agent", port[] = "--port", agent[] = "agent", vsock[] = "--vsock";
    static char *later[] = {name, port, agent, NULL};
    if (b->vsock[0]) {
        later[1] = vsock;
        later[2] = b->vsock;
    }
    if (agent_get_keeper(b->agent, later) < 0)
        log_error("boot", "sessions end with the agent: %s", strerror(errno));
    agent_watch_signals(b->agent);
}

static void enter_root(struct boot *b)
{
    if (switch_root() < 0) {
        fail(b, "cannot switch to", b->root, errno);
        return;
    }
    const char *init = b->init_wanted ? find_init() : NULL;
    if (init)
        start_init(b, init);
    spawn_protect_self(true); /* after the fork: an init does not want it */
    get_keeper(b);
    system_prepare(b->agent, false);
    agent_set_root(b->agent, "");
}

static void step_root(struct loop_timer *timer)
{
    struct boot *b = container_of(timer, struct boot, step);
    if (access(b->root, F_OK) < 0) {
        if (clock_mono_ms() > b->deadline_ms)
            fail(b, "there is no root device", b->root, ENOENT);
        else
            then(b, step_root, ROOT_LOOK_MS);
        return;
    }
    mkdir(new_root, 0755);
    if (mount(b->root, new_root, b->fstype, MS_NOATIME, NULL) < 0)
        fail(b, "cannot mount", b->root, errno);
    else
        enter_root(b);
}

static void step_modules(struct loop_timer *timer)
{
    struct boot *b = container_of(timer, struct boot, step);
    char *name = strsep(&b->next_module, "\n");
    if (name && *name)
        load_module(name);
    link_look(&b->agent->link);
    if (b->next_module) {
        then(b, step_modules, 0);
        return;
    }
    free(b->modules);
    b->modules = NULL;
    b->deadline_ms = clock_mono_ms() + ROOT_WAIT_MS;
    if (b->root[0])
        then(b, step_root, 0);
    else
        fail(b, "no banger.root= on", "the kernel command line", EINVAL);
}

int boot_run(struct agent *agent)
{
    static struct boot boot; /* as long as process 1 */
    boot.agent = agent;
    surroundings_mount();
    open_console();
    if (agent_init(agent, &system_guest, NULL) < 0 || agent_watch_signals(agent) < 0)
        log_error("boot", "cannot start the agent: %s", strerror(errno));
    agent->k->machine.is_init = true;
    read_command_line(&boot);
    if (boot.vsock[0])
        link_use_vsock(&agent->link, (uint32_t)strtoul(boot.vsock, NULL, 10));
    else
        link_use_port(&agent->link, NULL);
    if (fs_read("/modules/order", MAX_FILE_BYTES, &boot.modules, NULL, NULL) == 0)
        boot.next_module = boot.modules;
    loop_timer_init(&boot.step, step_modules);
    then(&boot, step_modules, 0);
    int code = agent_run(agent);
    if (getpid() != 1)
        return code;
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
