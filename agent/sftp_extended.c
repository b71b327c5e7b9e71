/* Attributes that are set, and OpenSSH's extensions (its PROTOCOL, 4); see sftp.h. */
#include "agent/sftp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int sftp_set_attrs(const char *path, int fd, const struct sftp_attrs *a, bool follow)
{
    const struct timespec times[2] = {{.tv_sec = a->accessed}, {.tv_sec = a->modified}};
    int flag = follow ? 0 : AT_SYMLINK_NOFOLLOW, sys = 0;
    if (a->has & SFTP_HAS_SIZE && follow &&
        (path ? truncate(path, (off_t)a->size) : ftruncate(fd, (off_t)a->size)) < 0)
        sys = errno;
    if (a->has & SFTP_HAS_OWNER &&
        (path ? fchownat(AT_FDCWD, path, a->uid, a->gid, flag) : fchown(fd, a->uid, a->gid)) < 0)
        sys = errno;
    /* Behind the owner, whose change takes setuid away. */
    if (a->has & SFTP_HAS_MODE &&
        (path ? fchmodat(AT_FDCWD, path, a->mode & 07777, flag) : fchmod(fd, a->mode & 07777)) < 0)
        sys = errno;
    if (a->has & SFTP_HAS_TIMES &&
        (path ? utimensat(AT_FDCWD, path, times, flag) : futimens(fd, times)) < 0)
        sys = errno;
    return sys;
}

static int extended_rename(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char from[PATH_MAX], to[PATH_MAX];
    sftp_get_path(in, from);
    sftp_get_path(in, to);
    return in->wrong ? EINVAL : rename(from, to) < 0 ? errno : 0;
}

static int extended_link(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char from[PATH_MAX], to[PATH_MAX];
    sftp_get_path(in, from);
    sftp_get_path(in, to);
    return in->wrong ? EINVAL : link(from, to) < 0 ? errno : 0;
}

static int extended_sync(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    struct sftp_handle *h = sftp_get_handle(in);
    return !h ? EBADF : fsync(h->fd) < 0 ? errno : 0;
}

static int extended_set_attrs(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    char path[PATH_MAX];
    struct sftp_attrs attrs;
    sftp_get_path(in, path);
    sftp_get_attrs(in, &attrs);
    return in->wrong ? EINVAL : sftp_set_attrs(path, -1, &attrs, false);
}

static int answer_volume(uint32_t id, struct sftp_packet *out, const struct statvfs *v)
{
    enum { READ_ONLY = 1, NO_SETUID = 2 };
    sftp_begin(out, SFTP_EXTENDED_REPLY, id);
    sftp_put_u64(out, v->f_bsize);
    sftp_put_u64(out, v->f_frsize);
    sftp_put_u64(out, v->f_blocks);
    sftp_put_u64(out, v->f_bfree);
    sftp_put_u64(out, v->f_bavail);
    sftp_put_u64(out, v->f_files);
    sftp_put_u64(out, v->f_ffree);
    sftp_put_u64(out, v->f_favail);
    sftp_put_u64(out, v->f_fsid);
    sftp_put_u64(out,
                 (v->f_flag & ST_RDONLY ? READ_ONLY : 0) | (v->f_flag & ST_NOSUID ? NO_SETUID : 0));
    sftp_put_u64(out, v->f_namemax);
    return SFTP_ANSWERED;
}

static int extended_volume(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX];
    struct statvfs v;
    sftp_get_path(in, path);
    return in->wrong ? EINVAL : statvfs(path, &v) < 0 ? errno : answer_volume(id, out, &v);
}

static int extended_handle_volume(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    struct statvfs v;
    struct sftp_handle *h = sftp_get_handle(in);
    return !h ? EBADF : fstatvfs(h->fd, &v) < 0 ? errno : answer_volume(id, out, &v);
}

static int extended_limits(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)in;
    sftp_begin(out, SFTP_EXTENDED_REPLY, id);
    sftp_put_u64(out, SFTP_PACKET_BYTES);
    sftp_put_u64(out, SFTP_DATA_BYTES);
    sftp_put_u64(out, SFTP_DATA_BYTES);
    sftp_put_u64(out, SFTP_HANDLES);
    return SFTP_ANSWERED;
}

static const struct {
    const char *name, *version;
    int (*run)(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
} extensions[] = {
    {"posix-rename@openssh.com", "1", extended_rename},
    {"hardlink@openssh.com", "1", extended_link},
    {"fsync@openssh.com", "1", extended_sync},
    {"lsetstat@openssh.com", "1", extended_set_attrs},
    {"statvfs@openssh.com", "2", extended_volume},
    {"fstatvfs@openssh.com", "2", extended_handle_volume},
    {"limits@openssh.com", "1", extended_limits},
};

enum { N_EXTENSIONS = sizeof(extensions) / sizeof(*extensions) };

int sftp_extended(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    uint32_t len;
    const uint8_t *name = sftp_get_bytes(in, &len);
    for (size_t i = 0; !in->wrong && i < N_EXTENSIONS; i++)
        if (strlen(extensions[i].name) == len && memcmp(extensions[i].name, name, len) == 0)
            return extensions[i].run(id, in, out);
    return ENOSYS;
}

void sftp_put_extensions(struct sftp_packet *out)
{
    for (size_t i = 0; i < N_EXTENSIONS; i++) {
        sftp_put_text(out, extensions[i].name);
        sftp_put_text(out, extensions[i].version);
    }
}
