/* See sshd.h. */
#include "tests/support/sshd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

static const char program[] = "/usr/sbin/sshd";
/* What a start script makes. */
static const char privsep[] = "/run/sshd";

static int no(const char *why)
{
    fprintf(stderr, "no SSH server: %s\n", why);
    return -1;
}

static int run(const char *command)
{
    return system(command) == 0 ? 0 : no(command);
}

static int make_key(const char *path)
{
    char command[200];
    snprintf(command, sizeof(command), "ssh-keygen -q -t ed25519 -N '' -C '' -f %s </dev/null",
             path);
    unlink(path);
    return run(command);
}

static int write_config(const struct sshd *s, const char *sftp, const char *command)
{
    char text[900];
    int n = snprintf(text, sizeof(text),
                     "HostKey %s/host\nAuthorizedKeysFile %s/key.pub\nStrictModes no\nUsePAM no\n"
                     "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                     "PermitRootLogin yes\nPrintMotd no\nLogLevel ERROR\n"
                     "Subsystem sftp %s\n%s%s\n",
                     s->dir, s->dir, sftp ? sftp : "internal-sftp", command ? "ForceCommand " : "",
                     command ? command : "");
    return fs_write_scratch(s->config, text, (size_t)n, 0600, NULL);
}

static int listen_on_loopback(struct sshd *s)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(addr);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&addr, len) < 0 ||
        listen(s->listen_fd, 64) < 0 ||
        getsockname(s->listen_fd, (struct sockaddr *)&addr, &len) < 0)
        return no(strerror(errno));
    s->port = ntohs(addr.sin_port);
    return 0;
}

int sshd_begin(struct sshd *s)
{
    struct passwd *me = getpwuid(getuid());
    *s = (struct sshd){.listen_fd = -1};
    if (access(program, X_OK) < 0)
        return no("openssh-server is not installed");
    if (!me)
        return no("who runs this has no name");
    s->user = me->pw_name;
    strcpy(s->dir, "/tmp/banger-sshd-XXXXXX");
    if (!mkdtemp(s->dir))
        return no("no folder");
    snprintf(s->folder, sizeof(s->folder), "%s/guest", s->dir);
    snprintf(s->key, sizeof(s->key), "%s/key", s->dir);
    snprintf(s->config, sizeof(s->config), "%s/config", s->dir);
    if (mkdir(s->folder, 0700) < 0 || make_key(s->key) < 0 || write_config(s, NULL, NULL) < 0 ||
        listen_on_loopback(s) < 0)
        return -1;
    sshd_change_host_key(s);
    return 0;
}

void sshd_lie(struct sshd *s, const char *sftp, const char *command)
{
    write_config(s, sftp, command);
}

void sshd_change_host_key(struct sshd *s)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/host", s->dir);
    make_key(path);
}

/* In the child. What is missing of a system that never started an sshd is made for this one alone.
 */
static _Noreturn void become_sshd(const struct sshd *s, int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_DFL);
    if (getuid() == 0 && access(privsep, F_OK) < 0 &&
        (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
         mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 || mkdir(privsep, 0755) < 0))
        _exit(EXIT_FAILURE);
    dup2(fd, 0);
    dup2(fd, 1);
    execl(program, program, "-i", "-e", "-f", s->config, (char *)NULL);
    _exit(EXIT_FAILURE);
}

int sshd_serve_one(struct sshd *s)
{
    struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
    if (poll(&p, 1, 30000) <= 0)
        return -1;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    pid_t pid = fd < 0 ? -1 : fork();
    if (pid == 0)
        become_sshd(s, fd);
    if (fd >= 0)
        close(fd);
    return pid < 0 ? -1 : pidfd_open(pid, 0);
}

void sshd_serve(struct sshd *s)
{
    s->serving = fork();
    if (s->serving != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int pidfd = sshd_serve_one(s);
        if (pidfd >= 0)
            close(pidfd);
    }
}

void sshd_end_agent(const struct sshd *s)
{
    char pattern[128];
    snprintf(pattern, sizeof(pattern), "%s/agent.sock", s->folder);
    DIR *dir = opendir("/proc");
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        char path[300], line[512];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line));
        if (fd >= 0)
            close(fd);
        if (n > 0 && memmem(line, (size_t)n, pattern, strlen(pattern)) &&
            memmem(line, (size_t)n, "--listen", 8))
            kill(atoi(e->d_name), SIGKILL);
    }
    if (dir)
        closedir(dir);
}

void sshd_end(struct sshd *s)
{
    if (s->serving > 0) {
        kill(s->serving, SIGKILL);
        waitpid(s->serving, NULL, 0);
    }
    s->serving = 0;
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    s->listen_fd = -1;
    fs_remove_tree(s->dir, NULL);
}
