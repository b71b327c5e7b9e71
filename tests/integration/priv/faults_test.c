/* Every call that taps and rules make of the kernel and its libraries fails in turn: without being
 * done, and after it was done. The error says of what and why; undoing leaves nothing, and the next
 * try works. In a network namespace of its own; the calls are wrapped by the linker. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_link.h"
#include "daemon/priv/priv_nft.h"
#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"
#include "tests/support/failing_call.h"

/* __real_ and __wrap_ are the linker's names. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
struct mnl_socket *__real_mnl_socket_open2(int bus, int flags);
struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __real_mnl_socket_bind(struct mnl_socket *s, unsigned groups, pid_t pid);
int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned groups, pid_t pid);
ssize_t __real_mnl_socket_sendto(const struct mnl_socket *s, const void *bytes, size_t len);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *bytes, size_t len);
ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *s, void *bytes, size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *s, void *bytes, size_t len);
struct nft_ctx *__real_nft_ctx_new(uint32_t flags);
struct nft_ctx *__wrap_nft_ctx_new(uint32_t flags);
int __real_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands);
int __wrap_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands);
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

int __wrap_open(const char *path, int flags, ...)
{
    return fails("open") ? -1 : __real_open(path, flags);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    bool failed = fails("write");
    return failed && !fault.done ? -1 : told(__real_write(fd, bytes, len), failed);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
    bool failed = fails("ioctl");
    return failed && !fault.done ? -1 : (int)told(__real_ioctl(fd, request, arg), failed);
}

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
    return fails("mnl_socket_open2") ? NULL : __real_mnl_socket_open2(bus, flags);
}

int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned groups, pid_t pid)
{
    return fails("mnl_socket_bind") ? -1 : __real_mnl_socket_bind(s, groups, pid);
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *bytes, size_t len)
{
    bool failed = fails("mnl_socket_sendto");
    return failed && !fault.done ? -1 : told(__real_mnl_socket_sendto(s, bytes, len), failed);
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *s, void *bytes, size_t len)
{
    return fails("mnl_socket_recvfrom") ? -1 : __real_mnl_socket_recvfrom(s, bytes, len);
}

struct nft_ctx *__wrap_nft_ctx_new(uint32_t flags)
{
    return fails("nft_ctx_new") ? NULL : __real_nft_ctx_new(flags);
}

int __wrap_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands)
{
    bool failed = fails("nft_run_cmd_from_buffer");
    return failed && !fault.done ? -1
                                 : (int)told(__real_nft_run_cmd_from_buffer(nft, commands), failed);
}

json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
    return fails("json_loads") ? NULL : __real_json_loads(text, flags, error);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* What is asked for, in every way */

static const struct priv_settings settings = {.pool = {.base = 10u << 24, .prefix = 8}};
static struct priv_thing thing = {.settings = &settings,
                                  .owner = {.uid = 4001, .state = "0badcafe"},
                                  .vm_id = "0123456789abcdef",
                                  .address = (10u << 24) + 2,
                                  .egress = BANGER__PRIV__V1__EGRESS__EGRESS_LIST,
                                  .allow = {.n = 1, .at = {{0xc0000200, 24, 6, 443, 443}}}};
static const struct priv_kind *const both[] = {&priv_tap, &priv_rules};

static bool is_there(const struct priv_kind *kind)
{
    char name[PRIV_TAP_BYTES];
    struct link_info link;
    struct nft_guest rules;
    priv_tap_name(&thing.owner, thing.vm_id, name);
    if (kind == &priv_tap)
        return link_find(name, &link, NULL) == 0;
    return nft_find(name, &rules, NULL) == 0 &&
           (rules.tap[0] || rules.egress != BANGER__PRIV__V1__EGRESS__EGRESS_UNSPECIFIED);
}

static void works(int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(call(&thing, &err), 0))
        fprintf(stderr, "  %s\n", err.message);
}

static void says_why(const struct err *err)
{
    bool of_what = strstr(err->message, "cannot ") || strstr(err->message, "nftables");
    bool why = strstr(err->message, strerror(EIO)) || strstr(err->message, strerror(ENOMEM)) ||
               strstr(err->message, "no reason") || strstr(err->message, "no JSON");
    CHECK(err->code != ERR_NONE && err->code != ERR_NOT_FOUND && err->code != ERR_EXISTS);
    if (!CHECK(of_what && why))
        fprintf(stderr, "  \"%s\"\n", err->message);
}

/* The call with its n-th call of others failing; false: it has not as many. */
static bool fails_at(int n, bool done, int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    fault_begin(n, done);
    int rc = call(&thing, &err);
    if (fault_end() && CHECK_INT(rc, -1))
        says_why(&err);
    else if (fault.hit)
        fprintf(stderr, "  %s, call %d\n", fault.what, n);
    return fault.hit;
}

/* prepare puts things as they are before the call. At least so many calls are known to be made. */
static void in_turn(const struct priv_kind *kind, bool is_made,
                    int (*call)(const struct priv_thing *t, struct err *err), int least)
{
    int n = 0;
    for (int done = 0; done < 2; done++) {
        for (n = 0; n < CALLS_MAX; n++) {
            works(is_made ? kind->make : kind->remove);
            if (!fails_at(n, done, call))
                break;
            works(kind->remove);
            CHECK(!is_there(kind));
            works(kind->make);
            works(kind->find);
            CHECK(is_there(kind));
        }
    }
    printf("     %s: %d calls\n", kind->name, n);
    CHECK(n >= least && n < CALLS_MAX);
    works(kind->remove);
}

