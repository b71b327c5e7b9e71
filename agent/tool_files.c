/* The tool `files`: what stat, ls, mkdir, rm, mv, chmod, chown and ln -s do; see tool_files.h. */
#include "agent/tool_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/tool.h"
#include "base/cleanup.h"
#include "tree/pack.h"

/* A call's path as a text; -1 with errno: it is none. Every handler returns 0, or -1 with errno. */
#define PATH_OF(field, to) path_of((field).bytes, (field).size, (to))

enum { PATH_TEXT_BYTES = 4096 + 1 };

static int path_of(const uint8_t *bytes, size_t len, char to[PATH_TEXT_BYTES])
{
    memcpy(to, bytes, len);
    to[len] = '\0';
    if (len > 0 && strlen(to) == len)
        return 0;
    errno = len == 0 ? ENOENT : EINVAL;
    return -1;
}

static void send_info(const char *path, const struct stat *st, int dir, const char *path_at)
{
    static PB(FileReply) reply;
    reply = (PB(FileReply))FILES_REPLY(info);
    files_fill_info(&reply.kind.info, path, st, dir, path_at);
    files_send(&reply);
}

static void send_done(void)
{
    static const PB(FileReply) reply = FILES_REPLY(done);
    files_send(&reply);
}

/* What it has become. */
static int show(const char *path, bool follow)
{
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    send_info(path, &st, AT_FDCWD, path);
    return 0;
}

static int do_stat(const PB(FileCall) * call)
{
    char path[PATH_TEXT_BYTES];
    return PATH_OF(call->kind.stat.path, path) < 0 ? -1 : show(path, call->kind.stat.follow);
}

/* --- list ------------------------------------------------------------------------------------- */

struct walk {
    char path[PATH_TEXT_BYTES * 2];
    bool recursive;
};

static int list_folder(struct walk *w, int fd, int depth);

