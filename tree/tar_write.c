/* Headers of an entry: extended ones where a plain one cannot say it, then the plain one; see
 * tar.h. */
#include "tree/tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "tree/tar_header.h"

uint64_t tar_digest(uint64_t digest, const void *data, size_t len)
{
    static const uint64_t by = UINT64_C(0x100000001b3), by2 = by * by, by4 = by2 * by2;
    const uint8_t *at = data, *end = at + len;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, sizeof(word)), word == 0)) {
            digest *= by4 * by4; /* eight zeros, of which headers are full */
            at += sizeof(word);
        } else {
            digest = (digest ^ *at++) * by;
        }
    }
    return digest;
}

/* Octal where it fits, else GNU's big-endian binary with the top bit set. */
static void put_number(char *field, size_t len, int64_t value)
{
    if (value >= 0 && (uint64_t)value < UINT64_C(1) << (3 * (len - 1))) {
        for (size_t i = len - 1; i-- > 0; value >>= 3)
            field[i] = (char)('0' + (value & 7));
        return;
    }
    for (size_t i = len; i-- > 0; value >>= 8)
        field[i] = (char)(value & 0xff);
    field[0] = (char)(field[0] | 0x80);
}

/* Fixed fields are not terminated where a text fills them. */
static void put_text(char *field, size_t len, const char *text)
{
    memcpy(field, text, strnlen(text, len));
}

