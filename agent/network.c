/* The guest's one network interface. ioctls rather than netlink: an address, a flag and a route are
 * all there is, and applying them again replaces what was there (after a restore). */
#include "agent/system.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { MAX_OLD_ROUTES = 16 };

/* eth0, or else the first interface that is not the loopback; false where there is none. */
static bool find_interface(char name[IFNAMSIZ])
{
    snprintf(name, IFNAMSIZ, "eth0");
    if (access("/sys/class/net/eth0", F_OK) == 0)
        return true;
    auto_dir DIR *dir = opendir("/sys/class/net");
    if (!dir)
        return false;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "lo") != 0 && strlen(e->d_name) < IFNAMSIZ) {
            snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, e->d_name);
            return true;
        }
    return false;
}

static int raise_interface(int fd, const char *name)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
        return -1;
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &r);
}

void network_raise_loopback(void)
{
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        raise_interface(fd, "lo");
}

static void put_address(struct sockaddr *out, uint32_t address_be)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address_be};
    memcpy(out, &in, sizeof(*out));
}

static int set_address(int fd, const char *name, uint32_t address_be, int prefix)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    put_address(&r.ifr_addr, address_be);
    if (ioctl(fd, SIOCSIFADDR, &r) < 0)
        return -1;
    put_address(&r.ifr_netmask, htonl(prefix ? 0xffffffffu << (32 - prefix) : 0));
    return ioctl(fd, SIOCSIFNETMASK, &r);
}

static int set_default_route(int fd, uint32_t gateway_be, uint32_t window_bytes)
{
    struct rtentry route = {.rt_flags = RTF_UP};
    put_address(&route.rt_dst, 0);
    put_address(&route.rt_genmask, 0);
    for (int i = 0; i < MAX_OLD_ROUTES && ioctl(fd, SIOCDELRT, &route) == 0; i++)
        continue;
    route.rt_flags = RTF_UP | RTF_GATEWAY | (window_bytes ? RTF_WINDOW : 0);
    route.rt_window = window_bytes;
    put_address(&route.rt_gateway, gateway_be);
    return ioctl(fd, SIOCADDRT, &route);
}

/* "a.b.c.d/n" */
static bool parse_cidr(const char *text, uint32_t *address_be, int *prefix)
{
    char copy[32], *end;
    snprintf(copy, sizeof(copy), "%s", text);
    char *slash = strchr(copy, '/');
    if (!slash)
        return false;
    *slash = '\0';
    long n = strtol(slash + 1, &end, 10);
    *prefix = (int)n;
    return slash[1] && !*end && n >= 0 && n <= 32 && inet_pton(AF_INET, copy, address_be) == 1;
}

int network_set(const char *address_cidr, const char *gateway, uint32_t window_bytes,
                struct err *err)
{
    uint32_t address, gateway_be = 0;
    int prefix;
    char name[IFNAMSIZ];
    if (!parse_cidr(address_cidr, &address, &prefix) ||
        (*gateway && inet_pton(AF_INET, gateway, &gateway_be) != 1))
        return err_set(err, ERR_INVALID, "network: %s via %s is no IPv4 address with prefix",
                       address_cidr, gateway);
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "network: no sockets");
    network_raise_loopback();
    if (!find_interface(name))
        return err_set(err, ERR_NOT_FOUND, "network: there is no interface");
    if (set_address(fd, name, address, prefix) < 0 || raise_interface(fd, name) < 0)
        return err_sys(err, errno, "network: cannot give %s to %s", address_cidr, name);
    if (*gateway && set_default_route(fd, gateway_be, window_bytes) < 0)
        return err_sys(err, errno, "network: cannot route over %s", gateway);
    return 0;
}
