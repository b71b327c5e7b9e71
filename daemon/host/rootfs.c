/* Building the default image as a task; see rootfs.h and task.h.
 *
 * begin -> probe -> sources -> options -> packages -> filesystem -> publish. The tree travels as a
 * tar from mmdebstrap to mke2fs, with its true owners in it, so the two need not share a namespace:
 * the second unpacks it as root or under fakeroot.
 *
 * mmdebstrap could make a user namespace by itself (its mode unshare), but one in which our own id
 * is nobody: its tools then cannot even look at a folder that is ours alone. In ours we are root,
 * so that every tool may go wherever we may, and it works in its mode root. */
#include "daemon/host/rootfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/host/apt.h"
#include "daemon/host/digest.h"
#include "daemon/host/namespace.h"
#include "daemon/host/publish.h"
#include "daemon/host/rootfs_text.h"

enum {
    ROOTFS_SHORT_DEADLINE_MS = 60 * 1000,
    ROOTFS_LONG_DEADLINE_MS = 30 * 60 * 1000,
    ROOTFS_PACKAGES_BYTES = 2048,
    ROOTFS_OS_MAX_BYTES = 64 * 1024,
};
static const uint64_t rootfs_default_disk_bytes = (uint64_t)2 << 30;
static const uint64_t rootfs_min_disk_bytes = (uint64_t)512 << 20;
static const uint64_t rootfs_max_disk_bytes = (uint64_t)16 << 40;

/* mke2fs is in /usr/sbin, which an ordinary user's PATH lacks. */
static const char rootfs_more_path[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* fakeroot tries first, and takes for an error that a user namespace knows no other ids. */
static const char rootfs_no_chown[] = "FAKEROOTDONTTRYCHOWN=1";

struct rootfs_build {
    struct task task;
    struct publish out;
    struct image image; /* the result */
    enum rootfs_mode mode;
    enum namespace_kind namespace;
    char env_path[PATH_BYTES * 4]; /* PATH=our own, then rootfs_more_path */
    char suite[32];
    char packages[ROOTFS_PACKAGES_BYTES]; /* comma-separated */
    bool has_sources, has_options;
    void (*done)(void *arg, const struct image *image, const struct err *err);
    void *arg;
};

static int rootfs_write(const struct rootfs_build *b, const char *name, const char *text,
                        struct err *err)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", b->out.temp, name);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int rootfs_begin(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    if (publish_begin(&b->out, err) < 0)
        return -1;
    char sources[1024];
    rootfs_text_sources(b->suite, sources, sizeof(sources));
    return rootfs_write(b, "debian.sources", sources, err);
}

/* probe: how to become root enough */

static int rootfs_probe(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    const char *subids = b->mode == ROOTFS_MODE_FAKECHROOT ? "self" : "all";
    const char *argv[] = {"env", b->env_path, "sh", "-c", namespace_probe, "sh", subids, NULL};
    return task_run(&b->task, argv, NULL, b->out.temp, ROOTFS_SHORT_DEADLINE_MS, err);
}

static int rootfs_probed(void *self, const struct child_exit *exit, struct err *err)
{
    struct rootfs_build *b = self;
    b->namespace = namespace_of(exit->out);
    if (b->mode == ROOTFS_MODE_UNSHARE && b->namespace != NAMESPACE_SUBIDS)
        return err_set(err, ERR_PRECONDITION, "mode unshare needs %s",
                       geteuid() == 0 ? "an ordinary user" : rootfs_text_subids);
    if (b->mode == ROOTFS_MODE_AUTO)
        b->mode = geteuid() == 0                     ? ROOTFS_MODE_ROOT
                  : b->namespace == NAMESPACE_SUBIDS ? ROOTFS_MODE_UNSHARE
                                                     : ROOTFS_MODE_FAKECHROOT;
    /* Packages' scripts run with the whole path there, and not all of them quote it. */
    if (b->mode == ROOTFS_MODE_FAKECHROOT && strpbrk(b->out.temp, " \t\n'\"\\$&;|<>*?()"))
        return err_set(
            err, ERR_PRECONDITION,
            "a build under fakechroot needs a folder without blanks and quotes, which %s "
            "is not; any folder will do with %s",
            b->out.temp, rootfs_text_subids);
    return 0;
}

