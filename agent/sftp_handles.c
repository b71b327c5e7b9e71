/* Files and folders that an SFTP client has open; see sftp.h. */
#include "agent/sftp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FLAG_READ = 1,
    FLAG_WRITE = 2,
    FLAG_APPEND = 4,
    FLAG_CREATE = 8,
    FLAG_EMPTY = 16,
    FLAG_NEW = 32
};
enum { READDIR_MOST = 100, LINE_BYTES = 512 };

static struct sftp_handle handles[SFTP_HANDLES];

static struct sftp_handle *handle_new(void)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++)
        if (!handles[i].used)
            return &handles[i];
    return NULL;
}

struct sftp_handle *sftp_get_handle(struct sftp_packet *in)
{
    uint32_t len;
    const uint8_t *name = sftp_get_bytes(in, &len);
    if (len != 2)
        return NULL;
    size_t i = (size_t)name[0] << 8 | name[1];
    return i < SFTP_HANDLES && handles[i].used ? &handles[i] : NULL;
}

static int handle_answer(struct sftp_handle *h, uint32_t id, struct sftp_packet *out)
{
    size_t i = (size_t)(h - handles);
    const uint8_t name[2] = {(uint8_t)(i >> 8), (uint8_t)i};
    h->used = true;
    sftp_begin(out, SFTP_HANDLE, id);
    sftp_put_bytes(out, name, sizeof(name));
    return SFTP_ANSWERED;
}

int sftp_open(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX];
    struct sftp_attrs attrs;
    sftp_get_path(in, path);
    uint32_t wanted = sftp_get_u32(in);
    sftp_get_attrs(in, &attrs);
    struct sftp_handle *h = handle_new();
    if (in->wrong || !(wanted & (FLAG_READ | FLAG_WRITE)))
        return EINVAL;
    if (!h)
        return EMFILE;
    int flags = wanted & FLAG_WRITE ? wanted & FLAG_READ ? O_RDWR : O_WRONLY : O_RDONLY;
    flags |= wanted & FLAG_APPEND ? O_APPEND : 0;
    flags |= wanted & FLAG_CREATE ? O_CREAT : 0;
    flags |= wanted & FLAG_EMPTY ? O_TRUNC : 0;
    flags |= wanted & FLAG_NEW ? O_EXCL : 0;
    mode_t mode = attrs.has & SFTP_HAS_MODE ? attrs.mode & 07777 : 0666;
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0)
        return errno;
    *h = (struct sftp_handle){.fd = fd, .appends = wanted & FLAG_APPEND};
    return handle_answer(h, id, out);
}

int sftp_close(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    struct sftp_handle *h = sftp_get_handle(in);
    if (!h)
        return EBADF;
    int rc = h->dir ? closedir(h->dir) : close(h->fd);
    h->used = false;
    return rc < 0 ? errno : 0;
}

int sftp_read(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    static uint8_t data[SFTP_DATA_BYTES];
    struct sftp_handle *h = sftp_get_handle(in);
    uint64_t offset = sftp_get_u64(in);
    uint32_t len = sftp_get_u32(in);
    if (in->wrong)
        return EINVAL;
    if (!h || h->dir)
        return EBADF;
    ssize_t n = pread(h->fd, data, len < sizeof(data) ? len : sizeof(data), (off_t)offset);
    if (n < 0 && errno == ESPIPE)
        n = read(h->fd, data, len < sizeof(data) ? len : sizeof(data));
    if (n < 0)
        return errno;
    if (n == 0)
        return SFTP_ENDED;
    sftp_begin(out, SFTP_DATA, id);
    sftp_put_bytes(out, data, (size_t)n);
    return SFTP_ANSWERED;
}

int sftp_write(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    (void)id;
    (void)out;
    struct sftp_handle *h = sftp_get_handle(in);
    uint64_t offset = sftp_get_u64(in);
    uint32_t len;
    const uint8_t *data = sftp_get_bytes(in, &len);
    if (in->wrong)
        return EINVAL;
    if (!h || h->dir)
        return EBADF;
    while (len > 0) {
        ssize_t n = h->appends ? write(h->fd, data, len) : pwrite(h->fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        data += n;
        len -= (uint32_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int sftp_opendir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    char path[PATH_MAX];
    sftp_get_path(in, path);
    struct sftp_handle *h = handle_new();
    if (in->wrong)
        return EINVAL;
    if (!h)
        return EMFILE;
    DIR *dir = opendir(path);
    if (!dir)
        return errno;
    *h = (struct sftp_handle){.fd = dirfd(dir), .dir = dir};
    return handle_answer(h, id, out);
}

/* As ls -l has it: for people, and clients that know no better. */
static void readdir_line(char line[LINE_BYTES], const char *name, const struct stat *st)
{
    static const char letters[] = "rwxrwxrwx";
    char mode[11] = "?---------", when[32] = "";
    const char *kinds = S_ISDIR(st->st_mode)    ? "d"
                        : S_ISLNK(st->st_mode)  ? "l"
                        : S_ISREG(st->st_mode)  ? "-"
                        : S_ISCHR(st->st_mode)  ? "c"
                        : S_ISBLK(st->st_mode)  ? "b"
                        : S_ISFIFO(st->st_mode) ? "p"
                                                : "s";
    struct tm at;
    mode[0] = *kinds;
    for (int i = 0; i < 9; i++)
        mode[1 + i] = st->st_mode >> (8 - i) & 1 ? letters[i] : '-';
    if (gmtime_r(&st->st_mtime, &at))
        strftime(when, sizeof(when), "%b %e  %Y", &at);
    snprintf(line, LINE_BYTES, "%s %4u %-8u %-8u %10lld %s %s", mode, (unsigned)st->st_nlink,
             (unsigned)st->st_uid, (unsigned)st->st_gid, (long long)st->st_size, when, name);
}

int sftp_readdir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out)
{
    struct sftp_handle *h = sftp_get_handle(in);
    char line[LINE_BYTES];
    struct dirent *d;
    uint32_t n = 0;
    if (!h || !h->dir)
        return EBADF;
    sftp_begin(out, SFTP_NAME, id);
    size_t count_at = out->len;
    sftp_put_u32(out, 0);
    for (errno = 0; n < READDIR_MOST && (d = readdir(h->dir)); errno = 0) {
        struct stat st;
        if (fstatat(h->fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* it has just gone */
        readdir_line(line, d->d_name, &st);
        sftp_put_text(out, d->d_name);
        sftp_put_text(out, line);
        sftp_put_attrs(out, &st);
        n++;
    }
    if (n == 0)
        return errno ? errno : SFTP_ENDED;
    out->data[count_at + 2] = (uint8_t)(n >> 8);
    out->data[count_at + 3] = (uint8_t)n;
    return SFTP_ANSWERED;
}
