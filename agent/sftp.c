/* The SFTP server: its loop, and operations on names; see sftp.h. */
#include "agent/sftp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SFTP_OUR_VERSION = 3 };

/* 7 of the draft. */
enum { FX_OK, FX_EOF, FX_NO_SUCH_FILE, FX_DENIED, FX_FAILURE, FX_BAD_MESSAGE, FX_UNSUPPORTED = 8 };

typedef int operation(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);

static int answer_attrs(uint32_t id, struct sftp_packet *out, int rc, const struct stat *st)
{
    if (rc < 0)
        return errno;
    sftp_begin(out, SFTP_ATTRS, id);
    sftp_put_attrs(out, st);
    return SFTP_ANSWERED;
}

static int sftp_stat(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX];
    struct stat st;
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : answer_attrs(id, out, stat(path, &st), &st);
}

static int sftp_lstat(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX];
    struct stat st;
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : answer_attrs(id, out, lstat(path, &st), &st);
}

static int sftp_fstat(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    struct stat st;
    struct sftp_handle *h = sftp_get_handle(in);
    return !h ? EBADF : answer_attrs(id, out, fstat(h->fd, &st), &st);
}

static int sftp_setstat(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char path[PATH_MAX];
    struct sftp_attrs attrs;
    sftp_get_path(in, path);
    sftp_get_attrs(in, &attrs);
    return in->wrong ? EINVAL : sftp_set_attrs(path, -1, &attrs, true);
}

static int sftp_fsetstat(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    struct sftp_attrs attrs;
    struct sftp_handle *h = sftp_get_handle(in);
    sftp_get_attrs(in, &attrs);
    return in->wrong ? EINVAL : !h ? EBADF : sftp_set_attrs(NULL, h->fd, &attrs, true);
}

static int sftp_remove(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char path[PATH_MAX];
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : unlink(path) < 0 ? errno : 0;
}

static int sftp_mkdir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char path[PATH_MAX];
    struct sftp_attrs attrs;
    sftp_get_path(in, path);
    sftp_get_attrs(in, &attrs);
    mode_t mode = attrs.has & SFTP_HAS_MODE ? attrs.mode & 07777 : 0777;
    return in->wrong ? EINVAL : mkdir(path, mode) < 0 ? errno : 0;
}

static int sftp_rmdir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char path[PATH_MAX];
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : rmdir(path) < 0 ? errno : 0;
}

static int answer_name(uint32_t id, struct sftp_packet *out, const char *name)
{
    const struct stat none = {.st_mode = 0};
    sftp_begin(out, SFTP_NAME, id);
    sftp_put_u32(out, 1);
    sftp_put_text(out, name);
    sftp_put_text(out, name);
    sftp_put_attrs(out, &none);
    return SFTP_ANSWERED;
}

/* What is to be made has a name, too: its folder has to be there. */
static int sftp_realpath(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX], folder[PATH_MAX], whole[2 * PATH_MAX];
    sftp_get_path(in, path);
    if (in->wrong)
        return EINVAL;
    if (realpath(path, folder))
        return answer_name(id, out, folder);
    if (errno != ENOENT)
        return errno;
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (slash)
        *slash = '\0';
    if (!realpath(!slash ? "." : slash == path ? "/" : path, folder) || !*name)
        return ENOENT;
    snprintf(whole, sizeof(whole), "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    return answer_name(id, out, whole);
}

/* As version 3 wants it: what is there stays. */
static int sftp_rename(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char from[PATH_MAX], to[PATH_MAX];
    struct stat st;
    sftp_get_path(in, from);
    sftp_get_path(in, to);
    if (in->wrong)
        return EINVAL;
    if (lstat(from, &st) < 0)
        return errno;
    if (!S_ISDIR(st.st_mode) && linkat(AT_FDCWD, from, AT_FDCWD, to, 0) == 0)
        return unlink(from) < 0 ? errno : 0;
    if (!S_ISDIR(st.st_mode) && errno == EEXIST)
        return EEXIST;
    /* No links here, or a folder, of which only an empty one is replaced. */
    if (lstat(to, &st) == 0)
        return EEXIST;
    return rename(from, to) < 0 ? errno : 0;
}