/* The second half of the probe: what the chosen mode needs beyond mmdebstrap. */
static int rootfs_check_tools(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    static const char *const need[][4] = {
        [ROOTFS_MODE_ROOT] = {"mmdebstrap", "mke2fs", "tar", NULL},
        [ROOTFS_MODE_UNSHARE] = {"mmdebstrap", "mke2fs", "fakeroot", NULL},
        [ROOTFS_MODE_FAKECHROOT] = {"mmdebstrap", "mke2fs", "fakechroot", "fakeroot"},
    };
    const char *argv[12] = {
        "env",
        b->env_path,
        "sh",
        "-c",
        "for t; do command -v \"$t\" >/dev/null || { echo \"$t\"; exit 1; }; done",
        "sh"};
    for (size_t i = 0; i < 4; i++)
        argv[6 + i] = need[b->mode][i];
    return task_run(&b->task, argv, NULL, b->out.temp, ROOTFS_SHORT_DEADLINE_MS, err);
}

static int rootfs_checked_tools(void *self, const struct child_exit *exit, struct err *err)
{
    struct rootfs_build *b = self;
    if (exit->code == 0)
        return 0;
    bool slow = b->mode == ROOTFS_MODE_FAKECHROOT;
    return err_set(err, ERR_NOT_FOUND,
                   "%.*s is not installed: run `apt-get install mmdebstrap e2fsprogs fakeroot "
                   "fakechroot` as root%s%s%s",
                   (int)strcspn(exit->out, "\n"), exit->out,
                   slow ? "; faster is a build with " : "", slow ? rootfs_text_subids : "",
                   slow ? ", which needs no fakechroot" : "");
}

/* sources, options: what the host's apt is told */

static int rootfs_ask_sources(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    const char *argv[] = {"env",
                          "LC_ALL=C",
                          "apt-get",
                          "indextargets",
                          "--format",
                          apt_targets_format,
                          "Identifier: Packages",
                          NULL};
    return task_run(&b->task, argv, NULL, b->out.temp, ROOTFS_SHORT_DEADLINE_MS, err);
}

/* A host without Debian's sources (another distribution) leaves the choice to mmdebstrap. */
static int rootfs_got_sources(void *self, const struct child_exit *exit, struct err *err)
{
    struct rootfs_build *b = self;
    auto_free char *sources = NULL;
    if (apt_sources_of_targets(exit->code == 0 ? exit->out : "", b->suite, &sources, err) < 0)
        return -1;
    b->has_sources = sources[0] != '\0';
    return rootfs_write(b, "sources.list", sources, err);
}

static int rootfs_ask_options(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    const char *argv[] = {"env",      "LC_ALL=C",     "apt-config", "dump",
                          "--format", "%F \"%v\";%n", "Acquire",    NULL};
    return task_run(&b->task, argv, NULL, b->out.temp, ROOTFS_SHORT_DEADLINE_MS, err);
}

static int rootfs_got_options(void *self, const struct child_exit *exit, struct err *err)
{
    struct rootfs_build *b = self;
    auto_free char *options = NULL;
    if (rootfs_text_apt_options(exit->code == 0 ? exit->out : "", &options, err) < 0)
        return -1;
    b->has_options = options[0] != '\0';
    return rootfs_write(b, "apt.conf", options, err);
}

/* packages: mmdebstrap */

static const char *rootfs_mode_name(enum rootfs_mode mode)
{
    return mode == ROOTFS_MODE_ROOT      ? "root"
           : mode == ROOTFS_MODE_UNSHARE ? "unshare"
                                         : "fakechroot";
}

static int rootfs_run(struct rootfs_build *b, const struct namespace_argv *a, struct err *err)
{
    return task_run(&b->task, a->argv, NULL, b->out.temp, ROOTFS_LONG_DEADLINE_MS, err);
}

static int rootfs_packages(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    char include[ROOTFS_PACKAGES_BYTES + 16], temp[PATH_BYTES + 16];
    struct namespace_argv a;
    snprintf(include, sizeof(include), "--include=%s", b->packages);
    snprintf(temp, sizeof(temp), "TMPDIR=%s", b->out.temp);
    namespace_argv_init(&a, b->namespace);
    namespace_argv_add(&a, "env");
    namespace_argv_add(&a, b->env_path);
    namespace_argv_add(&a, "LC_ALL=C.UTF-8");
    namespace_argv_add(&a, "DEBIAN_FRONTEND=noninteractive");
    namespace_argv_add(&a, temp);
    namespace_argv_add(&a, rootfs_no_chown);
    namespace_argv_add(&a, "sh");
    namespace_argv_add(&a, "-c");
    namespace_argv_add(&a, "exec \"$@\" <\"$0\"");
    namespace_argv_add(&a, b->has_sources ? "sources.list" : "/dev/null");
    namespace_argv_add(&a, "mmdebstrap");
    namespace_argv_add(&a, b->mode == ROOTFS_MODE_FAKECHROOT ? "--mode=fakechroot" : "--mode=root");
    namespace_argv_add(&a, "--variant=minbase");
    namespace_argv_add(&a, "--format=tar");
    namespace_argv_add(&a, "--architectures=amd64");
    namespace_argv_add(&a, include);
    for (size_t i = 0; i < rootfs_text_n_dpkg_options; i++)
        namespace_argv_add(&a, rootfs_text_dpkg_options[i]);
    namespace_argv_add(&a, b->has_options ? rootfs_text_options_hook : NULL);
    namespace_argv_add(&a, rootfs_text_clean_hook);
    namespace_argv_add(&a, rootfs_text_sources_hook);
    namespace_argv_add(&a, b->suite);
    namespace_argv_add(&a, "root.tar");
    namespace_argv_add(&a, b->has_sources ? "-" : NULL);
    return rootfs_run(b, &a, err);
}

