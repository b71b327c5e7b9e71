/* daemon/host/rootfs, for real, in the mode that is asked for: a build, one that is cancelled
 * half-way, one that cannot succeed, and one whose daemon is killed.
 *
 *   host_rootfs_integration root|unshare|fakechroot
 *
 * Run as root, the test becomes nobody first where the mode is an ordinary user's, with subordinate
 * ids for unshare. All is in a folder of mode 0700 with a blank (but for fakechroot) and an umlaut.
 */
#include "daemon/host/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/host/digest.h"
#include "daemon/host/remove.h"
#include "tests/support/check.h"

enum { NOBODY = 65534, DEADLINE_MS = 15 * 60 * 1000, SKIPPED = 77 };

static struct {
    struct loop *loop;
    struct workers *workers;
    struct rootfs_build *build;
    enum rootfs_mode mode;
    const char *const *packages;
    char folder[64], home[96], images[128];
    struct image image;
    struct err err;
    struct timer deadline;
    int done;
    uint32_t percent;
    bool percent_fell, cancel_at_packages, die_at_packages;
} t;

static void on_cancel(void *arg)
{
    (void)arg;
    rootfs_build_cancel(t.build);
}

static void on_progress(void *arg, const char *stage, uint32_t percent, const char *message)
{
    (void)arg;
    printf("%3u%% %s %s\n", percent, stage, message);
    t.percent_fell = t.percent_fell || percent < t.percent;
    t.percent = percent;
    if (t.cancel_at_packages && strcmp(stage, "packages") == 0 && percent > 5) {
        t.cancel_at_packages = false;
        loop_post(t.loop, on_cancel, NULL);
    }
    /* Its mounts are made by now. */
    if (t.die_at_packages && strcmp(stage, "packages") == 0 && percent >= 45)
        raise(SIGKILL);
}

static void on_done(void *arg, const struct image *image, const struct err *err)
{
    (void)arg;
    t.done++;
    t.build = NULL;
    if (image)
        t.image = *image;
    if (err)
        t.err = *err;
    loop_stop(t.loop);
}

static void on_deadline(void *arg)
{
    (void)arg;
    CHECK(!"the build did not end in time");
    rootfs_build_cancel(t.build);
}

static int count_entries(const char *folder)
{
    int n = 0;
    auto_dir DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    return n;
}

static void build(void)
{
    struct rootfs_build_spec spec = {.images_dir = t.images,
                                     .packages = t.packages,
                                     .mode = t.mode,
                                     .progress = on_progress,
                                     .done = on_done};
    t.done = 0;
    t.percent = 0;
    err_clear(&t.err);
    t.loop = loop_new(&t.err);
    t.workers = workers_new(t.loop, "test", 1, 8, &t.err);
    timer_init(&t.deadline, t.loop, on_deadline, NULL);
    timer_start(&t.deadline, DEADLINE_MS);
    t.build = rootfs_build_start(t.loop, t.workers, &spec, &t.err);
    struct err err = ERR_INIT;
    if (CHECK(t.build))
        loop_run(t.loop, &err);
    CHECK_INT(t.done, 1);
    timer_done(&t.deadline);
    workers_close(t.workers);
    loop_free(t.loop);
}

static void test_cancel(void)
{
    t.cancel_at_packages = true;
    build();
    CHECK_INT(t.err.code, ERR_CANCELLED);
    CHECK_STR(t.err.stage, "packages");
    CHECK_INT(count_entries(t.images), 0);
}

static void test_build(void)
{
    struct stat st;
    char digest[DIGEST_BYTES] = "", command[PATH_BYTES + 128];
    build();
    if (!CHECK_INT(t.err.code, ERR_NONE)) {
        fprintf(stderr, "%s: %s\n", t.err.stage, t.err.message);
        return;
    }
    CHECK(!t.percent_fell);
    CHECK_CONTAINS(t.image.os, "Debian GNU/Linux 12");
    CHECK_INT(t.image.format, IMAGE_RAW);
    CHECK_INT(count_entries(t.images), 1);
    CHECK_INT(stat(t.image.path, &st), 0);
    CHECK_INT(st.st_size, (int64_t)2 << 30);
    CHECK(t.image.file_bytes < (uint64_t)300 << 20);
    CHECK_INT(digest_file(t.image.path, NULL, digest, NULL), 0);
    CHECK_STR(t.image.digest, digest);
    snprintf(command, sizeof(command), "PATH=/usr/sbin:/sbin:$PATH e2fsck -fn '%s' 2>&1",
             t.image.path);
    CHECK_INT(system(command), 0);
    /* Root's, although an ordinary user made it. */
    snprintf(command, sizeof(command),
             "PATH=/usr/sbin:/sbin:$PATH debugfs -R 'stat /etc/shadow' '%s' 2>/dev/null | "
             "grep -q 'User: *0  *Group: *42 '",
             t.image.path);
    CHECK_INT(system(command), 0);
}

