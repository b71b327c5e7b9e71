/* See holder.h. The note is lines "key value", whole only with its last line: it is written over an
 * older one in place, since the file is locked and may not be exchanged. */
#include "base/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum { STAT_BYTES = 4096, LOCKS_BYTES = 1 << 20, PID_MAX_LINUX = 4194304 };

static const char last_line[] = "whole\n";

static int boot_id(char out[HOLDER_WORD_BYTES], struct err *err)
{
    auto_free char *text = NULL;
    if (fs_read("/proc/sys/kernel/random/boot_id", HOLDER_WORD_BYTES - 1, &text, NULL, err) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    snprintf(out, HOLDER_WORD_BYTES, "%s", text);
    return 0;
}

/* proc(5): the command in parentheses may hold anything, so fields count from the last ')'. A
 * zombie has ended. */
static int start_time(pid_t pid, uint64_t *ticks, struct err *err)
{
    char path[64], state;
    auto_free char *text = NULL;
    unsigned long long start;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (fs_read(path, STAT_BYTES, &text, NULL, err) < 0)
        return -1;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &state, &start) != 2)
        return err_set(err, ERR_INTERNAL, "cannot read %s", path);
    if (state == 'Z' || state == 'X')
        return err_set(err, ERR_NOT_FOUND, "process %d has ended", (int)pid);
    *ticks = start;
    return 0;
}

int holder_self(struct holder *h, struct err *err)
{
    h->pid = getpid();
    if (boot_id(h->boot_id, err) < 0 || start_time(h->pid, &h->start_time, err) < 0)
        return err_wrap(err, "cannot say who I am");
    return 0;
}

size_t holder_write(const struct holder *h, char text[HOLDER_TEXT_BYTES])
{
    int n = snprintf(text, HOLDER_TEXT_BYTES,
                     "pid %d\nstart %llu\nboot %s\nfolder %s\nphase %s\nversion %s\nsocket %s\n%s",
                     (int)h->pid, (unsigned long long)h->start_time, h->boot_id, h->folder_id,
                     h->phase, h->version, h->socket, last_line);
    return n < 0 ? 0 : (size_t)n; /* all fields together are shorter than the text may be */
}

/* The value of a line; "" without. */
static void get_line(const char *text, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    out[0] = '\0';
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL) {
        if (strncmp(at, key, n) != 0 || at[n] != ' ')
            continue;
        size_t len = strcspn(at + n + 1, "\n");
        if (len < size)
            snprintf(out, size, "%.*s", (int)len, at + n + 1);
        return;
    }
}

int holder_read(const char *text, struct holder *h)
{
    char pid[24], start[24];
    *h = (struct holder){0};
    if (!strstr(text, last_line))
        return -1;
    get_line(text, "pid", pid, sizeof(pid));
    get_line(text, "start", start, sizeof(start));
    get_line(text, "boot", h->boot_id, sizeof(h->boot_id));
    get_line(text, "folder", h->folder_id, sizeof(h->folder_id));
    get_line(text, "phase", h->phase, sizeof(h->phase));
    get_line(text, "version", h->version, sizeof(h->version));
    get_line(text, "socket", h->socket, sizeof(h->socket));
    long n = strtol(pid, NULL, 10);
    h->start_time = strtoull(start, NULL, 10);
    if (n > 1 && n <= PID_MAX_LINUX && h->start_time > 0 && h->boot_id[0] && h->phase[0]) {
        h->pid = (pid_t)n;
        return 0;
    }
    *h = (struct holder){0};
    return -1;
}

bool holder_lives(const struct holder *h)
{
    char now[HOLDER_WORD_BYTES];
    uint64_t start;
    return h->pid > 1 && boot_id(now, NULL) == 0 && strcmp(now, h->boot_id) == 0 &&
           start_time(h->pid, &start, NULL) == 0 && start == h->start_time;
}

int holder_pidfd(const struct holder *h)
{
    /* The pidfd first: what is then read of a pid that lives is of the process behind it. */
    auto_fd int fd = h->pid > 1 ? pidfd_open(h->pid, 0) : -1;
    return fd >= 0 && holder_lives(h) ? take_fd(&fd) : -1;
}

/* Whose pid the kernel has for the lock, 0 where it is not seen (another container's). A line:
 * "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF", with the inode behind the device. */
static pid_t lock_owner(int fd)
{
    struct stat st;
    auto_free char *text = NULL;
    if (fstat(fd, &st) < 0 || fs_read("/proc/locks", LOCKS_BYTES, &text, NULL, NULL) < 0)
        return 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        int pid;
        unsigned major, minor;
        unsigned long long inode;
        if (sscanf(line, "%*[^:]: FLOCK %*s WRITE %d %x:%x:%llu", &pid, &major, &minor, &inode) ==
                4 &&
            inode == st.st_ino && pid > 1)
            return pid;
    }
    return 0;
}

enum holder_found holder_find(const char *state_dir, struct holder *h)
{
    char path[PATHS_BYTES + 8], text[HOLDER_TEXT_BYTES + 1];
    *h = (struct holder){0};
    snprintf(path, sizeof(path), "%s/lock", state_dir);
    auto_fd int fd = fs_open_own(path, O_RDONLY, 0, NULL);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, HOLDER_TEXT_BYTES, 0);
    if (n < 0)
        return HOLDER_NOBODY;
    text[n] = '\0';
    if (holder_read(text, h) == 0 && holder_lives(h))
        return HOLDER_ALIVE;
    *h = (struct holder){0};
    /* Shared and given back at once: whoever starts just now tries again. */
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return HOLDER_NOBODY;
    h->pid = lock_owner(fd);
    return HOLDER_UNKNOWN;
}
