/* What a program finds around it in a guest, item by item: see agent/surroundings.h and
 * docs/guest.md. guest_surroundings_test qemu */
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

static struct harness h;
static struct banger_client *client;

#define NODE(path, is)                                                                             \
    {                                                                                              \
        path, "stat -c '%a %U %F %t:%T' " path, is                                                 \
    }
#define DEVICE(path, is) NODE(path, "666 root character special file " is)
#define LINK(path, to)                                                                             \
    {                                                                                              \
        path, "readlink " path, to                                                                 \
    }
#define MOUNT(path, is)                                                                            \
    {                                                                                              \
        path, "awk '$2 == \"" path "\" {print $3, $4}' /proc/mounts | cut -d, -f1-4", is           \
    }

static const struct {
    const char *what, *command, *want;
} items[] = {
    /* OCI runtime specification, config-linux.md: Default Devices */
    DEVICE("/dev/null", "1:3"),
    DEVICE("/dev/zero", "1:5"),
    DEVICE("/dev/full", "1:7"),
    DEVICE("/dev/random", "1:8"),
    DEVICE("/dev/urandom", "1:9"),
    DEVICE("/dev/tty", "5:0"),
    DEVICE("/dev/ptmx", "5:2"),
    DEVICE("/dev/pts/ptmx", "5:2"),
    NODE("/dev/console", "600 root character special file 5:1"),
    /* Dev symbolic links */
    LINK("/dev/fd", "/proc/self/fd"),
    LINK("/dev/stdin", "/proc/self/fd/0"),
    LINK("/dev/stdout", "/proc/self/fd/1"),
    LINK("/dev/stderr", "/proc/self/fd/2"),
    LINK("/dev/core", "/proc/kcore"),
    /* Default Filesystems, and what engines add */
    MOUNT("/proc", "proc rw,nosuid,nodev,noexec"),
    MOUNT("/sys", "sysfs rw,nosuid,nodev,noexec"),
    MOUNT("/sys/fs/cgroup", "cgroup2 rw,nosuid,nodev,noexec"),
    MOUNT("/dev/pts", "devpts rw,nosuid,noexec,relatime"),
    MOUNT("/dev/shm", "tmpfs rw,nosuid,nodev,noexec"),
    MOUNT("/dev/mqueue", "mqueue rw,nosuid,nodev,noexec"),
    MOUNT("/run", "tmpfs rw,nosuid,nodev,relatime"),
    {"modes of shared folders", "stat -c '%n %a' /dev/shm /dev/mqueue /run /run/lock /tmp /var/tmp",
     "/dev/shm 1777\n/dev/mqueue 1777\n/run 755\n/run/lock 1777\n/tmp 1777\n/var/tmp 1777"},
    LINK("/etc/mtab", "/proc/mounts"),
    LINK("/var/run", "/run"),
    /* They work */
    {"process substitution", "bash -c 'cat <(echo hi)'", "hi"},
    {"writing to /dev/stdout", "echo hi >/dev/stdout; echo hi | cat /dev/stdin", "hi\nhi"},
    {"writing to /dev/stderr", "{ echo hi >/dev/stderr; } 2>&1", "hi"},
    {"the loopback interface", "cat /sys/class/net/lo/operstate; ip -o addr show lo | wc -l",
     "unknown\n2"},
    {"no user's terminal",
     "su -s /bin/sh nobody -c 'test -w /dev/ptmx && test -w /dev/shm && echo y'", "y"},
    /* Limits */
    {"open files", "ulimit -Sn; ulimit -Hn", "1024\n524288"},
    {"limits of processes",
     "awk '/Max processes|Max core|Max stack|Max address|Max cpu|Max file size/ "
     "{print $2, $3, $4, $5, $6}' /proc/self/limits | sed 's/ $//'",
     "cpu time unlimited unlimited seconds\nfile size unlimited unlimited bytes\n"
     "stack size 8388608 unlimited bytes\ncore file size 0 unlimited\n"
     "processes unlimited unlimited processes\naddress space unlimited unlimited bytes"},
    {"umask and niceness", "umask; nice; cat /proc/self/oom_score_adj", "0022\n0\n0"},
    {"signals", "grep -E 'SigBlk|SigIgn' /proc/self/status | cut -f2 | uniq", "0000000000000000"},
    {"open descriptors", "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 "}, /* 3: the folder itself */
    /* Names, time, language */
    {"host name", "hostname; cat /etc/hostname; echo $HOSTNAME", "box\nbox\nbox"},
    {"its own name", "getent hosts box | tr -s ' '", "127.0.1.1 box"},
    {"localhost", "getent ahostsv4 localhost | head -n 1 | cut -d' ' -f1", "127.0.0.1"},
    {"resolver", "cat /etc/resolv.conf", "nameserver 10.0.2.3"},
    {"time zone", "date +%Z", "UTC"},
    {"language", "echo $LANG; locale charmap", "C.UTF-8\nUTF-8"},
    {"environment", "env | grep -vE '^(PWD|SHLVL|_|BANGER_.*|TEST_FOLDER)=' | sort",
     "HOME=/root\nHOSTNAME=box\nLANG=C.UTF-8\nLOGNAME=root\n"
     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSHELL=/bin/bash\n"
     "USER=root"},
    {"folder", "pwd", "/root"},
};

static void test_a_guest_has_what_a_container_has(void)
{
    for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
        const char *const argv[] = {"sh", "-c", items[i].command, NULL};
        char got[2048], want[2048];
        steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got));
        size_t len = strlen(got);
        if (len > 0 && got[len - 1] == '\n')
            got[len - 1] = '\0';
        snprintf(want, sizeof(want), "%s", items[i].want);
        if (strcmp(got, want) != 0)
            fprintf(stderr, "     %s (%s):\n", items[i].what, items[i].command);
        CHECK_STR(got, want);
    }
}

/* A folder below /run that the image has is there after each boot, with its owner; a file that a
 * program left there is not. */
static void test_the_image_s_folders_below_run_are_there_after_each_boot(void)
{
    static const char *const make[] = {
        "sh", "-c",
        "mkdir -p /mnt && mount --bind / /mnt && mkdir -p /mnt/run/db/sub && "
        "chown nobody /mnt/run/db && chmod 2775 /mnt/run/db && ln -s db /mnt/run/other && echo 1 "
        ">/mnt/run/db/pid && "
        "umount /mnt && rm -rf /etc/mtab && mkdir /run/gone",
        NULL};
    static const char *const look[] = {
        "sh", "-c", "stat -c '%a %U' /run/db; ls /run /run/db; readlink /run/other /etc/mtab",
        NULL};
    struct banger_error error = {0};
    char got[512];
    CHECK_INT(steps_run(client, &h, "box", make, NULL, 0, NULL, 0), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    steps_run(client, &h, "box", look, NULL, 0, got, sizeof(got));
    CHECK_STR(got, "2775 nobody\n/run:\ndb\nlock\nother\n\n/run/db:\nsub\ndb\n/proc/mounts\n");
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, id, &error), 0);
    RUN(test_a_guest_has_what_a_container_has);
    RUN(test_the_image_s_folders_below_run_are_there_after_each_boot);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