static void rootfs_packages_line(void *self, const char *line)
{
    struct rootfs_build *b = self;
    int percent = rootfs_parse_progress(line);
    char message[80];
    if (percent < 0)
        return;
    /* What the line is about; some go on with the text of a whole hook. */
    snprintf(message, sizeof(message), "%.*s", (int)strcspn(line + 3, ":."), line + 3);
    task_report(&b->task, (uint32_t)percent, message);
}

static int rootfs_got_packages(void *self, const struct child_exit *exit, struct err *err)
{
    struct rootfs_build *b = self;
    if (exit->code == 0)
        return 0;
    task_child_error(exit, "mmdebstrap", err);
    err->code = exit->timed_out ? ERR_DEADLINE : ERR_UNAVAILABLE;
    return err_wrap(err, "cannot build the root filesystem (mode %s%s)", rootfs_mode_name(b->mode),
                    b->has_sources ? ""
                                   : "; apt knows no Debian sources here: run `apt-get update`");
}

/* filesystem: mke2fs */

static int rootfs_filesystem(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    char bytes[32];
    struct namespace_argv a;
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)b->image.virtual_bytes);
    namespace_argv_init(&a, b->namespace);
    namespace_argv_add(&a, "env");
    namespace_argv_add(&a, b->env_path);
    namespace_argv_add(&a, "LC_ALL=C");
    namespace_argv_add(&a, rootfs_no_chown);
    namespace_argv_add(&a, b->mode == ROOTFS_MODE_ROOT ? NULL : "fakeroot");
    namespace_argv_add(&a, "sh");
    namespace_argv_add(&a, "-c");
    namespace_argv_add(&a, rootfs_text_mke2fs);
    namespace_argv_add(&a, "sh");
    namespace_argv_add(&a, bytes);
    return rootfs_run(b, &a, err);
}

/* publish */

static int rootfs_remove_scratch(const struct rootfs_build *b, struct err *err)
{
    static const char *const names[] = {"debian.sources", "sources.list", "apt.conf",
                                        "os-release",     "root.tar",     "tree"};
    char path[PATH_BYTES + 32];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", b->out.temp, names[i]);
        if (fs_remove_tree(path, err) < 0)
            return -1;
    }
    return 0;
}

