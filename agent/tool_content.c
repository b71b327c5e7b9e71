/* The tools `read` and `write`: a file's content; see tool_files.h. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tool.h"
#include "agent/tool_files.h"
#include "base/sha256.h"

static uint8_t block[FILES_BLOCK_BYTES];

static void send_info(const char *path, const struct stat *st)
{
    static PB(FileReply) reply;
    reply = (PB(FileReply))FILES_REPLY(info);
    files_fill_info(&reply.kind.info, path, st, AT_FDCWD, path);
    files_send(&reply);
}

/* --- read ------------------------------------------------------------------------------------- */

int tool_read(int argc, char **argv)
{
    struct files_options o;
    struct stat st;
    struct sha256 sum;
    files_parse(argc, argv, &o);
    /* Not waiting: whatever else it may be is no content. */
    int fd = open(o.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        tool_fail(errno, "%.300s: %s", o.path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        tool_fail(S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "%.300s: no regular file", o.path);
    if (o.offset > (uint64_t)st.st_size)
        tool_fail(ERANGE, "%.300s: it ends at %lld", o.path, (long long)st.st_size);
    send_info(o.path, &st);
    if (lseek(fd, (off_t)o.offset, SEEK_SET) < 0)
        tool_fail(errno, "%.300s: %s", o.path, strerror(errno));
    sha256_init(&sum);
    uint64_t left = o.length > 0 ? o.length : UINT64_MAX;
    for (size_t n = 1; left > 0 && n > 0; left -= n) {
        n = files_read(fd, block, left < sizeof(block) ? (size_t)left : sizeof(block));
        if (o.with_sha256)
            sha256_add(&sum, block, n);
        tool_write(STDOUT_FILENO, block, n);
    }
    if (o.with_sha256) {
        uint8_t digest[SHA256_BYTES];
        sha256_end(&sum, digest);
        tool_write(STDOUT_FILENO, digest, sizeof(digest));
    }
    return 0;
}

/* --- write ------------------------------------------------------------------------------------ */

/* The file that is being written, beside the one that it is to be. */
struct writing {
    const struct files_options *o;
    int dir, fd;
    char name[256], part[64];
    bool unnamed; /* until it is whole: nothing is left of one that is killed */
    struct sha256 sum;
    uint64_t at;
};

/* Ours alone, and nobody's other name. */
static bool is_ours(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid();
}

static void open_folder(struct writing *w)
{
    char copy[4097], other[4097];
    if (strlen(w->o->path) >= sizeof(copy))
        tool_fail(ENAMETOOLONG, "%.300s: %s", w->o->path, strerror(ENAMETOOLONG));
    snprintf(copy, sizeof(copy), "%s", w->o->path);
    snprintf(other, sizeof(other), "%s", w->o->path);
    const char *name = basename(other);
    size_t len = strlen(w->o->path);
    if (strlen(name) > 255 || strcmp(name, "/") == 0 || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0 || w->o->path[len - 1] == '/')
        tool_fail(EISDIR, "%.300s: no name of a file", w->o->path);
    snprintf(w->name, sizeof(w->name), "%s", name);
    w->dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir < 0)
        tool_fail(errno, "%.300s: %s", w->o->path, strerror(errno));
}

/* What was written before is read for the digest; then it goes on behind it. */
static void take_up(struct writing *w)
{
    for (size_t n = 1; n > 0; w->at += n) {
        n = files_read(w->fd, block, sizeof(block));
        sha256_add(&w->sum, block, n);
    }
}

static void open_part(struct writing *w)
{
    const char *token = w->o->resume ? w->o->resume : "";
    uint64_t digest = tar_digest(TAR_DIGEST_START, w->name, strlen(w->name) + 1);
    digest = tar_digest(digest, token, strlen(token));
    snprintf(w->part, sizeof(w->part), ".banger-%016llx.part", (unsigned long long)digest);
    struct stat st;
    if (!w->o->resume && access("/proc/self/fd", F_OK) == 0) {
        w->fd = openat(w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        w->unnamed = w->fd >= 0;
        if (w->unnamed)
            return;
    }
    if (w->o->resume) {
        w->fd = openat(w->dir, w->part, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (w->fd >= 0 && fstat(w->fd, &st) == 0 && is_ours(&st)) {
            take_up(w);
            return;
        }
    }
    unlinkat(w->dir, w->part, 0);
    w->fd = openat(w->dir, w->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->fd < 0)
        tool_fail(errno, "%.300s: %s", w->o->path, strerror(errno));
}

_Noreturn static void give_up(struct writing *w, int sys, const char *why)
{
    unlinkat(w->dir, w->part, 0);
    tool_fail(sys, "%.300s: %s", w->o->path, why);
}

static void send_place(const struct writing *w)
{
    PB(FileReply) reply = FILES_REPLY(place);
    reply.kind.place.offset = w->at;
    files_send(&reply);
}

static void take_content(struct writing *w)
{
    for (size_t n, done = 0; (n = files_read(STDIN_FILENO, block, sizeof(block))) > 0; done = 0) {
        while (done < n) {
            ssize_t written = write(w->fd, block + done, n - done);
            if (written < 0 && errno != EINTR)
                give_up(w, errno, strerror(errno));
            done += written > 0 ? (size_t)written : 0;
        }
        if (w->o->sha256)
            sha256_add(&w->sum, block, n);
        w->at += n;
        send_place(w);
    }
}

static void check_digest(struct writing *w)
{
    uint8_t digest[SHA256_BYTES];
    char text[SHA256_HEX_BYTES];
    sha256_end(&w->sum, digest);
    sha256_hex(digest, text);
    if (w->o->sha256 && strcmp(text, w->o->sha256) != 0)
        give_up(w, EBADMSG, "its SHA-256 is another than was said; nothing was changed");
}

/* The mode that was asked for, or what there is keeps its mode and owner, if we may. */
static void set_mode(struct writing *w)
{
    struct stat old;
    mode_t mode = w->o->mode >= 0 ? (mode_t)w->o->mode : 0644;
    if (fstatat(w->dir, w->name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(old.st_mode)) {
        bool same = fchown(w->fd, old.st_uid, old.st_gid) == 0;
        if (w->o->mode < 0)
            mode = old.st_mode & (same ? 07777 : 0777);
    }
    if (fchmod(w->fd, mode) < 0)
        give_up(w, errno, strerror(errno));
}

/* Under the part's name first: a link does not take the place of what is there, a rename does. */
static void name_it(struct writing *w)
{
    char fd[40];
    snprintf(fd, sizeof(fd), "/proc/self/fd/%d", w->fd);
    unlinkat(w->dir, w->part, 0);
    if (linkat(AT_FDCWD, fd, w->dir, w->part, AT_SYMLINK_FOLLOW) < 0)
        give_up(w, errno, strerror(errno));
}

int tool_write_file(int argc, char **argv)
{
    struct files_options o;
    struct writing w = {.o = &o};
    struct stat st;
    files_parse(argc, argv, &o);
    open_folder(&w);
    sha256_init(&w.sum);
    open_part(&w);
    send_place(&w);
    take_content(&w);
    check_digest(&w);
    set_mode(&w);
    if (fsync(w.fd) < 0)
        give_up(&w, errno, strerror(errno));
    if (w.unnamed)
        name_it(&w);
    if (renameat(w.dir, w.part, w.dir, w.name) < 0 || fstat(w.fd, &st) < 0)
        give_up(&w, errno, strerror(errno));
    fsync(w.dir);
    send_info(o.path, &st);
    return 0;
}
