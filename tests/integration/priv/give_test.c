/* A tap that its owner, who is root, gives to another user: that one opens it, and nobody else. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"

#define OP(name)   BANGER__PRIV__V1__OPERATION__OPERATION_##name
#define KIND(name) BANGER__PRIV__V1__KIND__KIND_##name

enum { JAILED = 4001, OTHER = 4002, ADDRESS = (10 << 24) + (213 << 16) + 2 };

static const char state[] = "0badcafe", vm[] = "0123456789abcdef";

static struct peer_answer ask(uint32_t as, Banger__Priv__V1__Operation operation,
                              Banger__Priv__V1__Kind kind, uint32_t user)
{
    Banger__Priv__V1__Request r = peer_request(operation, kind, state, vm, ADDRESS);
    int fd = peer_connect(as);
    r.user = user;
    struct peer_answer a = peer_ask(fd, &r);
    close(fd);
    return a;
}

/* As Firecracker opens it in its jail. */
static bool opens(uid_t uid)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct priv_owner root = {.uid = 0};
    int status = -1;
    snprintf(root.state, sizeof(root.state), "%s", state);
    priv_tap_name(&root, vm, r.ifr_name);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        if (fd < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(2);
        _exit(ioctl(fd, TUNSETIFF, &r) == 0 ? 0 : 1);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return status == 0;
}

static void test_only_who_is_given_it_opens_it(void)
{
    CHECK_INT(ask(0, OP(GIVE), KIND(TAP), JAILED).err.code, ERR_NOT_FOUND);
    CHECK_INT(ask(0, OP(MAKE), KIND(TAP), 0).err.code, ERR_NONE);
    CHECK(!opens(JAILED));
    CHECK_INT(ask(0, OP(GIVE), KIND(TAP), JAILED).err.code, ERR_NONE);
    CHECK(opens(JAILED));
    CHECK(!opens(OTHER));
    CHECK_INT(ask(0, OP(GIVE), KIND(TAP), OTHER).err.code, ERR_NONE); /* the next launch's */
    CHECK(!opens(JAILED));
    CHECK(opens(OTHER));
}

static void test_rules_are_nobodys(void)
{
    CHECK_INT(ask(0, OP(GIVE), KIND(RULES), JAILED).err.code, ERR_UNIMPLEMENTED);
}

static void test_only_root_gives(void)
{
    CHECK_INT(ask(JAILED, OP(GIVE), KIND(TAP), JAILED).err.code, ERR_DENIED);
    CHECK(opens(OTHER));
    CHECK_INT(ask(0, OP(REMOVE), KIND(TAP), 0).err.code, ERR_NONE);
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (lacks)
        return check_skip(lacks);
    if (!peer_open(PRIV_FILE))
        return EXIT_FAILURE;
    RUN(test_only_who_is_given_it_opens_it);
    RUN(test_rules_are_nobodys);
    RUN(test_only_root_gives);
    peer_close();
    return check_end();
}
