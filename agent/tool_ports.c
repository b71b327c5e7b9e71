/* What listens in the guest: `ports`, or `ports follow`, which says it again whenever it changes.
 *
 * A line for each, sorted: "PROTOCOL PORT PID UID ADDRESS PROCESS", tabs between, PORT 0 and the
 * path as ADDRESS for Unix sockets, PID 0 and PROCESS "" where that cannot be told; then an empty
 * line.
 *
 * The kernel tells nobody when a socket begins to listen, so follow looks: at the tables of sockets
 * POLL_MS apart, at the processes only when a socket has come that they are not known of. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tool.h"

enum {
    PORTS_MOST = 1024,
    PORTS_POLL_MS = 500,
    PORTS_ADDRESS_BYTES = 108,
    STATE_LISTEN = 0x0A,
    STATE_UDP_OPEN = 0x07,
    UNIX_ACCEPTS = 0x10000,
};

struct port {
    char protocol[6], address[PORTS_ADDRESS_BYTES], process[20];
    unsigned port, uid;
    int pid;
    unsigned long inode;
};

struct ports {
    size_t n;
    struct port list[PORTS_MOST];
};

static struct ports now, before; /* not on the stack */

/* Control characters and the like are no part of a line. */
static void ports_tame(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

static struct port *ports_add(struct ports *ports, const char *protocol, unsigned long inode)
{
    if (ports->n == PORTS_MOST)
        return NULL;
    struct port *p = &ports->list[ports->n++];
    memset(p, 0, sizeof(*p));
    snprintf(p->protocol, sizeof(p->protocol), "%s", protocol);
    p->inode = inode;
    return p;
}

/* The kernel prints addresses as numbers in its own byte order, four bytes each. */
static void ports_set_address(struct port *p, const char *hex)
{
    uint32_t words[4] = {0};
    size_t n = strlen(hex) / 8;
    for (size_t i = 0; i < n && i < 4; i++) {
        char word[9] = "";
        memcpy(word, hex + 8 * i, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    inet_ntop(n == 4 ? AF_INET6 : AF_INET, words, p->address, sizeof(p->address));
}

/* /proc/net/tcp and its like: listening, or of UDP open to everybody. */
static void ports_read_inet(struct ports *ports, const char *path, const char *protocol,
                            unsigned state)
{
    FILE *f = fopen(path, "re");
    char line[512], address[40], peer[48];
    if (!f)
        return; /* a kernel without it */
    while (fgets(line, sizeof(line), f)) {
        unsigned port, is, uid;
        unsigned long inode;
        if (sscanf(line, " %*u: %39[0-9A-F]:%x %47[0-9A-F:] %x %*s %*s %*s %u %*d %lu", address,
                   &port, peer, &is, &uid, &inode) != 6 ||
            is != state)
            continue;
        if (state == STATE_UDP_OPEN && strspn(peer, "0:") != strlen(peer))
            continue;
        struct port *p = ports_add(ports, protocol, inode);
        if (!p)
            break;
        ports_set_address(p, address);
        p->port = port;
        p->uid = uid;
    }
    fclose(f);
}

static void ports_read_unix(struct ports *ports)
{
    FILE *f = fopen("/proc/net/unix", "re");
    char line[512];
    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        unsigned flags;
        unsigned long inode;
        int at = 0;
        if (sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %lu %n", &flags, &inode, &at) != 2 || !at ||
            !(flags & UNIX_ACCEPTS) || strncmp(line + at, "@banger-", 8) == 0)
            continue;
        struct port *p = ports_add(ports, "unix", inode);
        if (!p)
            break;
        line[strcspn(line, "\n")] = '\0';
        snprintf(p->address, sizeof(p->address), "%.*s", PORTS_ADDRESS_BYTES - 1, line + at);
        ports_tame(p->address);
    }
    fclose(f);
}

static void ports_read(struct ports *ports)
{
    ports->n = 0;
    ports_read_inet(ports, "/proc/net/tcp", "tcp", STATE_LISTEN);
    ports_read_inet(ports, "/proc/net/tcp6", "tcp", STATE_LISTEN);
    ports_read_inet(ports, "/proc/net/udp", "udp", STATE_UDP_OPEN);
    ports_read_inet(ports, "/proc/net/udp6", "udp", STATE_UDP_OPEN);
    ports_read_unix(ports);
}

/* ---- whose they are ---- */

static int ports_by_inode(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void ports_set_process(struct port *p, int pid, int proc)
{
    char path[64];
    snprintf(path, sizeof(path), "%d/comm", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, p->process, sizeof(p->process) - 1) : 0;
    if (fd >= 0)
        close(fd);
    p->process[n > 0 ? n : 0] = '\0';
    p->process[strcspn(p->process, "\n")] = '\0';
    ports_tame(p->process);
    p->pid = pid;
}

/* The files of one process. */
static void ports_look_at(struct ports *ports, int proc, int pid)
{
    char path[64], target[64];
    snprintf(path, sizeof(path), "%d/fd", pid);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return; /* gone, or not ours to see */
    for (struct dirent *d; (d = readdir(dir));) {
        struct port key = {0};
        ssize_t n = readlinkat(fd, d->d_name, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        if (sscanf(target, "socket:[%lu]", &key.inode) != 1)
            continue;
        struct port *p = bsearch(&key, ports->list, ports->n, sizeof(*ports->list), ports_by_inode);
        if (p && (!p->pid || pid < p->pid)) /* the eldest of those that have inherited it */
            ports_set_process(p, pid, proc);
    }
    closedir(dir);
}

static void ports_find_processes(struct ports *ports)
{
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        tool_fail(errno, "/proc: %s", strerror(errno));
    for (struct dirent *d; (d = readdir(dir));)
        if (isdigit((unsigned char)d->d_name[0]))
            ports_look_at(ports, fd, atoi(d->d_name));
    closedir(dir);
}

/* What was known stays known. True when everything was. */
static bool ports_remember(struct ports *ports, const struct ports *old)
{
    bool all = ports->n == old->n;
    for (size_t i = 0; i < ports->n; i++) {
        struct port *p = &ports->list[i];
        const struct port *known =
            bsearch(p, old->list, old->n, sizeof(*old->list), ports_by_inode);
        if (!known || known->port != p->port || strcmp(known->address, p->address) != 0) {
            all = false;
            continue;
        }
        p->pid = known->pid;
        memcpy(p->process, known->process, sizeof(p->process));
    }
    return all;
}

/* ---- telling ---- */

static int ports_by_number(const void *a, const void *b)
{
    const struct port *x = *(struct port *const *)a, *y = *(struct port *const *)b;
    int by_protocol = strcmp(x->protocol, y->protocol);
    if (by_protocol)
        return by_protocol;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return strcmp(x->address, y->address);
}

static void ports_tell(struct ports *ports)
{
    static const struct port *order[PORTS_MOST];
    char line[256];
    for (size_t i = 0; i < ports->n; i++)
        order[i] = &ports->list[i];
    qsort(order, ports->n, sizeof(*order), ports_by_number);
    for (size_t i = 0; i < ports->n; i++) {
        const struct port *p = order[i];
        int n = snprintf(line, sizeof(line), "%s\t%u\t%d\t%u\t%s\t%s\n", p->protocol, p->port,
                         p->pid, p->uid, p->address, p->process);
        tool_write(STDOUT_FILENO, line, (unsigned long)n);
    }
    tool_write(STDOUT_FILENO, "\n", 1);
}

int tool_ports(int argc, char **argv)
{
    bool follow = argc == 2 && strcmp(argv[1], "follow") == 0, first = true;
    if (argc > 1 && !follow)
        tool_fail(EINVAL, "ports [follow]");
    for (;;) {
        struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
        ports_read(&now);
        qsort(now.list, now.n, sizeof(*now.list), ports_by_inode);
        bool known = ports_remember(&now, &before);
        if (!known && now.n > 0)
            ports_find_processes(&now);
        if (!known || first)
            ports_tell(&now);
        before = now;
        first = false;
        if (!follow || poll(&end, 1, PORTS_POLL_MS) != 0)
            return 0;
    }
}
