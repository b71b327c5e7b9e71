/* Division of a guest; see shares.h. Children are started in the sessions' cgroups (spawn.c). */
#include "agent/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

enum { MAX_FILE_BYTES = 16 * 1024, SPARE_PIDS = 64 };

struct shares shares_of(uint64_t memory_bytes, uint64_t threads_max)
{
    uint64_t keep = memory_bytes / 16;
    if (keep < SHARES_AGENT_MEMORY_MIN_BYTES)
        keep = SHARES_AGENT_MEMORY_MIN_BYTES;
    if (keep > SHARES_AGENT_MEMORY_MAX_BYTES)
        keep = SHARES_AGENT_MEMORY_MAX_BYTES;
    uint64_t spare = threads_max / 8 + SPARE_PIDS;
    return (struct shares){
        .memory_bytes = memory_bytes > 2 * keep ? memory_bytes - keep : memory_bytes / 2,
        .pids = threads_max > 2 * spare ? threads_max - spare : threads_max / 2,
    };
}

/* The number behind key in a file of /proc; 0 where there is none. */
static uint64_t read_number(const char *path, const char *key)
{
    auto_free char *text = NULL;
    if (fs_read(path, MAX_FILE_BYTES, &text, NULL, NULL) < 0)
        return 0;
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void set(int dir_fd, const char *path, const char *text)
{
    auto_fd int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        log_warn("agent", "cannot set %s to %s: %s", path, text, strerror(errno));
}

static void set_number(int dir_fd, const char *path, uint64_t n)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, n);
    set(dir_fd, path, text);
}

void shares_set(const struct cgroups *sessions, pid_t keeper)
{
    uint64_t memory = read_number("/proc/meminfo", "MemTotal:") * 1024;
    uint64_t threads = read_number("/proc/sys/kernel/threads-max", "");
    uint64_t pid_max = read_number("/proc/sys/kernel/pid_max", "");
    int dir = sessions->dir_fd;
    if (dir < 0 || memory == 0 || threads == 0 || pid_max == 0)
        return;
    struct shares s = shares_of(memory, threads < pid_max ? threads : pid_max);
    set_number(dir, "memory.max", s.memory_bytes);
    set_number(dir, "pids.max", s.pids);
    if (mkdirat(dir, "../banger-agent", 0755) < 0 && errno != EEXIST) {
        log_warn("agent", "no cgroup of the agent's own: %s", strerror(errno));
        return;
    }
    set_number(dir, "../banger-agent/memory.min", memory - s.memory_bytes);
    set(dir, "../banger-agent/cpu.weight", "10000");
    if (keeper > 0)
        set_number(dir, "../banger-agent/cgroup.procs", (uint64_t)keeper);
    set(dir, "../banger-agent/cgroup.procs", "0");
}
