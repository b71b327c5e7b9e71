/* Every call that files and groups of VMs make of the kernel fails in turn: without being done, and
 * after it was done. The error says of what and why; what is there is whole or not there, undoing
 * leaves nothing, and the next try works. The calls are wrapped by the linker.
 *
 * What the helper makes is in tests/integration/priv/faults_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/launch.h"
#include "daemon/host/object.h"
#include "daemon/host/run.h"
#include "daemon/host/scope.h"
#include "tests/support/check.h"
#include "tests/support/failing_call.h"

#define MIB ((uint64_t)1 << 20)

enum { SYNCS_MAX = 8 };

/* The last of what was to be on disk. */
static struct {
    size_t n;
    char paths[SYNCS_MAX][VM_PATH_BYTES];
} synced;

/* __real_ and __wrap_ are the linker's names; those that change nothing are never done. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
#define LOOKS(type, name, arguments, ...)                                                          \
    type __real_##name arguments;                                                                  \
    type __wrap_##name arguments;                                                                  \
    type __wrap_##name arguments                                                                   \
    {                                                                                              \
        return fails(#name) ? -1 : __real_##name(__VA_ARGS__);                                     \
    }
#define ACTS(name, arguments, ...)                                                                 \
    int __real_##name arguments;                                                                   \
    int __wrap_##name arguments;                                                                   \
    int __wrap_##name arguments                                                                    \
    {                                                                                              \
        bool failed = fails(#name);                                                                \
        return failed && !fault.done ? -1 : (int)told(__real_##name(__VA_ARGS__), failed);         \
    }
LOOKS(int, lstat, (const char *path, struct stat *st), path, st)
LOOKS(int, fstat, (int fd, struct stat *st), fd, st)
LOOKS(off_t, lseek, (int fd, off_t at, int whence), fd, at, whence)
LOOKS(ssize_t, read, (int fd, void *bytes, size_t len), fd, bytes, len)
LOOKS(ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), fd, bytes, len, at)
LOOKS(ssize_t, sendfile, (int to, int from, off_t *at, size_t len), to, from, at, len)
LOOKS(int, pipe2, (int fds[2], int flags), fds, flags)
ACTS(ftruncate, (int fd, off_t len), fd, len)
ACTS(truncate, (const char *path, off_t len), path, len)
ACTS(rename, (const char *from, const char *to), from, to)
ACTS(unlink, (const char *path), path)
ACTS(mkdir, (const char *path, mode_t mode), path, mode)
ACTS(rmdir, (const char *path), path)
ACTS(remove, (const char *path), path)

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    char link[32];
    bool failed = fails("fsync");
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, synced.paths[synced.n % SYNCS_MAX], VM_PATH_BYTES - 1);
    synced.paths[synced.n++ % SYNCS_MAX][n > 0 ? n : 0] = '\0';
    return failed && !fault.done ? -1 : (int)told(__real_fsync(fd), failed);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
int __real_launch(const struct launch *l, pid_t *pid);
int __wrap_launch(const struct launch *l, pid_t *pid);

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(ap, int) : 0;
    va_end(ap);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    bool failed = fails("write");
    return failed && !fault.done ? -1 : told(__real_write(fd, bytes, len), failed);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    bool failed = fails("pwrite");
    return failed && !fault.done ? -1 : told(__real_pwrite(fd, bytes, len, at), failed);
}

int __wrap_launch(const struct launch *l, pid_t *pid)
{
    return fails("launch") ? EIO : __real_launch(l, pid);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* What is made */

static const char vm_id[] = "0123456789abcdef";
static char state[64], image[80];

static bool exists(const char *path)
{
    struct stat st;
    return __real_lstat(path, &st) == 0;
}

static void set_up(struct object *o, const struct object_kind *kind, enum object_role role)
{
    CHECK_INT(object_init(o, kind->name, state, vm_id, role, NULL), 0);
    o->bytes = 8 * MIB;
    if (role == OBJECT_SCOPE && host_scope()->can >> SCOPE_TASKS & 1)
        o->limits.tasks_max = 100;
    if (role == OBJECT_SYSTEM_DISK || role == OBJECT_COW) {
        snprintf(o->source, sizeof(o->source), "%s", image);
        o->source_format = IMAGE_RAW;
    }
}

static void works(const struct object *o, bool make)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(make ? o->kind->make(o, -1, &err) : o->kind->remove(o, &err), 0))
        fprintf(stderr, "  %s of %s: %s\n", make ? "making" : "removing", o->kind->name,
                err.message);
}

