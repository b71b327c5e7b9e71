/* Users and groups as /etc/passwd and /etc/group have them, well-formed and not. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/users.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"

static char root[] = "/tmp/banger-users-XXXXXX";

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "\n"
                             "broken\n"
                             "worse:x:abc:def:::\n"
                             "dev:x:1000:1001:Dev,,,:/home/dev:\n"
                             "odd:x:4294967295:5:::\n"
                             "last:x:7:7::/l:/bin/false";
static const char group[] = "root:x:0:\n"
                            "wheel:x:10:dev,root\n"
                            "devs:x:1001:\n"
                            "devel:x:11:developer\n"
                            "video:x:44:x,dev\n";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/etc/%s", root, name);
    CHECK_INT(fs_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

static void test_by_name(void)
{
    struct user u;
    CHECK_INT(user_find(root, "dev", "", &u, NULL), 0);
    CHECK_INT(u.uid, 1000);
    CHECK_INT(u.gid, 1001);
    CHECK_STR(u.home, "/home/dev");
    CHECK_STR(u.shell, "/bin/sh"); /* the default */
    CHECK_INT(u.n_groups, 2);
    CHECK_INT(u.groups[0], 10);
    CHECK_INT(u.groups[1], 44);
    CHECK_INT(user_find(root, "last", "", &u, NULL), 0);
    CHECK_STR(u.shell, "/bin/false");
}

static void test_by_number(void)
{
    struct user u;
    CHECK_INT(user_find(root, "1000", "", &u, NULL), 0);
    CHECK_STR(u.name, "dev");
    CHECK_INT(user_find(root, "4242", "", &u, NULL), 0);
    CHECK_INT(u.uid, 4242);
    CHECK_INT(u.gid, 4242);
    CHECK_STR(u.home, "/");
}

static void test_group(void)
{
    struct user u;
    CHECK_INT(user_find(root, "dev", "video", &u, NULL), 0);
    CHECK_INT(u.gid, 44);
    CHECK_INT(user_find(root, "dev", "99", &u, NULL), 0);
    CHECK_INT(u.gid, 99);
}

static void test_unknown(void)
{
    static const char *const bad[] = {"nobody-here", "worse", "broken",     "odd",
                                      "-1",          "1x",    "99999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct user u;
        struct err err = ERR_INIT;
        CHECK_INT(user_find(root, bad[i], "", &u, &err), -1);
        CHECK_INT(err.code, ERR_NOT_FOUND);
        CHECK_CONTAINS(err.message, bad[i]);
    }
    struct user u;
    struct err err = ERR_INIT;
    CHECK_INT(user_find(root, "dev", "no-group", &u, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

static void test_without_files(void)
{
    struct user u;
    CHECK_INT(user_find("/no/such/root", "0", "", &u, NULL), 0);
    CHECK_STR(u.home, "/root");
    CHECK_INT(user_find("/no/such/root", "root", "", &u, NULL), -1);
}

/* The answer is kept while the files are what they were: this machine's are old enough for that. */
static void test_a_change_is_seen_at_once(void)
{
    char path[128];
    struct user u;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "group" : "passwd";
        char of_machine[32];
        snprintf(path, sizeof(path), "%s/etc/%s", root, name);
        snprintf(of_machine, sizeof(of_machine), "/etc/%s", name);
        CHECK_INT(unlink(path), 0);
        CHECK_INT(symlink(of_machine, path), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(user_find(root, "0", "", &u, NULL), 0);
        CHECK_STR(u.name, "root");
    }
    snprintf(path, sizeof(path), "%s/etc/passwd", root);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(symlink("/etc/group", path), 0); /* as old, and no user is in it */
    CHECK_INT(user_find(root, "0", "", &u, NULL), 0);
    CHECK_STR(u.name, "0");
    write_file("passwd", "toor:x:0:5::/elsewhere:/bin/false\n");
    CHECK_INT(user_find(root, "0", "", &u, NULL), 0);
    CHECK_STR(u.name, "toor");
    CHECK_STR(u.home, "/elsewhere");
    CHECK_INT(user_find(root, "0", "99", &u, NULL), 0);
    CHECK_INT(u.gid, 99);
    CHECK_INT(user_find(root, "dev", "", &u, NULL), -1);
}

int main(void)
{
    if (!mkdtemp(root))
        return check_skip("no folder below /tmp");
    char etc[64];
    snprintf(etc, sizeof(etc), "%s/etc", root);
    CHECK_INT(mkdir(etc, 0755), 0);
    write_file("passwd", passwd);
    write_file("group", group);
    RUN(test_by_name);
    RUN(test_by_number);
    RUN(test_group);
    RUN(test_unknown);
    RUN(test_without_files);
    RUN(test_a_change_is_seen_at_once);
    CHECK_INT(fs_remove_tree(root, NULL), 0);
    return check_end();
}
