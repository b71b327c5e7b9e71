/* See tar_records.h: fields of a header, GNU's long names, and the records of pax. */
#include "tree/tar_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int malformed(struct err *err, const char *what)
{
    return err_sys(err, EILSEQ, "this is no archive that can be read: %s", what);
}

bool tar_checksum_is_right(const struct tar_header *h)
{
    const uint8_t *bytes = (const uint8_t *)h;
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += bytes[i];
    for (size_t i = 0; i < sizeof(h->checksum); i++)
        sum += ' ' - (unsigned)(uint8_t)h->checksum[i];
    char text[sizeof(h->checksum) + 1];
    memcpy(text, h->checksum, sizeof(h->checksum));
    text[sizeof(h->checksum)] = '\0';
    return strtoul(text, NULL, 8) == sum;
}

/* Octal among blanks, or GNU's binary: two's complement, big-endian, with the top bit set. */
static bool parse_number(const char *field, size_t len, int64_t *value)
{
    if ((uint8_t)field[0] & 0x80) {
        bool negative = ((uint8_t)field[0] & 0x40) != 0;
        int64_t v = negative ? -1 : 0;
        for (size_t i = 0; i < len; i++) {
            uint8_t byte = (uint8_t)field[i];
            if (i == 0)
                byte = negative ? byte : byte & 0x7f;
            if (v > INT64_MAX >> 8 || v < INT64_MIN >> 8)
                return false;
            v = (int64_t)((uint64_t)v << 8 | byte);
        }
        *value = v;
        return true;
    }
    size_t i = 0;
    uint64_t v = 0;
    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
        if (v >> 60)
            return false;
        v = v << 3 | (uint64_t)(field[i] - '0');
    }
    *value = (int64_t)v;
    return i == len || field[i] == ' ' || field[i] == '\0';
}

bool tar_parse_size(const struct tar_header *h, uint64_t *size)
{
    int64_t v;
    if (!parse_number(h->size, sizeof(h->size), &v) || v < 0)
        return false;
    *size = (uint64_t)v;
    return true;
}

bool tar_parse_decimal(const char *text, size_t len, uint64_t *value)
{
    uint64_t v = 0;
    if (len == 0 || len > 19)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *value = v;
    return v <= INT64_MAX;
}

/* "-12.345": down to the second, and how much above. */
static bool parse_time(const char *text, struct tar_entry *e)
{
    bool negative = *text == '-';
    text += negative;
    size_t n = strcspn(text, ".");
    uint64_t seconds;
    if (!tar_parse_decimal(text, n, &seconds))
        return false;
    uint32_t ns = 0, scale = 100000000;
    for (text += n + (text[n] == '.'); *text >= '0' && *text <= '9'; text++, scale /= 10)
        ns += (uint32_t)(*text - '0') * scale;
    e->mtime_s = negative ? -(int64_t)seconds - (ns > 0) : (int64_t)seconds;
    e->mtime_ns = negative && ns > 0 ? 1000000000 - ns : ns;
    return *text == '\0';
}

static bool parse_id(const char *text, size_t len, uint32_t *id)
{
    uint64_t v;
    if (!tar_parse_decimal(text, len, &v) || v >= UINT32_MAX)
        return false;
    *id = (uint32_t)v;
    return true;
}

static int take_xattr(struct tar_reader *r, const char *name, const char *value, size_t len,
                      struct err *err)
{
    if (r->entry.n_xattrs == TAR_XATTRS_MAX)
        return err_sys(err, E2BIG, "an entry of the archive has more than %d attributes",
                       TAR_XATTRS_MAX);
    r->xattrs[r->entry.n_xattrs++] = (struct tar_xattr){name, (const uint8_t *)value, len};
    return 0;
}

static bool is_key(const char *key, const char *wanted)
{
    return strcmp(key, wanted) == 0;
}

/* value is terminated; what is not known is passed over. */
static int take_record(struct tar_reader *r, const char *key, const char *value, size_t len,
                       struct err *err)
{
    struct tar_entry *e = &r->entry;
    bool ok = true;
    if (strncmp(key, "SCHILY.xattr.", 13) == 0)
        return take_xattr(r, key + 13, value, len, err);
    if (strlen(value) != len)
        return malformed(err, "a NUL in a name");
    if (is_key(key, "path") && !r->sparse)
        e->path = value;
    else if (is_key(key, "GNU.sparse.name"))
        e->path = value;
    else if (is_key(key, "linkpath"))
        e->link = value;
    else if (is_key(key, "size"))
        ok = r->has_size = tar_parse_decimal(value, len, &e->body_bytes);
    else if (is_key(key, "mtime"))
        ok = r->has_time = parse_time(value, e);
    else if (is_key(key, "uid"))
        ok = parse_id(value, len, &e->uid);
    else if (is_key(key, "gid"))
        ok = parse_id(value, len, &e->gid);
    else if (is_key(key, "uname"))
        snprintf(e->user, sizeof(e->user), "%s", value);
    else if (is_key(key, "gname"))
        snprintf(e->group, sizeof(e->group), "%s", value);
    else if (is_key(key, "GNU.sparse.major"))
        r->sparse = is_key(value, "1");
    else if (is_key(key, "GNU.sparse.realsize"))
        ok = tar_parse_decimal(value, len, &e->size);
    else if (is_key(key, "GNU.sparse.map") || is_key(key, "GNU.sparse.numblocks"))
        r->old_sparse = true;
    else if (is_key(key, TAR_AGAIN_KEY))
        ok = e->again = tar_parse_decimal(value, len, &e->again_at);
    return ok ? 0 : malformed(err, key);
}

