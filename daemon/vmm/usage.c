/* Reading what the host counts of a VM; see usage.h. */
#include "daemon/vmm/usage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/model/model.h"
#include "daemon/vmm/net/net_counts.h"

/* One number behind "name: " in a /proc file; 0 where it is not. */
static uint64_t proc_value(pid_t pid, const char *file, const char *name)
{
    char path[64];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    if (fs_read(path, 16384, &text, NULL, NULL) < 0)
        return 0;
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* User and system time: fields 14 and 15 of /proc/PID/stat, in clock ticks (proc(5)). */
static uint64_t proc_cpu_ns(pid_t pid)
{
    char path[64];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (fs_read(path, 4096, &text, NULL, NULL) < 0)
        return 0;
    uint64_t user = 0, kernel = 0;
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &kernel);
    return (user + kernel) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t tap_value(const char *tap, const char *name)
{
    char path[96];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "/sys/class/net/%.15s/statistics/%s", tap, name);
    return fs_read(path, 64, &text, NULL, NULL) < 0 ? 0 : strtoull(text, NULL, 10);
}

/* What the host receives from a tap is what its guest has sent. */
static void usage_of_tap(const char *tap, struct vmm_usage *u)
{
    u->received_bytes = tap_value(tap, "tx_bytes");
    u->sent_bytes = tap_value(tap, "rx_bytes");
}

static void usage_of_user_net(const char *vm_dir, struct vmm_usage *u)
{
    char path[PATH_BYTES];
    struct net_counts c;
    snprintf(path, sizeof(path), "%s/" NET_COUNTS_FILE, vm_dir);
    auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || pread(fd, &c, sizeof(c), 0) != (ssize_t)sizeof(c))
        return;
    u->received_bytes = c.to_guest;
    u->sent_bytes = c.from_guest;
}

void vmm_usage_look(pid_t pid, const char *tap, const char *vm_dir, struct vmm_usage *usage)
{
    *usage = (struct vmm_usage){
        .cpu_ns = proc_cpu_ns(pid),
        .rss_bytes = proc_value(pid, "status", "VmRSS:") << 10,
        .read_bytes = proc_value(pid, "io", "\nread_bytes:"),
        .written_bytes = proc_value(pid, "io", "\nwrite_bytes:"),
    };
    if (*tap)
        usage_of_tap(tap, usage);
    else
        usage_of_user_net(vm_dir, usage);
}