static void check_gone(const struct object *o)
{
    char temp[VM_PATH_BYTES + 8];
    struct err err = ERR_INIT;
    snprintf(temp, sizeof(temp), "%s.new", o->name);
    CHECK(!exists(o->name) && !exists(temp));
    CHECK_INT(o->kind->find(o, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
}

/* Whole or not at all, and nothing beside it. */
static void check_whole(const struct object *o)
{
    char temp[VM_PATH_BYTES + 8];
    struct err err = ERR_INIT;
    snprintf(temp, sizeof(temp), "%s.new", o->name);
    CHECK(!exists(temp));
    if (o->kind->find(o, &err) < 0)
        CHECK_INT(err.code, ERR_NOT_FOUND);
    works(o, true);
}

enum call { CALL_MAKE, CALL_FIND, CALL_REMOVE };

/* The call with its n-th call of others failing; false: it has not as many. */
static bool fails_at(const struct object *o, enum call call, int n, bool done)
{
    struct err err = ERR_INIT;
    fault_begin(n, done);
    int rc = call == CALL_MAKE   ? o->kind->make(o, -1, &err)
             : call == CALL_FIND ? o->kind->find(o, &err)
                                 : o->kind->remove(o, &err);
    if (!fault_end() || rc == 0)
        return fault.hit; /* there was another way to do it */
    CHECK(err.code != ERR_NOT_FOUND);
    if (!CHECK(strstr(err.message, "cannot ") && strstr(err.message, strerror(EIO))))
        fprintf(stderr, "  %s, call %d of %s: \"%s\"\n", fault.what, n, o->kind->name, err.message);
    return true;
}

/* was: it is there before. */
static int in_turn(const struct object *o, enum call call, bool was)
{
    int n = 0, failures = check_failures;
    for (int done = 0; done < 2; done++)
        for (n = 0; n < CALLS_MAX; n++) {
            if (was)
                works(o, true);
            if (!fails_at(o, call, n, done))
                break;
            if (call == CALL_MAKE)
                check_whole(o);
            works(o, false);
            check_gone(o);
            works(o, true);
            CHECK_INT(o->kind->find(o, NULL), 0);
            works(o, false);
            if (check_failures > failures) {
                fprintf(stderr, "  %s at call %d, %s%s\n", o->kind->name, n, fault.what,
                        done ? ", done" : "");
                failures = check_failures;
            }
        }
    works(o, false);
    return n;
}

/* A folder to make it in. */
static void make_folder(const struct object *o)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/vms%s%s", state, o->role == OBJECT_FOLDER ? "" : "/",
             o->role == OBJECT_FOLDER ? "" : vm_id);
    CHECK_INT(fs_make_dirs(path, 0700, NULL), 0);
}

static void fail_everywhere(const struct object_kind *kind, enum object_role role)
{
    struct object o;
    set_up(&o, kind, role);
    make_folder(&o);
    int made = in_turn(&o, CALL_MAKE, false), again = in_turn(&o, CALL_MAKE, true);
    int found = in_turn(&o, CALL_FIND, true), removed = in_turn(&o, CALL_REMOVE, true);
    printf("     %s: %d calls to make it, %d again, %d to find, %d to remove\n", kind->name, made,
           again, found, removed);
    CHECK(made > 1 && again > 0 && found > 0 && removed > 0);
    CHECK(made < CALLS_MAX && again < CALLS_MAX && removed < CALLS_MAX);
}

static void test_every_kind_fails_at_every_call(void)
{
    const struct object_kind *kind;
    size_t tried = 0;
    for (size_t i = 0; (kind = object_kind_at(i)); i++) {
        struct err err = ERR_INIT;
        if (kind->privileged) /* its making is a request */
            continue;
        if (kind->probe && kind->probe(state, &err) < 0) {
            printf("     %s left out: %s\n", kind->name, err.message);
            continue;
        }
        for (int role = 0; role < N_OBJECT_ROLES; role++)
            if (kind->roles >> role & 1)
                fail_everywhere(kind, (enum object_role)role);
        tried++;
    }
    CHECK(tried >= 7);
}

/* In a VM's folder, and the folder: what a commit counts on is there by its name, or an error. */
static void test_what_keeps_data_is_on_disk_by_its_name(void)
{
    struct object o[2];
    struct err err = ERR_INIT;
    char folders[2][80];
    set_up(&o[0], &object_folder, OBJECT_FOLDER);
    set_up(&o[1], &object_overlay, OBJECT_SYSTEM_DISK);
    snprintf(folders[0], sizeof(folders[0]), "%s/vms/%s", state, vm_id);
    snprintf(folders[1], sizeof(folders[1]), "%s/vms", state);
    synced.n = 0;
    CHECK_INT(objects_make(o, 2, false, -1, NULL), 0);
    CHECK_INT(synced.n, 3);
    CHECK_CONTAINS(synced.paths[0], o[1].name);
    CHECK_STR(synced.paths[1], folders[0]);
    CHECK_STR(synced.paths[2], folders[1]);
    CHECK_INT(objects_make(o, 2, true, -1, NULL), 0); /* a start after that has no part in it */
    CHECK_INT(synced.n, 3);
    int failed = 0;
    for (int call = 0; call < CALLS_MAX; call++) {
        fault_begin(call, false);
        int rc = objects_make(o, 2, false, -1, &err);
        if (!fault_end())
            break;
        if (strcmp(fault.what, "fsync") != 0)
            continue;
        failed++;
        CHECK_INT(rc, -1);
        CHECK_CONTAINS(err.message, "cannot sync");
    }
    CHECK_INT(failed, 2);
    CHECK_INT(objects_remove(o, 2, NULL), 0);
}

int main(void)
{
    strcpy(state, "/tmp/banger-faults-XXXXXX");
    if (!run_finds("qemu-img") || !run_finds("mke2fs"))
        return check_skip("no qemu-img (qemu-utils), or no mke2fs (e2fsprogs)");
    if (!mkdtemp(state))
        return EXIT_FAILURE;
    snprintf(image, sizeof(image), "%s/image.raw", state);
    auto_fd int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(fd, 4 * MIB), 0);
    CHECK_INT(pwrite(fd, "content", 7, 3 * MIB), 7);
    host_scope_choose("cgroup");
    RUN(test_every_kind_fails_at_every_call);
    RUN(test_what_keeps_data_is_on_disk_by_its_name);
    fs_remove_tree(state, NULL);
    return check_end();
}
