/* See vm_publish.h. */
#include "daemon/model/vm_publish.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { LINE_BYTES = VM_PUBLISH_ADDRESS_BYTES + 24, PORT_MAX = 65535, PORT_ANYONES = 1024 };

/* The ports are behind the last two colons: an address of IPv6 has some of its own. */
static void publish_parse(const char *text, struct vm_publish *p)
{
    const char *last = strrchr(text, ':'), *before = last;
    *p = (struct vm_publish){.guest_port = last ? (uint32_t)strtoul(last + 1, NULL, 10) : 0};
    while (before && before > text && *--before != ':')
        ;
    size_t len = strlen(text);
    if (before && before < last && *before == ':') {
        len = (size_t)(before - text);
        p->host_port = (uint32_t)strtoul(before + 1, NULL, 10);
    }
    len = len < sizeof(p->address) ? len : sizeof(p->address) - 1;
    memcpy(p->address, text, len);
}

size_t vm_publish_read(const struct blob *blob, struct vm_publish out[VM_PUBLISH_MAX])
{
    size_t n = 0;
    const char *at = (const char *)blob->data, *end = at ? at + blob->len : at;
    while (at < end && n < VM_PUBLISH_MAX) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (!nul)
            break;
        publish_parse(at, &out[n++]);
        at = nul + 1;
    }
    return n;
}

bool vm_publish_sockaddr(const struct vm_publish *p, struct sockaddr_storage *to, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)to;
    memset(to, 0, sizeof(*to));
    if (inet_pton(AF_INET, p->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)p->host_port);
        *len = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, p->address, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)p->host_port);
    *len = sizeof(*v6);
    return true;
}

static void publish_canonical(const char *address, char text[VM_PUBLISH_ADDRESS_BYTES])
{
    struct in6_addr in;
    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;
        if (inet_pton(family, address, &in) == 1 &&
            inet_ntop(family, &in, text, VM_PUBLISH_ADDRESS_BYTES))
            return;
    }
    snprintf(text, VM_PUBLISH_ADDRESS_BYTES, "%s", *address ? address : "127.0.0.1");
}

int vm_publish_write(struct blob *blob, const struct vm_publish *list, size_t n, struct err *err)
{
    char text[VM_PUBLISH_MAX * LINE_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < n && i < VM_PUBLISH_MAX; i++) {
        char address[VM_PUBLISH_ADDRESS_BYTES];
        publish_canonical(list[i].address, address);
        len += (size_t)snprintf(text + len, LINE_BYTES, "%s:%u:%u", address, list[i].host_port,
                                list[i].guest_port) +
               1;
    }
    if (blob_set(blob, text, len) == 0)
        return 0;
    return err_set(err, ERR_LIMIT, "out of memory for published ports");
}

bool vm_publish_same(const struct vm_publish *a, const struct vm_publish *b)
{
    return a->host_port && a->host_port == b->host_port && strcmp(a->address, b->address) == 0;
}

static bool publish_is_all(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

bool vm_publish_collides(const struct vm_publish *a, const struct vm_publish *b)
{
    bool one_family = !strchr(a->address, ':') == !strchr(b->address, ':');
    return vm_publish_same(a, b) || (one_family && a->host_port && a->host_port == b->host_port &&
                                     (publish_is_all(a->address) || publish_is_all(b->address)));
}

bool vm_publish_is_wide(const struct vm_publish *p)
{
    struct in_addr in;
    bool loopback = inet_pton(AF_INET, p->address, &in) == 1 ? ntohl(in.s_addr) >> 24 == 127
                                                             : strcmp(p->address, "::1") == 0;
    return !loopback || (p->host_port > 0 && p->host_port < PORT_ANYONES);
}

const char *vm_publish_text(const struct vm_publish *p, char text[VM_PUBLISH_TEXT_BYTES])
{
    bool v6 = strchr(p->address, ':') != NULL;
    snprintf(text, VM_PUBLISH_TEXT_BYTES, "%s%s%s:%u", v6 ? "[" : "", p->address, v6 ? "]" : "",
             p->host_port);
    return text;
}

static int publish_check_one(const struct vm_publish *p, struct err *err)
{
    struct sockaddr_storage to;
    socklen_t len;
    if (!vm_publish_sockaddr(p, &to, &len))
        return err_set(err, ERR_INVALID, "publish: \"%.60s\" is no address of this host, a number",
                       p->address);
    if (p->host_port > PORT_MAX || p->guest_port > PORT_MAX || p->guest_port == 0)
        return err_set(err, ERR_INVALID, "publish: %u is no port; take 1 to %d%s",
                       p->host_port > PORT_MAX ? p->host_port : p->guest_port, PORT_MAX,
                       p->host_port > PORT_MAX ? ", or 0: any" : "");
    return 0;
}

int vm_publish_check(const struct blob *blob, struct err *err)
{
    struct vm_publish list[VM_PUBLISH_MAX];
    char text[VM_PUBLISH_TEXT_BYTES];
    size_t n = vm_publish_read(blob, list);
    for (size_t i = 0; i < n; i++) {
        if (publish_check_one(&list[i], err) < 0)
            return err_tag(err, "INVALID_SPEC", NULL);
        for (size_t j = 0; j < i; j++) {
            bool same = list[i].host_port == list[j].host_port &&
                        list[i].guest_port == list[j].guest_port &&
                        strcmp(list[i].address, list[j].address) == 0;
            if (!same && !vm_publish_collides(&list[i], &list[j]))
                continue;
            err_set(err, ERR_INVALID, "publish: %s is there twice",
                    vm_publish_text(&list[i], text));
            return err_tag(err, "INVALID_SPEC", NULL);
        }
    }
    return 0;
}
