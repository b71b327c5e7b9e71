/* The host's name servers, with a resolv.conf of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/resolver.h"
#include "tests/support/check.h"

static char path[] = "/tmp/banger-resolv-XXXXXX";

static void has(const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static const char *text_of(const struct sockaddr_storage *at)
{
    static char text[INET6_ADDRSTRLEN];
    const void *address = at->ss_family == AF_INET
                              ? (const void *)&((const struct sockaddr_in *)at)->sin_addr
                              : (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;
    return inet_ntop(at->ss_family, address, text, sizeof(text));
}

static void test_who_is_asked(void)
{
    struct resolvers r;
    char first[16];
    has("# nameserver 192.0.2.1\nsearch nameserver\nnameserver 127.0.0.53\n"
        "nameserver 2001:db8::7\nnameserver 192.0.2.7 # words\nnameserver 192.0.2.8\n");
    CHECK_INT(resolver_list(&r, NULL), 0);
    CHECK_INT(r.n, 3); /* as the C library has it */
    CHECK_STR(text_of(&r.at[0]), "127.0.0.53");
    CHECK_STR(text_of(&r.at[1]), "2001:db8::7");
    CHECK_STR(text_of(&r.at[2]), "192.0.2.7");
    resolver_find(first);
    CHECK_STR(first, "192.0.2.7");
    has("nameserver nobody\n");
    CHECK_INT(resolver_list(&r, NULL), 0);
    CHECK_INT(r.n, 1); /* resolv.conf(5): then it is this host */
    CHECK_STR(text_of(&r.at[0]), "127.0.0.1");
}

/* Then nobody is asked, least of all somebody else. */
static void test_a_file_that_cannot_be_read(void)
{
    struct rlimit before, none;
    struct resolvers r;
    struct err err = ERR_INIT;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(resolver_list(&r, &err), -1);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(r.n, 0);
    CHECK_INT(err.sys, EMFILE);
    CHECK_CONTAINS(err.message, "/etc/resolv.conf");
}

int main(void)
{
    int fd = mkstemp(path);
    close(fd);
    if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0) {
        unlink(path);
        return check_skip("no mounts of its own");
    }
    RUN(test_who_is_asked);
    RUN(test_a_file_that_cannot_be_read);
    unlink(path);
    return check_end();
}
