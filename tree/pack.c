/* The walk, and the stream of bytes that it is given as; see pack.h. */
#include "tree/pack_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static const uint8_t zeros[TAR_END_BYTES];

static void folder_close(struct pack_folder *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->names[i]);
    free(f->names);
    close(f->fd);
    *f = (struct pack_folder){.fd = -1};
}

void pack_close(struct pack *p)
{
    if (!p)
        return;
    while (p->depth > 0)
        folder_close(&p->folders[--p->depth]);
    if (p->fd >= 0)
        close(p->fd);
    for (size_t i = 0; i < p->linked_cap; i++)
        free(p->linked[i].path);
    free(p->linked);
    free(p->map);
    free(p->xattr_block);
    free(p->name);
    buf_done(&p->head);
    free(p);
}

const struct tree_trouble *pack_trouble(const struct pack *p)
{
    return &p->trouble;
}

static int stale(struct err *err)
{
    return err_sys(err, ESTALE, "what was copied by now has changed meanwhile; copy it anew");
}

/* --- headers ---------------------------------------------------------------------------------- */

static int put(struct pack *p, const struct tar_entry *e, struct err *err)
{
    return tar_put_entry(&p->head, e, p->options.times, err);
}

/* The folders that we are in, once more. */
static int put_folders_again(struct pack *p, struct err *err)
{
    for (size_t i = 0; i < p->depth; i++) {
        const struct pack_folder *f = &p->folders[i];
        struct tar_entry e;
        if (f->path_len == 0)
            continue;
        char behind = p->path[f->path_len];
        p->path[f->path_len] = '\0';
        int rc = pack_describe(p, f->fd, &f->st, &e, err);
        e.again = true;
        rc = rc < 0 ? rc : put(p, &e, err);
        p->path[f->path_len] = behind;
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* The place is in or behind this entry, of which the reader has at bytes: whoever goes on there has
 * to know of the folders around it, and of itself if it may still be changed. */
static int begin_there(struct pack *p, struct tar_entry *e, uint64_t at, struct err *err)
{
    struct buf own; /* in between, as what is said of folders needs the room of what is said of e */
    if (p->place.digest != p->options.from.digest || at > e->body_bytes ||
        (at < e->body_bytes && at % TAR_BLOCK_BYTES != 0))
        return stale(err);
    p->going_on = false;
    e->again = true;
    e->again_at = at;
    buf_reset(&p->head);
    if ((e->body_bytes > at || e->type == TAR_DIRECTORY) && put(p, e, err) < 0)
        return -1;
    own = p->head;
    buf_init(&p->head, own.max);
    int rc = put_folders_again(p, err);
    if (rc == 0 && buf_append(&p->head, buf_data(&own), buf_len(&own)) < 0)
        rc = err_sys(err, errno, "%.200s", p->path);
    buf_done(&own);
    return rc;
}

static void begin_body(struct pack *p, const struct tar_entry *e)
{
    if (!e->sparse) {
        p->map[0] = (struct tar_extent){0, e->body_bytes};
        p->n_map = 1;
    }
    p->body_left = e->body_bytes - e->again_at;
    p->padding_left = p->body_left > 0 ? tar_padding(e->body_bytes) : 0;
    p->extent = 0;
    p->extent_at = e->again_at;
    while (p->body_left > 0 && p->extent_at >= p->map[p->extent].len)
        p->extent_at -= p->map[p->extent++].len;
    p->cut_short = false;
}

/* Puts the entry, or passes over it on the way to where the copy goes on. The file's content comes
 * from fd, which is taken; -1: it has none. */
static int put_entry(struct pack *p, struct tar_entry *e, int fd, struct err *err)
{
    p->fd = fd;
    if (put(p, e, err) < 0)
        return -1;
    p->place.digest = tar_digest(p->place.digest, buf_data(&p->head), buf_len(&p->head));
    p->place.offset += buf_len(&p->head);
    uint64_t begin = p->place.offset, from = p->options.from.offset;
    p->place.offset += e->body_bytes + tar_padding(e->body_bytes);
    if (p->going_on && from > p->place.offset) {
        buf_reset(&p->head);
        e->again_at = e->body_bytes;
    } else if (p->going_on) {
        uint64_t at = from == p->place.offset ? e->body_bytes : from - begin;
        if (from < begin)
            return stale(err);
        if (begin_there(p, e, at, err) < 0)
            return -1;
    }
    begin_body(p, e);
    return 0;
}

/* --- the walk --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(struct pack_folder *f, struct err *err)
{
    int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return err_sys(err, errno, "reading a folder");
    }
    size_t cap = 0;
    int rc = 0;
    errno = 0;
    for (const struct dirent *d; rc == 0 && (d = readdir(dir)); errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (f->n == cap) {
            cap = cap ? cap * 2 : 16;
            char **more = realloc(f->names, cap * sizeof(*more));
            rc = more ? 0 : err_sys(err, ENOMEM, "reading a folder");
            f->names = more ? more : f->names;
        }
        if (rc == 0 && !(f->names[f->n] = strdup(d->d_name)))
            rc = err_sys(err, ENOMEM, "reading a folder");
        f->n += rc == 0;
    }
    if (rc == 0 && errno != 0)
        rc = err_sys(err, errno, "reading a folder");
    closedir(dir);
    if (f->n > 0)
        qsort(f->names, f->n, sizeof(*f->names), by_name);
    return rc;
}

/* What the kernel only shows, mounted below the tree: the folder is copied, its content is not. */
static bool is_pseudo(int fd)
{
    static const long kinds[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,
                                 CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,
                                 TRACEFS_MAGIC,       SECURITYFS_MAGIC,   BPF_FS_MAGIC};
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if ((long)fs.f_type == kinds[i])
            return true;
    return false;
}

/* fd is taken. */
static int enter_folder(struct pack *p, int fd, const struct stat *st, struct err *err)
{
    if (p->depth == TREE_DEPTH_MAX) {
        tree_note(&p->trouble, ENAMETOOLONG, p->path, "too deep, not copied");
        close(fd);
        return 0;
    }
    struct pack_folder *f = &p->folders[p->depth];
    *f = (struct pack_folder){.fd = fd, .st = *st, .path_len = p->path_len};
    struct err why = ERR_INIT;
    bool mounted = p->depth > 0 && f[-1].st.st_dev != st->st_dev;
    p->depth++;
    if (!(mounted && is_pseudo(fd)) && read_names(f, &why) < 0) {
        if (why.sys == ENOMEM)
            return err_sys(err, ENOMEM, "%.200s", p->path);
        tree_note(&p->trouble, why.sys, p->path, "");
    }
    return 0;
}

static int take_folder(struct pack *p, int fd, struct err *err)
{
    struct stat st;
    struct tar_entry e;
    if (fstat(fd, &st) < 0 || pack_describe(p, fd, &st, &e, err) < 0 ||
        (p->path_len > 0 && put_entry(p, &e, -1, err) < 0)) {
        close(fd);
        return -1;
    }
    return enter_folder(p, fd, &st, err);
}

static int take_file(struct pack *p, int fd, struct err *err)
{
    struct stat st;
    struct tar_entry e;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        tree_note(&p->trouble, ESTALE, p->path, "");
        return 0;
    }
    const char *first = st.st_nlink > 1 ? pack_met_before(p, &st) : NULL;
    if (pack_describe(p, fd, &st, &e, err) < 0) {
        close(fd);
        return -1;
    }
    if (!first)
        return put_entry(p, &e, fd, err);
    close(fd);
    e.type = TAR_HARDLINK;
    e.link = first;
    e.sparse = false;
    e.size = e.body_bytes = 0;
    e.n_xattrs = 0;
    return put_entry(p, &e, -1, err);
}

/* A link, a device, a FIFO: never opened. */
static int take_other(struct pack *p, int dir, const char *name, const struct stat *st,
                      struct err *err)
{
    struct tar_entry e;
    if (S_ISSOCK(st->st_mode))
        return 0; /* means nothing elsewhere */
    if ((S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) && !p->options.devices) {
        tree_note(&p->trouble, EPERM, p->path, "a device, not copied unless asked for");
        return 0;
    }
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(dir, name, p->link, sizeof(p->link) - 1);
        if (n < 0) {
            tree_note(&p->trouble, errno, p->path, "");
            return 0;
        }
        p->link[n] = '\0';
    }
    return pack_describe(p, -1, st, &e, err) < 0 ? -1 : put_entry(p, &e, -1, err);
}