static void put_checksum(struct tar_header *h)
{
    memset(h->checksum, ' ', sizeof(h->checksum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((const uint8_t *)h)[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static int put_record(struct buf *to, const char *key, const void *value, size_t len)
{
    size_t rest = 1 + strlen(key) + 1 + len + 1, digits = 1;
    char number[24];
    while ((size_t)snprintf(number, sizeof(number), "%zu", rest + digits) > digits)
        digits++;
    return buf_append(to, number, digits) < 0 || buf_append(to, " ", 1) < 0 ||
                   buf_append(to, key, strlen(key)) < 0 || buf_append(to, "=", 1) < 0 ||
                   buf_append(to, value, len) < 0 || buf_append(to, "\n", 1) < 0
               ? -1
               : 0;
}

static int put_text_record(struct buf *to, const char *key, const char *value)
{
    return put_record(to, key, value, strlen(value));
}

static int put_number_record(struct buf *to, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return put_text_record(to, key, text);
}

static bool is_utf8(const char *text)
{
    return utf8_prefix((const uint8_t *)text, strlen(text)) == strlen(text);
}

static bool fits(const char *text, size_t len)
{
    return strlen(text) <= len;
}

static int put_sparse_records(struct buf *to, const struct tar_entry *e)
{
    return put_text_record(to, "GNU.sparse.major", "1") < 0 ||
                   put_text_record(to, "GNU.sparse.minor", "0") < 0 ||
                   put_text_record(to, "GNU.sparse.name", e->path) < 0 ||
                   put_number_record(to, "GNU.sparse.realsize", e->size) < 0
               ? -1
               : 0;
}

static int put_xattr_records(struct buf *to, const struct tar_entry *e)
{
    for (size_t i = 0; i < e->n_xattrs; i++) {
        char key[TAR_XATTR_KEY_BYTES];
        int n = snprintf(key, sizeof(key), "SCHILY.xattr.%s", e->xattrs[i].name);
        if (n < 0 || (size_t)n >= sizeof(key) ||
            put_record(to, key, e->xattrs[i].value, e->xattrs[i].len) < 0)
            return -1;
    }
    return 0;
}

/* What the plain header cannot say. */
static int put_records(struct buf *to, const struct tar_entry *e, enum tar_times times)
{
    struct tar_header h;
    bool long_path = !fits(e->path, sizeof(h.name) - 1) && !e->sparse;
    bool long_link = !fits(e->link, sizeof(h.link));
    if ((long_path && !is_utf8(e->path)) || (long_link && !is_utf8(e->link)) ||
        (e->sparse && !is_utf8(e->path)))
        if (put_text_record(to, "hdrcharset", "BINARY") < 0)
            return -1;
    if ((long_path && put_text_record(to, "path", e->path) < 0) ||
        (long_link && put_text_record(to, "linkpath", e->link) < 0) ||
        (!fits(e->user, sizeof(h.user)) && put_text_record(to, "uname", e->user) < 0) ||
        (!fits(e->group, sizeof(h.group)) && put_text_record(to, "gname", e->group) < 0) ||
        (e->sparse && put_sparse_records(to, e) < 0) || put_xattr_records(to, e) < 0)
        return -1;
    if (times == TAR_PORTABLE && e->mtime_ns != 0 && e->mtime_s >= 0) {
        char text[40];
        snprintf(text, sizeof(text), "%lld.%09u", (long long)e->mtime_s, e->mtime_ns);
        if (put_text_record(to, "mtime", text) < 0)
            return -1;
    }
    return e->again ? put_number_record(to, TAR_AGAIN_KEY, e->again_at) : 0;
}

static char type_flag(enum tar_type type)
{
    static const char flags[] = {
        [TAR_FILE] = '0',     [TAR_DIRECTORY] = '5',   [TAR_SYMLINK] = '2',
        [TAR_HARDLINK] = '1', [TAR_CHAR_DEVICE] = '3', [TAR_BLOCK_DEVICE] = '4',
        [TAR_FIFO] = '6',
    };
    return flags[type];
}

static void header_begin(struct tar_header *h, const char *path, char flag, uint64_t bytes)
{
    memset(h, 0, sizeof(*h));
    put_text(h->name, sizeof(h->name), path);
    h->type = flag;
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    put_number(h->size, sizeof(h->size), (int64_t)bytes);
}

static int append_header(struct buf *to, struct tar_header *h)
{
    put_checksum(h);
    return buf_append(to, h, sizeof(*h));
}

static int put_padding(struct buf *to, uint64_t bytes)
{
    static const uint8_t zeros[TAR_BLOCK_BYTES];
    return buf_append(to, zeros, tar_padding(bytes));
}

static int put_extended(struct buf *to, const struct tar_entry *e, enum tar_times times,
                        struct buf *records)
{
    struct tar_header h;
    if (put_records(records, e, times) < 0)
        return -1;
    size_t len = buf_len(records);
    if (len == 0)
        return 0;
    header_begin(&h, "PaxHeaders/entry", 'x', len);
    put_number(h.mode, sizeof(h.mode), 0644);
    put_number(h.uid, sizeof(h.uid), 0);
    put_number(h.gid, sizeof(h.gid), 0);
    put_number(h.mtime, sizeof(h.mtime), 0);
    return append_header(to, &h) < 0 || buf_append(to, buf_data(records), len) < 0 ||
                   put_padding(to, len) < 0
               ? -1
               : 0;
}

static int put_map_number(struct buf *map, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
    return buf_append(map, text, (size_t)n);
}

static int put_map(struct buf *map, const struct tar_entry *e)
{
    if (put_map_number(map, e->n_map) < 0)
        return -1;
    for (size_t i = 0; i < e->n_map; i++)
        if (put_map_number(map, e->map[i].offset) < 0 || put_map_number(map, e->map[i].len) < 0)
            return -1;
    return put_padding(map, buf_len(map));
}

static void header_fill(struct tar_header *h, const struct tar_entry *e, enum tar_times times,
                        uint64_t bytes)
{
    header_begin(h, e->path, type_flag(e->type), bytes);
    size_t name = strnlen(e->path, sizeof(h->name) - 1);
    if (e->sparse) { /* whoever does not know of maps gets the file by another name */
        memset(h->name, 0, sizeof(h->name));
        put_text(h->name, sizeof(h->name), "GNUSparseFile.0/file");
    } else if (e->type == TAR_DIRECTORY) {
        memset(h->name + name, 0, sizeof(h->name) - name);
        h->name[name] = '/';
    }
    put_text(h->link, sizeof(h->link), e->link);
    put_text(h->user, sizeof(h->user), e->user);
    put_text(h->group, sizeof(h->group), e->group);
    put_number(h->mode, sizeof(h->mode), e->mode & 07777);
    put_number(h->uid, sizeof(h->uid), e->uid);
    put_number(h->gid, sizeof(h->gid), e->gid);
    put_number(h->mtime, sizeof(h->mtime), e->mtime_s);
    put_number(h->major, sizeof(h->major), e->dev_major);
    put_number(h->minor, sizeof(h->minor), e->dev_minor);
    if (times == TAR_COMPACT) {
        memcpy(h->nanoseconds, "n", 1);
        put_number(h->nanoseconds + 1, sizeof(h->nanoseconds) - 1, e->mtime_ns);
    }
}

int tar_put_entry(struct buf *to, const struct tar_entry *e, enum tar_times times, struct err *err)
{
    struct buf records, map;
    struct tar_header h;
    buf_init(&records, TAR_EXTENDED_MAX_BYTES);
    buf_init(&map, TAR_MAP_MAX_BYTES + TAR_BLOCK_BYTES);
    int rc = e->sparse ? put_map(&map, e) : 0;
    if (rc == 0) {
        header_fill(&h, e, times, buf_len(&map) + e->body_bytes - e->again_at);
        rc = put_extended(to, e, times, &records) < 0 || append_header(to, &h) < 0 ||
                     buf_append(to, buf_data(&map), buf_len(&map)) < 0
                 ? -1
                 : 0;
    }
    buf_done(&records);
    buf_done(&map);
    return rc < 0 ? err_sys(err, ENAMETOOLONG, "%.200s: its headers", e->path) : 0;
}
