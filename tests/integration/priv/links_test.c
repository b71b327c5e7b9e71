/* Interfaces and addresses that come and go while the helper's part looks at them, in a network
 * namespace of its own. */
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/priv/priv_addresses.h"
#include "daemon/priv/priv_link.h"
#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"

enum {
    LINKS = 400, /* more than one message of the kernel's holds */
    LISTS = 400,
    ADDRESSES = 3000,         /* more notices than a socket holds */
    INDEX = 0x7fffffff,       /* of nobody */
    NET = 10 << 24 | 9 << 16, /* 10.9.0.0 */
};

/* As "ip -batch" has it. */
static bool ip(const char *commands)
{
    FILE *program = popen("ip -force -batch - >/dev/null 2>&1", "w");
    if (!program)
        return false;
    fputs(commands, program);
    return pclose(program) == 0;
}

/* A line for each of n: two numbers between the three texts. */
static bool ip_each(const char *before, const char *between, const char *behind, int n)
{
    FILE *program = popen("ip -batch - >/dev/null", "w");
    for (int i = 0; program && i < n; i++)
        fprintf(program, "%s%d%s%d%s\n", before, i / 200, between, i % 200 + 1, behind);
    return program && pclose(program) == 0;
}

/* ---- lists ---- */

static atomic_bool enough;

static void *keep_changing(void *arg)
{
    (void)arg;
    while (!atomic_load(&enough))
        ip("link add flicker type bridge\nlink del flicker\n");
    return NULL;
}

static void count(void *arg, const struct link_info *info)
{
    *(int *)arg += strncmp(info->name, "stays", 5) == 0;
}

/* A list that changes while it is told is told again: nothing is missing, nothing doubled, and it
 * is no error. */
static void test_links_come_and_go(void)
{
    pthread_t thread;
    CHECK(ip_each("link add stays", "-", " type bridge", LINKS));
    CHECK_INT(pthread_create(&thread, NULL, keep_changing, NULL), 0);
    int failed = 0, wrong = 0;
    for (int i = 0; i < LISTS; i++) {
        struct err err = ERR_INIT;
        int n = 0;
        int rc = link_each(count, &n, &err);
        if (rc < 0 && failed++ == 0)
            fprintf(stderr, "  (%s)\n", err.message);
        wrong += rc == 0 && n != LINKS;
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    CHECK_INT(failed, 0);
    CHECK_INT(wrong, 0);
}

/* ---- addresses ---- */

/* "": none. */
static void check_overlap(uint32_t address, const char *want)
{
    struct err err = ERR_INIT;
    char with[PRIV_TAP_BYTES] = "";
    int rc = addresses_overlap(INDEX, address, 30, with, &err);
    if (!CHECK_INT(rc, *want ? 1 : 0))
        fprintf(stderr, "  (%s)\n", err.message);
    CHECK_STR(with, want);
}

static void test_addresses_come_and_go(void)
{
    char with[PRIV_TAP_BYTES];
    check_overlap(NET + 5, "");
    CHECK(ip("link add here0 type bridge\naddr add 10.9.0.6/24 dev here0\n")); /* it is down */
    check_overlap(NET + 5, "here0");
    check_overlap(NET + 200, "here0"); /* its network is wider */
    check_overlap(NET + 256 + 5, "");
    CHECK_INT(addresses_overlap(if_nametoindex("here0"), NET + 5, 30, with, NULL), 0);
    /* Two that differ in their other end alone: one of them stays. */
    CHECK(ip("addr add 10.9.8.1 peer 10.9.8.2/32 dev here0\naddr add 10.9.8.1 peer 10.9.8.3/32 dev "
             "here0\n"
             "addr del 10.9.8.1 peer 10.9.8.2/32 dev here0\n"));
    check_overlap(NET + 8 * 256 + 1, "here0");
    CHECK(ip("addr change 10.9.0.6/24 dev here0 valid_lft 1000 preferred_lft 1000\n"));
    CHECK(ip("addr del 10.9.0.6/24 dev here0\n"));
    check_overlap(NET + 5, "");
    CHECK(ip("link set here0 name here1\naddr add 10.9.0.6/30 dev here1\n"));
    check_overlap(NET + 5, "here1");
    CHECK(ip("link del here1\n"));
    check_overlap(NET + 5, "");
    check_overlap(NET + 8 * 256 + 1, "");
}

/* What a forked one looks at, as a request with files is served, is not missed by the other. */
static void test_a_fork_takes_nothing_away(void)
{
    check_overlap(NET + 5, "");
    CHECK(ip("link add here2 type bridge\naddr add 10.9.0.6/30 dev here2\n"));
    pid_t pid = fork();
    if (pid == 0) {
        char with[PRIV_TAP_BYTES];
        addresses_forget();
        _exit(addresses_overlap(INDEX, NET + 5, 30, with, NULL));
    }
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    check_overlap(NET + 5, "here2");
    CHECK(ip("link del here2\n"));
}

/* More at once than notices are kept for. */
static void test_a_crowd_of_addresses(void)
{
    CHECK(ip("link add crowd type bridge\n"));
    CHECK(ip_each("addr add 10.9.", ".", "/32 dev crowd", ADDRESSES));
    check_overlap(NET + 1, "crowd");
    check_overlap(NET + 256 * ((ADDRESSES - 1) / 200) + 200, "crowd"); /* the last */
    check_overlap(NET + 256 * 100, "");
    CHECK(ip("link del crowd\n"));
    check_overlap(NET + 1, "");
    check_overlap(NET + 256 * ((ADDRESSES - 1) / 200) + 200, "");
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (lacks)
        return check_skip(lacks);
    RUN(test_links_come_and_go);
    RUN(test_addresses_come_and_go);
    RUN(test_a_fork_takes_nothing_away);
    RUN(test_a_crowd_of_addresses);
    return check_end();
}
