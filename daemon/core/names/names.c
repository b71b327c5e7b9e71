/* The socket of names; see names.h. What is asked of it is answered at once, out of memory, and so
 * many packets in a turn of the loop that nothing else waits long; what the socket does not take is
 * dropped, as UDP may. */
#include "daemon/core/names/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/host/host_check.h"
#include "daemon/core/names/dns_packet.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_network.h"
#include "rpc/event/loop.h"

enum { AT_ONCE = 32, RETRY_MS = 5000, LOOPBACK = 127 };

struct names {
    struct core *core;
    struct sockaddr_in at;
    struct watch watch;
    struct timer retry;
    struct err why; /* it does not answer */
    struct vm_listener listener;
    struct list guests; /* struct guest_names */
    struct names_link *link;
    int fd; /* -1 */
};

/* Lookups */

static bool names_by_name(void *arg, const char *name, uint32_t *address)
{
    const struct vm_entry *e = vm_find(((struct names *)arg)->core, name, NULL);
    const struct vm *vm = e ? vm_shown(e) : NULL;
    if (!vm || strcmp(vm->name, name) != 0)
        return false;
    *address = vm_net_address(vm);
    return true;
}

static bool names_by_address(void *arg, uint32_t address, char name[NAME_BYTES])
{
    const struct vm_entry *e = vm_net_find(((struct names *)arg)->core, address);
    const struct vm *vm = e ? vm_shown(e) : NULL;
    if (!vm)
        return false;
    memcpy(name, vm->name, NAME_BYTES);
    return true;
}

/* The socket */

static void names_answer(void *arg, int fd, const uint8_t *query, size_t len,
                         const struct sockaddr_in *from)
{
    const struct dns_names names = {names_by_name, names_by_address, arg};
    uint8_t reply[DNS_REPLY_BYTES];
    len = dns_answer(query, len, &names, reply);
    if (len > 0)
        sendto(fd, reply, len, MSG_DONTWAIT, (const struct sockaddr *)from, sizeof(*from));
}

static void names_ready(void *arg, int events)
{
    struct names *n = arg;
    uint8_t query[DNS_QUERY_BYTES];
    (void)events;
    for (int i = 0; i < AT_ONCE; i++) {
        struct sockaddr_in from = {.sin_family = AF_UNSPEC};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(n->fd, query, sizeof(query), MSG_TRUNC | MSG_DONTWAIT,
                               (struct sockaddr *)&from, &from_len);
        if (len < 0)
            return;
        if ((size_t)len <= sizeof(query) && from_len == sizeof(from) &&
            from.sin_family == AF_INET && ntohl(from.sin_addr.s_addr) >> 24 == LOOPBACK)
            names_answer(n, n->fd, query, (size_t)len, &from);
    }
}

static void names_text(const struct names *n, char text[32])
{
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &n->at.sin_addr, address, sizeof(address));
    snprintf(text, 32, "%s:%u", address, ntohs(n->at.sin_port));
}

static int names_listen(struct names *n, struct err *err)
{
    char text[32];
    names_text(n, text);
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&n->at, sizeof(n->at)) < 0)
        return err_sys(err, errno, "names cannot be answered at %s", text);
    if (watch_init(&n->watch, n->core->loop, fd, names_ready, n) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for names");
    watch_want(&n->watch, WATCH_READ);
    n->fd = fd;
    fd = -1;
    log_info("names", "NAME.vm is answered at %s", text);
    return 0;
}

static void names_try(void *arg)
{
    struct names *n = arg;
    bool told = n->why.code != ERR_NONE;
    err_clear(&n->why);
    if (names_listen(n, &n->why) == 0)
        return;
    if (!told)
        log_err(LOG_LEVEL_ERROR, "names", &n->why, "it is tried again and again");
    timer_start(&n->retry, RETRY_MS);
}

/* Guests */

static void names_vm_changed(void *arg, struct vm_entry *e)
{
    struct names *n = arg;
    guest_names_sync(n->core, &n->guests, e);
    names_link_look(n->link, e);
}