static int list_entry(struct walk *w, int dir, const char *name, int depth)
{
    size_t len = strlen(w->path);
    struct stat st;
    if (len + strlen(name) + 2 > sizeof(w->path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1; /* it went meanwhile */
    snprintf(w->path + len, sizeof(w->path) - len, "%s%s",
             len > 0 && w->path[len - 1] == '/' ? "" : "/", name);
    send_info(w->path, &st, dir, name);
    int rc = 0;
    if (w->recursive && S_ISDIR(st.st_mode)) {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        rc = fd >= 0 ? list_folder(w, fd, depth + 1) : errno == ENOENT ? 0 : -1;
    }
    w->path[len] = '\0';
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a folder, sorted; fd is taken. The caller frees them. -1 with errno. */
static ssize_t read_names(int fd, char ***names)
{
    auto_dir DIR *dir = fdopendir(fd);
    size_t n = 0, cap = 0;
    *names = NULL;
    if (!dir) {
        close(fd);
        return -1;
    }
    errno = 0;
    for (const struct dirent *d; (d = readdir(dir)); errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            char **more = realloc(*names, cap * sizeof(*more));
            if (!more)
                return -1;
            *names = more;
        }
        if (!((*names)[n++] = strdup(d->d_name)))
            return -1;
    }
    if (errno != 0)
        return -1;
    if (n > 0)
        qsort(*names, n, sizeof(**names), by_name);
    return (ssize_t)n;
}

static int list_folder(struct walk *w, int fd, int depth)
{
    int at = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    char **names;
    if (at < 0 || depth >= TREE_DEPTH_MAX) {
        errno = at < 0 ? errno : ENAMETOOLONG;
        close(fd);
        return -1;
    }
    ssize_t n = read_names(fd, &names);
    int rc = n < 0 ? -1 : 0;
    for (ssize_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = list_entry(w, at, names[i], depth);
        free(names[i]);
    }
    free(names);
    int saved = errno;
    close(at);
    errno = saved;
    return rc;
}

static int do_list(const PB(FileCall) * call)
{
    static struct walk w;
    w.recursive = call->kind.list.recursive;
    if (PATH_OF(call->kind.list.path, w.path) < 0)
        return -1;
    int fd = open(w.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || list_folder(&w, fd, 0) < 0)
        return -1;
    send_done();
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int make_parents(char *path)
{
    for (char *at = path; (at = strchr(at + 1, '/'));) {
        *at = '\0';
        int rc = mkdir(path, 0755);
        *at = '/';
        if (rc < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static int do_make_directory(const PB(FileCall) * call)
{
    const PB(FileMakeDirectory) *c = &call->kind.make_directory;
    char path[PATH_TEXT_BYTES];
    struct stat st;
    if (PATH_OF(c->path, path) < 0 || (c->parents && make_parents(path) < 0))
        return -1;
    mode_t mode = c->mode > 0 ? (c->mode - 1) & 07777 : 0755;
    if (mkdir(path, mode & 0777) < 0) {
        if (errno != EEXIST || !c->parents || stat(path, &st) < 0)
            return -1;
        errno = ENOTDIR;
        return S_ISDIR(st.st_mode) ? show(path, true) : -1;
    }
    return c->mode > 0 && chmod(path, mode) < 0 ? -1
                                                : show(path, false); /* whatever our umask is */
}

/* Below a folder, by descriptors: a link is removed, never followed. */
static int remove_below(int dir, const char *name, int depth)
{
    if (unlinkat(dir, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return errno == ENOENT ? 0 : -1;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int at = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (at < 0 || depth >= TREE_DEPTH_MAX) {
        errno = at < 0 ? errno : ENAMETOOLONG;
        return -1;
    }
    char **names;
    ssize_t n = read_names(fd, &names);
    int rc = n < 0 ? -1 : 0, saved = errno;
    for (ssize_t i = 0; i < n; i++) { /* what can be is removed */
        if (remove_below(at, names[i], depth + 1) < 0) {
            rc = -1;
            saved = errno;
        }
        free(names[i]);
    }
    free(names);
    close(at);
    errno = saved;
    return rc < 0 ? -1 : unlinkat(dir, name, AT_REMOVEDIR);
}

static int do_remove(const PB(FileCall) * call)
{
    const PB(FileRemove) *c = &call->kind.remove;
    char path[PATH_TEXT_BYTES];
    struct stat st;
    if (PATH_OF(c->path, path) < 0)
        return -1;
    int rc = lstat(path, &st);
    if (rc == 0 && S_ISDIR(st.st_mode))
        rc = c->recursive ? remove_below(AT_FDCWD, path, 0) : rmdir(path);
    else if (rc == 0)
        rc = unlink(path);
    if (rc < 0 && !(c->missing_is_fine && errno == ENOENT))
        return -1;
    send_done();
    return 0;
}

static int do_move(const PB(FileCall) * call)
{
    const PB(FileMove) *c = &call->kind.move;
    char from[PATH_TEXT_BYTES], to[PATH_TEXT_BYTES];
    struct stat st;
    if (PATH_OF(c->from, from) < 0 || PATH_OF(c->to, to) < 0)
        return -1;
    int rc = c->overwrite
                 ? rename(from, to)
                 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc < 0 && !c->overwrite && errno == EINVAL) { /* a file system that cannot say so */
        errno = EEXIST;
        rc = lstat(to, &st) == 0 ? -1 : rename(from, to);
    }
    return rc < 0 ? -1 : show(to, false);
}

static int do_chmod(const PB(FileCall) * call)
{
    char path[PATH_TEXT_BYTES];
    if (PATH_OF(call->kind.chmod.path, path) < 0 || chmod(path, call->kind.chmod.mode & 07777) < 0)
        return -1;
    return show(path, true);
}

/* A name or a number. */
static int find_owner(enum owners_kind kind, const char *text, uint32_t *id)
{
    static struct owners owners;
    char *end;
    *id = UINT32_MAX; /* stays */
    if (*text == '\0' || owners_id(&owners, kind, text, id))
        return 0;
    unsigned long long v = strtoull(text, &end, 10);
    *id = (uint32_t)v;
    errno = ESRCH;
    return *end == '\0' && v < UINT32_MAX ? 0 : -1;
}

static int do_chown(const PB(FileCall) * call)
{
    const PB(FileChown) *c = &call->kind.chown;
    char path[PATH_TEXT_BYTES];
    uint32_t uid, gid;
    if (PATH_OF(c->path, path) < 0 || find_owner(OWNERS_USER, c->owner, &uid) < 0 ||
        find_owner(OWNERS_GROUP, c->group, &gid) < 0 ||
        fchownat(AT_FDCWD, path, uid, gid, c->follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return show(path, c->follow);
}

static int do_symlink(const PB(FileCall) * call)
{
    const PB(FileSymlink) *c = &call->kind.symlink;
    char path[PATH_TEXT_BYTES], target[PATH_TEXT_BYTES];
    if (PATH_OF(c->path, path) < 0 || PATH_OF(c->target, target) < 0 || symlink(target, path) < 0)
        return -1;
    return show(path, false);
}

static int do_set_time(const PB(FileCall) * call)
{
    const PB(FileSetTime) *c = &call->kind.set_time;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {c->seconds, c->nanoseconds}};
    char path[PATH_TEXT_BYTES];
    if (PATH_OF(c->path, path) < 0 || utimensat(AT_FDCWD, path, times, 0) < 0)
        return -1;
    return show(path, true);
}

static int (*const calls[])(const PB(FileCall) *) = {
    [PB_TAG(FileCall, stat)] = do_stat,
    [PB_TAG(FileCall, list)] = do_list,
    [PB_TAG(FileCall, make_directory)] = do_make_directory,
    [PB_TAG(FileCall, remove)] = do_remove,
    [PB_TAG(FileCall, move)] = do_move,
    [PB_TAG(FileCall, chmod)] = do_chmod,
    [PB_TAG(FileCall, chown)] = do_chown,
    [PB_TAG(FileCall, symlink)] = do_symlink,
    [PB_TAG(FileCall, set_time)] = do_set_time,
};

void files_answer(const PB(FileCall) * call)
{
    size_t kind = call->which_kind;
    errno = ENOSYS;
    if (kind < sizeof(calls) / sizeof(*calls) && calls[kind] && calls[kind](call) == 0)
        return;
    PB(FileReply) reply = FILES_REPLY(error);
    reply.kind.error.sys = (uint32_t)errno;
    snprintf(reply.kind.error.text, sizeof(reply.kind.error.text), "%s",
             errno == ESRCH ? "no such user or group" : strerror(errno));
    files_send(&reply);
}

int tool_files(int argc, char **argv)
{
    static PB(FileCall) call;
    (void)argc;
    (void)argv;
    umask(022);
    while (files_receive(&call))
        files_answer(&call);
    return 0;
}