static int sftp_readlink(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX], target[PATH_MAX];
    sftp_get_path(in, path);
    if (in->wrong)
        return EINVAL;
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return errno;
    target[n] = '\0';
    return answer_name(id, out, target);
}

/* The target comes first, as all clients have it since OpenSSH's did. */
static int sftp_symlink(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char target[PATH_MAX], path[PATH_MAX];
    sftp_get_path(in, target);
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : symlink(target, path) < 0 ? errno : 0;
}

static operation *const operations[] = {
    [SFTP_OPEN] = sftp_open,         [SFTP_CLOSE] = sftp_close,       [SFTP_READ] = sftp_read,
    [SFTP_WRITE] = sftp_write,       [SFTP_LSTAT] = sftp_lstat,       [SFTP_FSTAT] = sftp_fstat,
    [SFTP_SETSTAT] = sftp_setstat,   [SFTP_FSETSTAT] = sftp_fsetstat, [SFTP_OPENDIR] = sftp_opendir,
    [SFTP_READDIR] = sftp_readdir,   [SFTP_REMOVE] = sftp_remove,     [SFTP_MKDIR] = sftp_mkdir,
    [SFTP_RMDIR] = sftp_rmdir,       [SFTP_REALPATH] = sftp_realpath, [SFTP_STAT] = sftp_stat,
    [SFTP_RENAME] = sftp_rename,     [SFTP_READLINK] = sftp_readlink, [SFTP_SYMLINK] = sftp_symlink,
    [SFTP_EXTENDED] = sftp_extended,
};

/* ---- the loop ---- */

static uint32_t sftp_code(int sys)
{
    switch (sys) {
    case 0:
        return FX_OK;
    case SFTP_ENDED:
        return FX_EOF;
    case ENOENT:
    case ENOTDIR:
    case EBADF:
    case ELOOP:
        return FX_NO_SUCH_FILE;
    case EPERM:
    case EACCES:
    case EROFS:
        return FX_DENIED;
    case EINVAL:
    case ENAMETOOLONG:
        return FX_BAD_MESSAGE;
    case ENOSYS:
        return FX_UNSUPPORTED;
    default:
        return FX_FAILURE;
    }
}

static void answer_status(uint32_t id, struct sftp_packet *out, int sys)
{
    sftp_begin(out, SFTP_STATUS, id);
    sftp_put_u32(out, sftp_code(sys));
    sftp_put_text(out, sys == SFTP_ENDED ? "end of file" : sys ? strerror(sys) : "");
    sftp_put_text(out, "en");
}

static bool read_all(uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(STDIN_FILENO, data + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static bool sftp_send(struct sftp_packet *p)
{
    for (int i = 0; i < 4; i++)
        p->data[i] = (uint8_t)((p->len - 4) >> (24 - 8 * i));
    for (size_t at = 0; at < p->len;) {
        ssize_t n = write(STDOUT_FILENO, p->data + at, p->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* The next request. 1, or 0 at the end, -1 for what is none. */
static int sftp_receive(struct sftp_packet *p)
{
    uint8_t head[4];
    if (!read_all(head, sizeof(head)))
        return 0;
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (len < 5 || len > sizeof(p->data) || !read_all(p->data, len))
        return -1;
    p->at = 0;
    p->len = len;
    p->wrong = false;
    return 1;
}

void sftp_answer(struct sftp_packet *in, struct sftp_packet *out)
{
    uint8_t type = in->data[in->at++];
    uint32_t id = sftp_get_u32(in);
    if (type == SFTP_INIT) { /* whose id is the client's version */
        sftp_begin(out, SFTP_VERSION, SFTP_OUR_VERSION);
        sftp_put_extensions(out);
        return;
    }
    bool known = type < sizeof(operations) / sizeof(*operations) && operations[type];
    int sys = known ? operations[type](id, in, out) : ENOSYS;
    if (sys != SFTP_ANSWERED || out->wrong)
        answer_status(id, out, sys == SFTP_ANSWERED ? EMSGSIZE : sys);
}

int sftp_run(void)
{
    static struct sftp_packet in, out; /* not on the stack */
    int more;
    umask(022);
    while ((more = sftp_receive(&in)) == 1) {
        sftp_answer(&in, &out);
        if (!sftp_send(&out))
            return EXIT_FAILURE;
    }
    return more < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
