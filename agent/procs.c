/* Processes through /proc; see procs.h. */
#include "agent/procs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { ENVIRON_BYTES = 64 * 1024, DEPTH_MAX = 4096, EXEC_TRIES = 1000 };

static ssize_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    out[n < 0 ? 0 : n] = '\0';
    return n;
}

struct relatives {
    pid_t parent, session; /* -1: not known */
    char state;            /* 'Z': a zombie */
};

/* "pid (name) state ppid pgrp session …"; the name may hold anything, also parentheses. */
static struct relatives relatives_of(pid_t pid)
{
    char text[512];
    struct relatives r = {-1, -1, 0};
    if (read_proc(pid, "stat", text, sizeof(text)) <= 0)
        return r;
    char *at = strrchr(text, ')');
    if (!at || strlen(at) < 4)
        return r;
    r.state = at[2];
    at += 3; /* ") S" */
    r.parent = (pid_t)strtol(at, &at, 10);
    strtol(at, &at, 10);
    r.session = (pid_t)strtol(at, NULL, 10);
    return r;
}

static pid_t root; /* 0: ourselves */

void procs_set_root(pid_t pid)
{
    root = pid;
}

pid_t procs_root(void)
{
    return root ? root : getpid();
}

/* Whatever we have started descends from the root, as orphans become its children; what another
 * agent of this machine has started does not. */
static bool is_ours(pid_t pid)
{
    for (int i = 0; i < DEPTH_MAX && pid > 1; i++) {
        pid = relatives_of(pid).parent;
        if (pid == procs_root())
            return true;
    }
    return false;
}

static bool is_marked(pid_t pid, const char *mark, char *text)
{
    ssize_t n = read_proc(pid, "environ", text, ENVIRON_BYTES);
    /* Empty in the middle of an exec, and of a zombie. */
    for (int i = 0; n == 0 && i < EXEC_TRIES && is_ours(pid) && relatives_of(pid).state != 'Z';
         i++) {
        sched_yield();
        n = read_proc(pid, "environ", text, ENVIRON_BYTES);
    }
    for (const char *at = text; n > 0 && at < text + n; at += strlen(at) + 1)
        if (strcmp(at, mark) == 0)
            return true;
    return false;
}

uint32_t procs_signal_all(pid_t sid, const char *id, int signo)
{
    char mark[64];
    snprintf(mark, sizeof(mark), PROCS_MARK "=%s", id);
    auto_free char *text = malloc(ENVIRON_BYTES);
    auto_dir DIR *dir = opendir("/proc");
    uint32_t n = 0;
    if (!dir || !text)
        return 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid <= 1 || pid == getpid() || pid == root)
            continue;
        if (((sid > 0 && relatives_of(pid).session == sid) ||
             (is_marked(pid, mark, text) && is_ours(pid))) &&
            kill(pid, signo) == 0)
            n++;
    }
    return n;
}