static int rootfs_publish(void *self, struct err *err)
{
    struct rootfs_build *b = self;
    struct image *image = &b->image;
    char path[PATH_BYTES + 32];
    auto_free char *os = NULL;
    struct stat st;
    snprintf(path, sizeof(path), "%s/os-release", b->out.temp);
    if (fs_read(path, ROOTFS_OS_MAX_BYTES, &os, NULL, err) < 0)
        return -1;
    rootfs_parse_os(os, image->os, sizeof(image->os));
    if (rootfs_remove_scratch(b, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/root.raw", b->out.temp);
    if (stat(path, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (digest_file(path, &b->task.cancelled, image->digest, err) < 0)
        return -1;
    image->file_bytes = (uint64_t)st.st_blocks * 512;
    image->virtual_bytes = (uint64_t)st.st_size;
    image->format = IMAGE_RAW;
    snprintf(image->id, sizeof(image->id), "%s", b->out.id);
    snprintf(image->path, sizeof(image->path), "%.480s/root.raw", b->out.folder);
    image->created_ns = clock_real_ns();
    return publish_commit(&b->out, err);
}

static const struct task_step rootfs_steps[] = {
    {.name = "begin", .percent = 0, .work = rootfs_begin},
    {.name = "probe", .percent = 1, .spawn = rootfs_probe, .exited = rootfs_probed},
    {.name = "probe", .percent = 2, .spawn = rootfs_check_tools, .exited = rootfs_checked_tools},
    {.name = "sources", .percent = 3, .spawn = rootfs_ask_sources, .exited = rootfs_got_sources},
    {.name = "sources", .percent = 4, .spawn = rootfs_ask_options, .exited = rootfs_got_options},
    {.name = "packages",
     .percent = 5,
     .spawn = rootfs_packages,
     .exited = rootfs_got_packages,
     .line = rootfs_packages_line},
    {.name = "filesystem", .percent = 80, .spawn = rootfs_filesystem},
    {.name = "publish", .percent = 92, .work = rootfs_publish},
};

static void rootfs_cleanup(void *self, bool failed)
{
    struct rootfs_build *b = self;
    struct err err = ERR_INIT;
    (void)failed; /* after a success it is gone already */
    if (publish_abort(&b->out, &err) < 0)
        log_err(LOG_LEVEL_WARN, NULL, &err, "temporary files stay until the next start");
}

static void rootfs_finished(void *self, const struct err *err)
{
    struct rootfs_build *b = self;
    b->done(b->arg, err ? NULL : &b->image, err);
    free(b);
}

static bool rootfs_is_word(const char *s, size_t max)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    return n > 0 && s[n] == '\0' && n <= max && s[0] != '-';
}

static int rootfs_take_packages(struct rootfs_build *b, const char *const *more, struct err *err)
{
    int n = snprintf(b->packages, sizeof(b->packages), "%s", rootfs_text_packages);
    for (; more && *more; more++) {
        if (!rootfs_is_word(*more, 128))
            return err_set(err, ERR_INVALID, "not the name of a package: %.128s", *more);
        n += snprintf(b->packages + n, sizeof(b->packages) - (size_t)n, ",%s", *more);
        if ((size_t)n >= sizeof(b->packages))
            return err_set(err, ERR_LIMIT, "too many packages");
    }
    return 0;
}

/* What the daemon itself would run comes first. */
static void rootfs_set_path(struct rootfs_build *b)
{
    const char *own = getenv("PATH");
    bool fits = own && own[0] && strlen(own) < sizeof(b->env_path) / 2;
    snprintf(b->env_path, sizeof(b->env_path), "PATH=%s%s%s", fits ? own : "", fits ? ":" : "",
             rootfs_more_path);
}

static int rootfs_take_spec(struct rootfs_build *b, const struct rootfs_build_spec *spec,
                            struct err *err)
{
    const char *suite = spec->suite ? spec->suite : "bookworm";
    uint64_t bytes = spec->disk_bytes ? spec->disk_bytes : rootfs_default_disk_bytes;
    if (!rootfs_is_word(suite, sizeof(b->suite) - 1))
        return err_set(err, ERR_INVALID, "not a Debian suite: %.64s", suite);
    if (bytes < rootfs_min_disk_bytes || bytes > rootfs_max_disk_bytes)
        return err_set(err, ERR_INVALID, "the image's size must be between 512 MiB and 16 TiB");
    if (spec->images_dir[0] != '/')
        return err_set(err, ERR_INVALID, "the images' folder must be absolute: %s",
                       spec->images_dir);
    if (spec->mode == ROOTFS_MODE_ROOT && geteuid() != 0)
        return err_set(err, ERR_DENIED, "mode root needs root");
    rootfs_set_path(b);
    b->mode = spec->mode;
    b->image.virtual_bytes = (bytes + 0xfffff) & ~(uint64_t)0xfffff;
    snprintf(b->suite, sizeof(b->suite), "%s", suite);
    const char *prefix = spec->name ? "" : "debian-";
    size_t n = (size_t)snprintf(b->image.name, sizeof(b->image.name), "%s%s", prefix,
                                spec->name ? spec->name : suite);
    if (n >= sizeof(b->image.name))
        return err_set(err, ERR_INVALID, "the image's name is too long");
    if (rootfs_take_packages(b, spec->packages, err) < 0)
        return -1;
    return publish_init(&b->out, spec->images_dir, spec->id, err);
}

struct rootfs_build *rootfs_build_start(struct loop *loop, struct workers *workers,
                                        const struct rootfs_build_spec *spec, struct err *err)
{
    struct rootfs_build *b = calloc(1, sizeof(*b));
    if (!b) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    b->done = spec->done;
    b->arg = spec->arg;
    b->task.loop = loop;
    b->task.workers = workers;
    b->task.steps = rootfs_steps;
    b->task.n_steps = sizeof(rootfs_steps) / sizeof(rootfs_steps[0]);
    b->task.self = b;
    b->task.cleanup = rootfs_cleanup;
    b->task.finished = rootfs_finished;
    b->task.progress = spec->progress;
    b->task.progress_arg = spec->arg;
    if (rootfs_take_spec(b, spec, err) == 0 && task_start(&b->task, err) == 0)
        return b;
    free(b);
    return NULL;
}

void rootfs_build_cancel(struct rootfs_build *b)
{
    task_cancel(&b->task);
}