static void test_making_fails_at_every_call(void)
{
    in_turn(&priv_tap, false, priv_tap.make, 30);
    in_turn(&priv_rules, false, priv_rules.make, 10);
}

static void test_making_again_fails_at_every_call(void)
{
    for (int i = 0; i < 2; i++)
        in_turn(both[i], true, both[i]->make, 5);
}

static void test_removing_fails_at_every_call(void)
{
    for (int i = 0; i < 2; i++)
        in_turn(both[i], true, both[i]->remove, 5);
}

static void test_making_names_again_fails_at_every_call(void)
{
    thing.egress = BANGER__PRIV__V1__EGRESS__EGRESS_NAMES;
    in_turn(&priv_rules, true, priv_rules.make, 20);
    thing.egress = BANGER__PRIV__V1__EGRESS__EGRESS_LIST;
}

static void test_giving_fails_at_every_call(void)
{
    thing.user = 4002;
    in_turn(&priv_tap, true, priv_tap.give, 3);
}

/* Elements of the tap's, in any of the sets for names. */
static bool has_elements(void)
{
    static const char *const commands[][2] = {{"list map inet banger resolvers", "map"},
                                              {"list map inet banger zones", "map"},
                                              {"list set inet banger answering", "set"},
                                              {"list set inet banger pinned", "set"}};
    char name[PRIV_TAP_BYTES];
    bool has = false;
    priv_tap_name(&thing.owner, thing.vm_id, name);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        json_t *answer, *elements = nft_elements(commands[i][0], commands[i][1], &answer, NULL);
        char *text = elements ? json_dumps(elements, 0) : NULL;
        CHECK(answer);
        has |= text && strstr(text, name);
        free(text);
        json_decref(answer);
    }
    return has;
}

/* A socket of the owner's at the host's end of the tap. */
static int serve_questions(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(thing.address - 1)};
    socklen_t len = sizeof(at);
    CHECK_INT(seteuid(thing.owner.uid), 0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(seteuid(0), 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    thing.port = ntohs(at.sin_port);
    return fd;
}

static int make_resolved(const struct priv_thing *t, struct err *err)
{
    return priv_rules.make(t, err) < 0 ? -1 : priv_rules.resolve(t, err);
}

/* A request about rules that before has made. */
static void names_in_turn(int (*before)(const struct priv_thing *t, struct err *err),
                          int (*call)(const struct priv_thing *t, struct err *err), int least)
{
    int n = 0;
    for (int done = 0; done < 2; done++)
        for (n = 0; n < CALLS_MAX; n++) {
            works(before);
            if (!fails_at(n, done, call))
                break;
            works(call);
            CHECK(has_elements());
            works(priv_rules.remove);
            CHECK(!is_there(&priv_rules) && !has_elements());
        }
    printf("     %d calls\n", n);
    CHECK(n >= least && n < CALLS_MAX);
    works(priv_rules.remove);
}

static void test_requests_about_names_fail_at_every_call(void)
{
    works(priv_tap.make);
    int fd = serve_questions();
    thing.egress = BANGER__PRIV__V1__EGRESS__EGRESS_NAMES;
    names_in_turn(priv_rules.make, priv_rules.resolve, 5);
    thing.seconds = 660;
    thing.n_addresses = 2;
    thing.addresses[0] = 0xc0000207;
    thing.addresses[1] = 0xc0000208;
    names_in_turn(make_resolved, priv_rules.pin, 3);
    thing.egress = BANGER__PRIV__V1__EGRESS__EGRESS_LIST;
    close(fd);
    works(priv_tap.remove);
}

/* Never NOT_FOUND, which is certain. */
static void test_finding_fails_at_every_call(void)
{
    for (int i = 0; i < 2; i++)
        in_turn(both[i], true, both[i]->find, 3);
}

static const struct priv_kind *listed;
static int n_listed;

static void count_found(void *arg, const char *vm_id, const char *name)
{
    (void)arg, (void)vm_id, (void)name;
    n_listed++;
}

static int list(const struct priv_thing *t, struct err *err)
{
    n_listed = 0;
    return listed->list(&t->owner, count_found, NULL, err);
}

/* Never a list that is too short. */
static void test_listing_fails_at_every_call(void)
{
    for (int i = 0; i < 2; i++) {
        listed = both[i];
        in_turn(listed, true, list, 3);
        CHECK_INT(n_listed, 1);
    }
}

static int probe(const struct priv_thing *t, struct err *err)
{
    int left = fault.left;
    fault.left = -1;
    nft_run("delete table inet banger", NULL); /* a probe makes it */
    fault.left = left;
    return listed->probe(t->settings, err);
}

static void test_probing_fails_at_every_call(void)
{
    for (int i = 0; i < 2; i++) {
        listed = both[i];
        in_turn(listed, false, probe, 1);
    }
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (lacks)
        return check_skip(lacks);
    RUN(test_making_fails_at_every_call);
    RUN(test_making_again_fails_at_every_call);
    RUN(test_removing_fails_at_every_call);
    RUN(test_making_names_again_fails_at_every_call);
    RUN(test_giving_fails_at_every_call);
    RUN(test_requests_about_names_fail_at_every_call);
    RUN(test_finding_fails_at_every_call);
    RUN(test_listing_fails_at_every_call);
    RUN(test_probing_fails_at_every_call);
    return check_end();
}
