/* daemon/host/rootfs, for real: a build by an ordinary user, and one that is cancelled half-way.
 *
 * Run as root, the test becomes nobody first: who has no subordinate ids, so this is the hardest
 * mode (fakechroot); the assets of the other tests were built by whoever runs the suite. */
#include "daemon/host/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/host/digest.h"
#include "tests/support/check.h"

enum { NOBODY = 65534, DEADLINE_MS = 15 * 60 * 1000 };

static struct {
    struct loop *loop;
    struct workers *workers;
    struct rootfs_build *build;
    char folder[64], images[128];
    struct image image;
    struct err err;
    struct timer deadline;
    int done;
    uint32_t percent;
    bool percent_fell, cancel_at_packages;
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
    struct rootfs_build_spec spec = {
        .images_dir = t.images, .progress = on_progress, .done = on_done};
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

/* A child that has given up root runs the tests. */
static int run_as_nobody(void)
{
    pid_t pid = fork();
    if (pid < 0)
        return EXIT_FAILURE;
    if (pid > 0) {
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
    }
    if (chown(t.folder, NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 ||
        setuid(NOBODY) < 0)
        _exit(EXIT_FAILURE);
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker looks into us */
    setenv("HOME", t.folder, 1);
    RUN(test_cancel);
    RUN(test_build);
    exit(check_end());
}

int main(void)
{
    int rc;
    strcpy(t.folder, "/tmp/banger-rootfs-XXXXXX");
    if (!mkdtemp(t.folder))
        return EXIT_FAILURE;
    snprintf(t.images, sizeof(t.images), "%s/images", t.folder);
    if (geteuid() == 0) {
        rc = run_as_nobody();
    } else {
        RUN(test_cancel);
        RUN(test_build);
        rc = check_end();
    }
    fs_remove_tree(t.folder, NULL);
    return rc;
}
