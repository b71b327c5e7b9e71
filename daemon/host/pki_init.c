/* The host's names, and the CA's and the server's files made for them; see pki.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki.h"
#include "daemon/host/pki_make.h"

enum { NAMES_BYTES = 8192, HOST_NAME_BYTES = 64 };

/* Letters, digits, dots and hyphens; anything else could add names of its own to the list. */
static bool is_dns_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t len = strlen(text);
    return len > 0 && len < 254 && strspn(text, allowed) == len;
}

/* Appends "DNS:…" or "IP:…" unless it is there already. */
static int add_name(char list[NAMES_BYTES], const char *name, struct err *err)
{
    char entry[300];
    uint8_t address[sizeof(struct in6_addr)];
    bool ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (!ip && !is_dns_name(name))
        return err_set(err, ERR_INVALID, "\"%.80s\" is neither a host name nor an address", name);
    snprintf(entry, sizeof(entry), "%s:%s,", ip ? "IP" : "DNS", name);
    if (strstr(list, entry))
        return 0;
    if (strlen(list) + strlen(entry) >= NAMES_BYTES)
        return err_set(err, ERR_LIMIT, "too many names for one certificate");
    strcat(list, entry);
    return 0;
}

/* Addresses of the interfaces, without those that are good on one link only. */
static int add_own_addresses(char list[NAMES_BYTES], struct err *err)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return err_sys(err, errno, "addresses of this host");
    int rv = 0;
    for (struct ifaddrs *a = all; a && rv == 0; a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = NULL;
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
            address = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6) {
            const struct sockaddr_in6 *v6 = (const void *)a->ifa_addr;
            address = IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) ? NULL : &v6->sin6_addr;
        }
        if (address && inet_ntop(a->ifa_addr->sa_family, address, text, sizeof(text)))
            rv = add_name(list, text, err);
    }
    freeifaddrs(all);
    return rv;
}

static int collect_names(char list[NAMES_BYTES], char host[HOST_NAME_BYTES],
                         const char *const *names, size_t n_names, struct err *err)
{
    list[0] = '\0';
    if (gethostname(host, HOST_NAME_BYTES) < 0)
        strcpy(host, "localhost");
    host[HOST_NAME_BYTES - 1] = '\0';
    if (is_dns_name(host) && add_name(list, host, err) < 0)
        return -1;
    if (add_name(list, "localhost", err) < 0 || add_name(list, "127.0.0.1", err) < 0 ||
        add_own_addresses(list, err) < 0)
        return -1;
    for (size_t i = 0; i < n_names; i++)
        if (add_name(list, names[i], err) < 0)
            return -1;
    list[strlen(list) - 1] = '\0'; /* the last comma */
    return 0;
}

int pki_init(const char *folder, const char *const *names, size_t n_names, int64_t now_s,
             struct err *err)
{
    char list[NAMES_BYTES], host[HOST_NAME_BYTES];
    struct pki_ca ca = {.n = 0};
    bool renewed;
    if (collect_names(list, host, names, n_names, err) < 0 || fs_make_dirs(folder, 0700, err) < 0 ||
        pki_have_ca(folder, host, now_s, &ca, err) < 0)
        return -1;
    const struct pki_spec spec = {.common_name = host, .alternative_names = list, .now_s = now_s};
    int rv = pki_renew_ca(folder, &ca, now_s, &renewed, err);
    if (rv == 0)
        rv = pki_make_server(folder, &spec, &ca, err);
    pki_ca_done(&ca);
    return rv;
}