static void test_failed_build_tells_the_first_cause(void)
{
    static const char *const packages[] = {"no-such-package-at-all", NULL};
    t.packages = packages;
    build();
    t.packages = NULL;
    CHECK_INT(t.err.code, ERR_UNAVAILABLE);
    CHECK_STR(t.err.stage, "packages");
    CHECK_CONTAINS(t.err.message, "no-such-package-at-all");
    CHECK_INT(count_entries(t.images), 0);
}

/* Packages' scripts do not bear it; the error says so instead of theirs. */
static void test_fakechroot_refuses_a_blank(void)
{
    char images[sizeof(t.images)];
    strcpy(images, t.images);
    snprintf(t.images, sizeof(t.images), "%s/a b", t.home);
    build();
    CHECK_INT(t.err.code, ERR_PRECONDITION);
    CHECK_CONTAINS(t.err.message, "blanks");
    strcpy(t.images, images);
}

static bool has_mounts_below(void)
{
    char line[4096], folder[sizeof(t.folder) + 16];
    snprintf(folder, sizeof(folder), "%s/Ä", t.folder);
    bool found = false;
    auto_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && fgets(line, sizeof(line), mounts))
        found = found || strstr(line, folder);
    return found;
}

/* Every process of the dead build is ours to wait for. */
static void test_killed_build_leaves_nothing(void)
{
    char find[PATH_BYTES];
    if (geteuid() != 0 && system("unshare --user --map-current-user --mount --pid true") != 0) {
        printf("not run: there are no user namespaces here\n");
        return;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        t.die_at_packages = true;
        build();
        _exit(0);
    }
    int status = 0;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    CHECK_INT(count_entries(t.images), 1);
    /* Nobody went on to the end. */
    snprintf(find, sizeof(find), "find '%s' -name root.tar -size +0 | grep .", t.images);
    CHECK(system(find) != 0);
    CHECK(!has_mounts_below());
    CHECK_INT(host_remove_leftovers(t.images, &t.err), 0);
    CHECK_INT(count_entries(t.images), 0);
}

static int run_all(void)
{
    if (t.mode == ROOTFS_MODE_FAKECHROOT)
        RUN(test_fakechroot_refuses_a_blank);
    RUN(test_failed_build_tells_the_first_cause);
    RUN(test_cancel);
    RUN(test_killed_build_leaves_nothing);
    RUN(test_build);
    return check_end();
}

/* In a mount namespace of ours nobody has subordinate ids, whatever the host's files say. */
static int lend_ids(bool lend)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/ids", t.folder);
    FILE *f = fopen(path, "we");
    if (!f || fputs(lend ? "nobody:100000:65536\n" : "", f) < 0 || fclose(f) != 0)
        return -1;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount(path, "/etc/subuid", NULL, MS_BIND, NULL) < 0 ||
                   mount(path, "/etc/subgid", NULL, MS_BIND, NULL) < 0
               ? -1
               : 0;
}

/* In a child, which gives up root. */
static int run_as_nobody(void)
{
    if (lend_ids(t.mode == ROOTFS_MODE_UNSHARE) < 0) {
        printf("skipped: no mount namespace here, which lends subordinate ids: %s\n",
               strerror(errno));
        return SKIPPED;
    }
    if (chmod(t.folder, 0755) < 0 || chown(t.home, NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 ||
        setgid(NOBODY) < 0 || setuid(NOBODY) < 0 || chdir("/") < 0)
        return EXIT_FAILURE;
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker looks into us */
    setenv("HOME", t.home, 1);
    return run_all();
}

static int in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        exit(run());
    if (pid < 0)
        return EXIT_FAILURE;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static bool take_mode(const char *name)
{
    static const char *const names[] = {[ROOTFS_MODE_ROOT] = "root",
                                        [ROOTFS_MODE_UNSHARE] = "unshare",
                                        [ROOTFS_MODE_FAKECHROOT] = "fakechroot"};
    for (size_t i = ROOTFS_MODE_ROOT; i < sizeof(names) / sizeof(names[0]); i++)
        if (name && strcmp(name, names[i]) == 0)
            t.mode = (enum rootfs_mode)i;
    return t.mode != ROOTFS_MODE_AUTO;
}

int main(int argc, char **argv)
{
    int rc;
    if (!take_mode(argc > 1 ? argv[1] : NULL))
        return EXIT_FAILURE;
    if (t.mode == ROOTFS_MODE_ROOT && geteuid() != 0) {
        printf("skipped: mode root needs root\n");
        return SKIPPED;
    }
    strcpy(t.folder, "/tmp/banger-rootfs-XXXXXX");
    if (!mkdtemp(t.folder))
        return EXIT_FAILURE;
    const char *blank = t.mode == ROOTFS_MODE_FAKECHROOT ? "" : " ";
    snprintf(t.home, sizeof(t.home), "%s/Ä%sb", t.folder, blank);
    snprintf(t.images, sizeof(t.images), "%s/images", t.home);
    if (mkdir(t.home, 0700) < 0)
        return EXIT_FAILURE;
    rc = in_child(geteuid() == 0 && t.mode != ROOTFS_MODE_ROOT ? run_as_nobody : run_all);
    fs_remove_tree(t.folder, NULL);
    return rc;
}