static int read_records(struct tar_reader *r, char *text, size_t len, struct err *err)
{
    while (len > 0) {
        char *blank = memchr(text, ' ', len);
        uint64_t all;
        if (!blank || !tar_parse_decimal(text, (size_t)(blank - text), &all) || all > len ||
            all < (size_t)(blank - text) + 3 || text[all - 1] != '\n')
            return malformed(err, "a record's length is wrong");
        char *key = blank + 1, *end = text + all - 1;
        char *equals = memchr(key, '=', (size_t)(end - key));
        if (!equals)
            return malformed(err, "a record without a value");
        *equals = *end = '\0';
        if (take_record(r, key, equals + 1, (size_t)(end - equals) - 1, err) < 0)
            return -1;
        text += all;
        len -= all;
    }
    return 0;
}

static int read_texts(struct tar_reader *r, struct err *err)
{
    for (size_t i = 0; i < r->n_texts; i++) {
        char *text = r->names + r->texts[i].at;
        size_t len = r->texts[i].len;
        switch (r->texts[i].flag) {
        case 'L':
        case 'K':
            text[len] = '\0'; /* of the header behind it, which was read */
            *(r->texts[i].flag == 'L' ? &r->entry.path : &r->entry.link) = text;
            break;
        case 'x':
            if (read_records(r, text, len, err) < 0)
                return -1;
            break;
        default:
            break; /* of all entries: comments */
        }
    }
    return 0;
}

static int read_type(struct tar_reader *r, struct err *err)
{
    struct tar_entry *e = &r->entry;
    size_t len = strlen(e->path);
    switch (r->header.type) {
    case '0':
    case '\0':
    case '7':
        e->type = len > 0 && e->path[len - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
        break;
    case '1':
        e->type = TAR_HARDLINK;
        break;
    case '2':
        e->type = TAR_SYMLINK;
        break;
    case '3':
        e->type = TAR_CHAR_DEVICE;
        break;
    case '4':
        e->type = TAR_BLOCK_DEVICE;
        break;
    case '5':
        e->type = TAR_DIRECTORY;
        break;
    case '6':
        e->type = TAR_FIFO;
        break;
    case 'S':
        r->old_sparse = true;
        break;
    default:
        return err_sys(err, EOPNOTSUPP, "%.200s: an entry of a kind that is not known ('%c')",
                       e->path, r->header.type > ' ' ? r->header.type : '?');
    }
    if (r->old_sparse)
        return err_sys(
            err, EOPNOTSUPP,
            "%.200s: a sparse file in an old format; make the archive with tar --format=pax",
            e->path);
    if (e->type != TAR_FILE) {
        e->body_bytes = 0;
        r->sparse = false;
    }
    return 0;
}

static void read_plain_texts(struct tar_reader *r)
{
    const struct tar_header *h = &r->header;
    struct tar_entry *e = &r->entry;
    bool prefixed = memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0] != '\0';
    snprintf(r->plain_path, sizeof(r->plain_path), "%.*s%s%.*s", prefixed ? 155 : 0, h->prefix,
             prefixed ? "/" : "", 100, h->name);
    snprintf(r->plain_link, sizeof(r->plain_link), "%.*s", 100, h->link);
    snprintf(e->user, sizeof(e->user), "%.*s", 32, h->user);
    snprintf(e->group, sizeof(e->group), "%.*s", 32, h->group);
    e->path = r->plain_path;
    e->link = r->plain_link;
}

static int read_plain_numbers(struct tar_reader *r, struct err *err)
{
    const struct tar_header *h = &r->header;
    struct tar_entry *e = &r->entry;
    int64_t mode, uid, gid, major = 0, minor = 0, ns = 0;
    if (!parse_number(h->mode, sizeof(h->mode), &mode) ||
        !parse_number(h->uid, sizeof(h->uid), &uid) ||
        !parse_number(h->gid, sizeof(h->gid), &gid) ||
        !parse_number(h->mtime, sizeof(h->mtime), &e->mtime_s) ||
        !tar_parse_size(h, &e->body_bytes))
        return malformed(err, "a number in a header");
    bool device = h->type == '3' || h->type == '4';
    if (device && (!parse_number(h->major, sizeof(h->major), &major) ||
                   !parse_number(h->minor, sizeof(h->minor), &minor)))
        return malformed(err, "the number of a device");
    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return malformed(err, "an owner that is none");
    if (h->nanoseconds[0] == 'n' &&
        (!parse_number(h->nanoseconds + 1, sizeof(h->nanoseconds) - 1, &ns) || ns >= 1000000000))
        return malformed(err, "a time that is none");
    e->mode = (uint32_t)mode & 07777;
    e->uid = (uint32_t)uid;
    e->gid = (uint32_t)gid;
    e->dev_major = (uint32_t)major;
    e->dev_minor = (uint32_t)minor;
    e->mtime_ns = (uint32_t)ns;
    return 0;
}

int tar_records_read(struct tar_reader *r, struct err *err)
{
    size_t len = buf_len(&r->head);
    r->names = malloc(len + 1);
    if (!r->names)
        return err_sys(err, ENOMEM, "reading an archive");
    memcpy(r->names, buf_data(&r->head), len);
    r->entry.xattrs = r->xattrs;
    read_plain_texts(r);
    if (read_plain_numbers(r, err) < 0 || read_texts(r, err) < 0 || read_type(r, err) < 0)
        return -1;
    char *path = (char *)r->entry.path; /* in names or plain_path: ours */
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    return *path == '\0' ? malformed(err, "an entry without a name") : 0;
}