static void names_vm_gone(void *arg, struct vm_entry *e, const char *reason)
{
    struct names *n = arg;
    (void)reason;
    if (vm_slot(e, VM_SLOT_NAMES))
        guest_names_close(vm_slot(e, VM_SLOT_NAMES));
    names_link_gone(n->link, e);
}

static void names_vm_leaving(void *arg, struct vm_entry *e)
{
    names_vm_gone(arg, e, NULL);
}

static bool names_parse(const char *text, struct sockaddr_in *at)
{
    char address[INET_ADDRSTRLEN], *end = NULL;
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (!colon || len >= sizeof(address) || colon[1] < '1' || colon[1] > '9')
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    unsigned long port = strtoul(colon + 1, &end, 10);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return !*end && port <= 65535 && inet_pton(AF_INET, address, &at->sin_addr) == 1 &&
           ntohl(at->sin_addr.s_addr) >> 24 == LOOPBACK;
}

bool names_address_is_valid(const char *text)
{
    struct sockaddr_in at;
    return strcmp(text, "off") == 0 || names_parse(text, &at);
}

struct names *names_new(struct core *core, struct err *err)
{
    static const struct vm_events events = {
        .changed = names_vm_changed, .gone = names_vm_gone, .leaving = names_vm_leaving};
    struct names *n = calloc(1, sizeof(*n));
    if (!n || !(n->link = names_link_new(core, names_answer, n)) ||
        timer_init(&n->retry, core->loop, names_try, n) < 0) {
        names_link_free(n ? n->link : NULL);
        free(n);
        err_set(err, ERR_LIMIT, "out of memory for names");
        return NULL;
    }
    n->core = core;
    n->fd = -1;
    list_init(&n->guests);
    n->listener = (struct vm_listener){.events = &events, .arg = n};
    vm_listen(core, &n->listener);
    if (names_parse(core->config.dns, &n->at))
        names_try(n);
    return n;
}

void names_drain(struct names *n)
{
    if (n)
        names_link_end(n->link);
}

void names_free(struct names *n)
{
    if (!n)
        return;
    vm_unlisten(&n->listener);
    names_link_free(n->link);
    list_foreach(l, &n->guests) guest_names_close(container_of(l, struct guest_names, link));
    watch_done(&n->watch);
    timer_done(&n->retry);
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

/* Doctor */

static void names_say(const struct names *n, struct host_check *check)
{
    char text[32];
    names_text(n, text);
    if (n->fd >= 0)
        snprintf(check->message, sizeof(check->message),
                 "NAME.vm is answered at %s; what asks there: dns_resolved: yes, or for "
                 "systemd-resolved \"[Resolve]\", \"DNS=%s\" and \"Domains=~vm\", a line each, in "
                 "/etc/systemd/resolved.conf.d/banger.conf",
                 text, text);
    else
        snprintf(check->message, sizeof(check->message), "%s", n->why.message);
    if (n->fd >= 0)
        return;
    check->result = HOST_CHECK_FAILED;
    snprintf(check->fix, sizeof(check->fix), "choose another address for the key dns");
}

static void names_say_link(const struct names *n, struct host_check *check)
{
    bool failed;
    const char *state = names_link_state(n->link, &failed);
    size_t len = strlen(check->message);
    snprintf(check->message + len, sizeof(check->message) - len, "%s%s", len ? "; " : "", state);
    if (!failed || check->result == HOST_CHECK_FAILED)
        return;
    check->result = HOST_CHECK_WARNING;
    snprintf(check->fix, sizeof(check->fix),
             "look at systemctl status systemd-resolved; a daemon that is not root's needs a rule "
             "of polkit's for org.freedesktop.resolve1");
}

bool names_check(const struct core *core, struct host_check *check)
{
    const struct names *n = core->names;
    bool at = n && n->at.sin_family == AF_INET;
    if (!at && !(n && core->config.dns_resolved))
        return false;
    *check = (struct host_check){.name = "names", .result = HOST_CHECK_OK};
    if (at)
        names_say(n, check);
    if (core->config.dns_resolved)
        names_say_link(n, check);
    return true;
}