/* Takes what is called so in a folder; p->path is its name in the archive. */
static int take_name(struct pack *p, int dir, const char *name, bool follow, struct err *err)
{
    struct stat st;
    int nofollow = follow ? 0 : O_NOFOLLOW, fd = -1;
    int rc = fstatat(dir, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (rc == 0 && S_ISDIR(st.st_mode))
        rc = fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
    else if (rc == 0 && S_ISREG(st.st_mode))
        rc = fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | nofollow);
    else if (rc == 0)
        return take_other(p, dir, name, &st, err);
    if (rc < 0) {
        if (p->depth == 0)
            return err_sys(err, errno, "%.300s", name);
        if (errno != ENOENT) /* else it went meanwhile */
            tree_note(&p->trouble, errno, p->path, "");
        return 0;
    }
    return S_ISDIR(st.st_mode) ? take_folder(p, fd, err) : take_file(p, fd, err);
}

static bool append_name(struct pack *p, size_t folder_len, const char *name)
{
    size_t len = strlen(name), at = folder_len;
    if (at + len + 2 > sizeof(p->path))
        return false;
    if (at > 0)
        p->path[at++] = '/';
    memcpy(p->path + at, name, len + 1);
    p->path_len = at + len;
    return true;
}

static int end_archive(struct pack *p, struct err *err)
{
    if (p->going_on)
        return stale(err);
    p->ended = true;
    return buf_append(&p->head, zeros, TAR_END_BYTES) < 0 ? err_sys(err, errno, "an archive") : 0;
}

