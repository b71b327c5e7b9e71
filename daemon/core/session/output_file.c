/* See output_file.h. A piece is a header of 24 bytes, little-endian (magic u16, stream u8, 0,
 * length u32, offset u64, time u64), and its bytes. */
#include "daemon/core/session/output_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/id.h"
#include "daemon/model/model.h"

enum { HEADER_BYTES = 24, MAGIC = 0x6f43, LOOK_BYTES = 64 * 1024, FILES_MAX = 16384 };

static int make_path(char path[PATH_BYTES], const char *folder, const char *id, struct err *err)
{
    if ((size_t)snprintf(path, PATH_BYTES, "%s/%s", folder, id) < PATH_BYTES)
        return 0;
    return err_set(err, ERR_INVALID, "the path of the output of session %s is too long", id);
}

static void put_le(uint8_t *out, uint64_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *in, int n_bytes)
{
    uint64_t v = 0;
    for (int i = n_bytes; i-- > 0;)
        v = v << 8 | in[i];
    return v;
}

/* Writing */

int output_file_create(const char *folder, const char *id, struct err *err)
{
    char path[PATH_BYTES];
    if (make_path(path, folder, id, err) < 0 || fs_make_dirs(folder, 0700, err) < 0)
        return -1;
    return fs_open_own(path, O_WRONLY | O_CREAT | O_TRUNC, 0600, err);
}

int output_file_append(int fd, int stream, uint64_t offset, int64_t time_ns, const void *data,
                       uint32_t len, struct err *err)
{
    uint8_t head[HEADER_BYTES] = {0};
    put_le(head, MAGIC, 2);
    head[2] = (uint8_t)stream;
    put_le(head + 4, len, 4);
    put_le(head + 8, offset, 8);
    put_le(head + 16, (uint64_t)time_ns, 8);
    struct iovec iov[] = {{head, sizeof(head)}, {(void *)(uintptr_t)data, len}};
    size_t whole = sizeof(head) + len;
    ssize_t n;
    do {
        n = writev(fd, iov, 2);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)whole)
        return 0;
    return err_sys(err, n < 0 ? errno : ENOSPC, "cannot keep output");
}

/* Reading */

static int read_all(int fd, void *out, size_t len, uint64_t at, struct err *err)
{
    uint8_t *to = out;
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(err, n < 0 ? errno : EIO, "cannot read kept output");
        to += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* The piece at *at, which moves behind it. False: none, or none that could have been written. */
static bool next_piece(int fd, uint64_t size, uint64_t *at, const uint64_t end[2],
                       struct output_piece *p)
{
    uint8_t head[HEADER_BYTES];
    if (size - *at < HEADER_BYTES || read_all(fd, head, sizeof(head), *at, NULL) < 0)
        return false;
    *p = (struct output_piece){.offset = get_le(head + 8, 8),
                               .at = *at + HEADER_BYTES,
                               .len = (uint32_t)get_le(head + 4, 4),
                               .time_ns = (int64_t)get_le(head + 16, 8),
                               .stream = head[2]};
    bool sane = get_le(head, 2) == MAGIC && p->stream <= 1 && p->len > 0 &&
                p->len <= OUTPUT_PIECE_BYTES && p->len <= size - p->at &&
                p->offset >= end[p->stream] && p->offset <= UINT64_MAX - p->len && p->time_ns >= 0;
    *at = p->at + p->len;
    return sane;
}

static int add_piece(struct output_file *f, size_t *cap, const struct output_piece *p)
{
    if (f->n == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        struct output_piece *grown = realloc(f->pieces, more * sizeof(*grown));
        if (!grown)
            return -1;
        f->pieces = grown;
        *cap = more;
    }
    f->pieces[f->n++] = *p;
    return 0;
}

int output_file_open(struct output_file *f, const char *folder, const char *id, struct err *err)
{
    char path[PATH_BYTES];
    struct stat st;
    *f = (struct output_file){.fd = -1};
    if (make_path(path, folder, id, err) < 0)
        return -1;
    f->fd = fs_open_own(path, O_RDONLY, 0, err);
    if (f->fd < 0)
        return -1;
    if (fstat(f->fd, &st) < 0) {
        err_sys(err, errno, "cannot look at %s", path);
        output_file_close(f);
        return -1;
    }
    uint64_t at = 0, end[2] = {0};
    size_t cap = 0;
    struct output_piece p;
    while (f->n < OUTPUT_PIECES_MAX && next_piece(f->fd, (uint64_t)st.st_size, &at, end, &p)) {
        end[p.stream] = p.offset + p.len;
        if (add_piece(f, &cap, &p) < 0)
            break;
    }
    return 0;
}

void output_file_close(struct output_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->pieces);
    *f = (struct output_file){.fd = -1};
}

