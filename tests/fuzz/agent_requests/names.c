/* See names.h. The linker sends the calls here (--wrap). */
#include "tests/fuzz/agent_requests/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/hash.h"

bool names_guard;
size_t names_written;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

/* One of a few ways to end, by the name: 0 is success. */
static int verdict(const char *name)
{
    static const int ends[] = {0, ENOENT, EACCES, EEXIST, ENOTDIR, 0};
    errno = ends[hash_text(1, name) % (sizeof(ends) / sizeof(*ends))];
    return errno ? -1 : 0;
}

/* A call on a name that is done, or only decided. */
#define DECIDED(type, name, params, args, path)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return names_guard ? verdict(path) : __real_##name args;                                   \
    }

DECIDED(int, access, (const char *p, int m), (p, m), p)
DECIDED(int, chdir, (const char *p), (p), p)
DECIDED(int, chmod, (const char *p, mode_t m), (p, m), p)
DECIDED(int, fchmodat, (int d, const char *p, mode_t m, int f), (d, p, m, f), p)
DECIDED(int, fchownat, (int d, const char *p, uid_t u, gid_t g, int f), (d, p, u, g, f), p)
DECIDED(int, link, (const char *a, const char *b), (a, b), b)
DECIDED(int, linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f), b)
DECIDED(int, mkdir, (const char *p, mode_t m), (p, m), p)
DECIDED(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m), p)
DECIDED(int, rename, (const char *a, const char *b), (a, b), b)
DECIDED(int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b), b)
DECIDED(int, rmdir, (const char *p), (p), p)
DECIDED(int, symlink, (const char *a, const char *b), (a, b), b)
DECIDED(int, symlinkat, (const char *a, int d, const char *b), (a, d, b), b)
DECIDED(int, truncate, (const char *p, off_t n), (p, n), p)
DECIDED(int, unlink, (const char *p), (p), p)
DECIDED(int, unlinkat, (int d, const char *p, int f), (d, p, f), p)
DECIDED(int, utimensat, (int d, const char *p, const struct timespec t[2], int f), (d, p, t, f), p)

static int fill_stat(const char *path, struct stat *st)
{
    static const mode_t modes[] = {S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO | 04711};
    if (verdict(path) < 0)
        return -1;
    memset(st, 0, sizeof(*st));
    st->st_mode = modes[hash_text(2, path) % 4];
    st->st_size = 12345;
    return 0;
}

#define STATS(name, params, args, path)                                                            \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        return names_guard ? fill_stat(path, st) : __real_##name args;                             \
    }

STATS(stat, (const char *p, struct stat *st), (p, st), p)
STATS(lstat, (const char *p, struct stat *st), (p, st), p)
STATS(fstatat, (int d, const char *p, struct stat *st, int f), (d, p, st, f), p)

int __real_statvfs(const char *path, struct statvfs *v);
int __wrap_statvfs(const char *path, struct statvfs *v);
int __wrap_statvfs(const char *path, struct statvfs *v)
{
    if (!names_guard)
        return __real_statvfs(path, v);
    memset(v, 0, sizeof(*v));
    return verdict(path);
}

static ssize_t target_of(const char *path, char *to, size_t size)
{
    size_t n = strlen(path) < size ? strlen(path) : size;
    if (verdict(path) < 0)
        return -1;
    memcpy(to, path, n);
    return (ssize_t)n;
}

ssize_t __real_readlink(const char *path, char *to, size_t size);
ssize_t __wrap_readlink(const char *path, char *to, size_t size);
ssize_t __wrap_readlink(const char *path, char *to, size_t size)
{
    return names_guard ? target_of(path, to, size) : __real_readlink(path, to, size);
}

ssize_t __real_readlinkat(int dir, const char *path, char *to, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *to, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *to, size_t size)
{
    return names_guard ? target_of(path, to, size) : __real_readlinkat(dir, path, to, size);
}

char *__real_realpath(const char *path, char *to);
char *__wrap_realpath(const char *path, char *to);
char *__wrap_realpath(const char *path, char *to)
{
    if (!names_guard)
        return __real_realpath(path, to);
    if (verdict(path) < 0 || strlen(path) + 2 > PATH_MAX)
        return NULL;
    to[0] = '/';
    memcpy(to + 1, path, strlen(path) + 1);
    return to;
}

/* A file of memory, or for a folder an empty one. */
static int open_ours(const char *path, int flags)
{
    static char folder[] = "/tmp/fuzz-names-XXXXXX";
    static bool made;
    if (verdict(path) < 0)
        return -1;
    if (!(flags & O_DIRECTORY))
        return memfd_create("fuzz", MFD_CLOEXEC);
    names_guard = false;
    made = made || mkdtemp(folder);
    int fd = made ? __real_openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    names_guard = true;
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return names_guard ? open_ours(path, flags) : __real_open(path, flags, mode);
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return names_guard ? open_ours(path, flags) : __real_openat(dir, path, flags, mode);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    if (!names_guard)
        return __real_opendir(path);
    int fd = open_ours(path, O_DIRECTORY);
    return fd < 0 ? NULL : fdopendir(fd);
}

/* Renames without replacing; of ours nothing else goes this way. */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return names_guard ? verdict(d ? (const char *)d : "")
                       : __real_syscall(number, a, b, c, d, e, f);
}

void __real_tool_write(int fd, const void *data, unsigned long len);
void __wrap_tool_write(int fd, const void *data, unsigned long len);
void __wrap_tool_write(int fd, const void *data, unsigned long len)
{
    if (!names_guard)
        __real_tool_write(fd, data, len);
    else
        names_written += len;
}