/* What comes next in the tree. */
static int step(struct pack *p, struct err *err)
{
    if (p->depth == 0)
        return end_archive(p, err);
    struct pack_folder *f = &p->folders[p->depth - 1];
    if (f->next == f->n) {
        folder_close(f);
        p->depth--;
        return 0;
    }
    const char *name = f->names[f->next++];
    if (append_name(p, f->path_len, name))
        return !p->options.wanted || p->options.wanted(p->options.arg, p->path)
                   ? take_name(p, f->fd, name, false, err)
                   : 0;
    tree_note(&p->trouble, ENAMETOOLONG, p->path, "");
    return 0;
}

struct pack *pack_open(const char *path, const struct pack_options *options, struct err *err)
{
    struct pack *p = calloc(1, sizeof(*p));
    if (!p || !(p->name = strdup(options->name)) ||
        !(p->map = calloc(TAR_MAP_MAX, sizeof(*p->map)))) {
        if (p)
            free(p->name);
        free(p);
        err_sys(err, ENOMEM, "%.200s", path);
        return NULL;
    }
    p->options = *options;
    p->options.name = p->name;
    p->going_on = options->from.offset > 0;
    p->place.digest = TAR_DIGEST_START;
    p->fd = -1;
    buf_init(&p->head, TAR_EXTENDED_MAX_BYTES * 4 + TAR_MAP_MAX_BYTES);
    if (!append_name(p, 0, p->name))
        err_sys(err, ENAMETOOLONG, "%.200s", path);
    else if (take_name(p, AT_FDCWD, path, options->follow, err) == 0) {
        if (p->depth > 0 || *p->name != '\0')
            return p;
        err_sys(err, ENOTDIR, "%.300s", path);
    }
    pack_close(p);
    return NULL;
}

/* --- the stream ------------------------------------------------------------------------------- */

/* Content of the file; zeros where it has become shorter than its headers say. */
static ssize_t read_body(struct pack *p, uint8_t *data, size_t len)
{
    const struct tar_extent *x = &p->map[p->extent];
    uint64_t left = x->len - p->extent_at;
    size_t n = left < len ? (size_t)left : len;
    ssize_t got = pread(p->fd, data, n, (off_t)(x->offset + p->extent_at));
    if (got <= 0) {
        if (!p->cut_short)
            tree_note(&p->trouble, got < 0 ? errno : ESTALE, p->path,
                      got < 0 ? "zeros are in its place" : "it became shorter meanwhile");
        p->cut_short = true;
        memset(data, 0, n);
        got = (ssize_t)n;
    }
    p->extent_at += (uint64_t)got;
    p->body_left -= (uint64_t)got;
    while (p->body_left > 0 && p->extent_at == p->map[p->extent].len) {
        p->extent++;
        p->extent_at = 0;
    }
    return got;
}

static ssize_t read_some(struct pack *p, uint8_t *data, size_t len)
{
    if (buf_len(&p->head) > 0) {
        size_t n = buf_len(&p->head) < len ? buf_len(&p->head) : len;
        memcpy(data, buf_data(&p->head), n);
        buf_consume(&p->head, n);
        return (ssize_t)n;
    }
    if (p->body_left > 0)
        return read_body(p, data, len);
    size_t n = p->padding_left < len ? (size_t)p->padding_left : len;
    memset(data, 0, n);
    p->padding_left -= n;
    if (n == 0 && p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
    return (ssize_t)n;
}

ssize_t pack_read(struct pack *p, uint8_t *data, size_t len, struct err *err)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read_some(p, data + done, len - done);
        done += (size_t)n;
        if (n > 0)
            continue;
        if (p->ended)
            break;
        if (step(p, err) < 0)
            return -1;
    }
    return (ssize_t)done;
}