int output_file_read(const struct output_file *f, const struct output_piece *p, uint32_t skip,
                     void *out, uint32_t len, struct err *err)
{
    return read_all(f->fd, out, len, p->at + skip, err);
}

void output_file_bounds(const struct output_file *f, int stream, uint64_t *first, uint64_t *end)
{
    *first = *end = 0;
    bool any = false;
    for (size_t i = 0; i < f->n; i++) {
        const struct output_piece *p = &f->pieces[i];
        if (p->stream != stream)
            continue;
        if (!any)
            *first = p->offset;
        any = true;
        *end = p->offset + p->len;
    }
}

/* Backwards through one piece; true when the line was found that the last n begin with. */
static bool look_back(const struct output_file *f, const struct output_piece *p, uint64_t end,
                      uint64_t *n_lines, uint64_t *begin)
{
    uint8_t block[LOOK_BYTES];
    for (uint32_t left = p->len; left > 0;) {
        uint32_t n = left < sizeof(block) ? left : sizeof(block);
        left -= n;
        if (output_file_read(f, p, left, block, n, NULL) < 0)
            return true;
        for (uint32_t i = n; i-- > 0;) {
            uint64_t behind = p->offset + left + i + 1;
            if (block[i] != '\n' || behind == end) /* one at the very end begins no line */
                continue;
            if (--*n_lines == 0) {
                *begin = behind;
                return true;
            }
        }
    }
    return false;
}

uint64_t output_file_since(const struct output_file *f, int stream, int64_t since_ns)
{
    uint64_t from, end;
    output_file_bounds(f, stream, &from, &end);
    for (size_t i = 0; i < f->n; i++)
        if (f->pieces[i].stream == stream && f->pieces[i].time_ns &&
            f->pieces[i].time_ns <= since_ns)
            from = f->pieces[i].offset;
    return from;
}

uint64_t output_file_tail(const struct output_file *f, int stream, uint64_t n_lines)
{
    uint64_t first, end;
    output_file_bounds(f, stream, &first, &end);
    uint64_t begin = n_lines ? first : end;
    for (size_t i = f->n; n_lines && i-- > 0;)
        if (f->pieces[i].stream == stream && look_back(f, &f->pieces[i], end, &n_lines, &begin))
            break;
    return begin;
}

/* Folder */

void output_file_remove(const char *folder, const char *id)
{
    char path[PATH_BYTES];
    if (make_path(path, folder, id, NULL) == 0)
        unlink(path);
}

struct old_file {
    char id[ID_BYTES];
    struct timespec at;
    uint64_t bytes;
};

static int compare_age(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;
    if (x->at.tv_sec != y->at.tv_sec)
        return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
    return x->at.tv_nsec < y->at.tv_nsec ? -1 : x->at.tv_nsec > y->at.tv_nsec;
}

static size_t list_files(DIR *dir, struct old_file *files, uint64_t *total)
{
    size_t n = 0;
    *total = 0;
    for (struct dirent *e; n < FILES_MAX && (e = readdir(dir));) {
        struct stat st;
        if (!id_is_valid(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        struct old_file *f = &files[n++];
        memcpy(f->id, e->d_name, sizeof(f->id)); /* ends here: id_is_valid */
        f->at = st.st_mtim;
        f->bytes = (uint64_t)st.st_size;
        *total += f->bytes;
    }
    return n;
}

uint64_t output_folder_make_room(const char *folder, uint64_t wanted_bytes, uint64_t most_bytes)
{
    auto_dir DIR *dir = opendir(folder);
    auto_free struct old_file *files = dir ? malloc(FILES_MAX * sizeof(*files)) : NULL;
    if (!files)
        return most_bytes;
    uint64_t total;
    size_t n = list_files(dir, files, &total);
    qsort(files, n, sizeof(*files), compare_age);
    uint64_t wanted = wanted_bytes < most_bytes ? wanted_bytes : most_bytes;
    for (size_t i = 0; i < n && total > most_bytes - wanted; i++) {
        output_file_remove(folder, files[i].id);
        total -= files[i].bytes;
    }
    return total < most_bytes ? most_bytes - total : 0;
}
