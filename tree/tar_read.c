/* See tar_read.h. One step at a time: head is filled up to what the step wants, then the step says
 * what is next. tar_records.c knows what the extended headers say. */
#include "tree/tar_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/err.h"
#include "tree/tar_records.h"

enum { HEADER, TEXT, MAP, BODY, PADDING, END };

static const struct tar_extent whole = {0, UINT64_MAX};

void tar_reader_init(struct tar_reader *r, const struct tar_handler *handler, void *arg,
                     const struct tar_place *from)
{
    *r = (struct tar_reader){.handler = handler, .arg = arg, .wanted = TAR_BLOCK_BYTES};
    r->place.digest = TAR_DIGEST_START;
    r->resumed = from && from->offset > 0;
    if (r->resumed)
        r->place = *from;
    buf_init(&r->head, 2 * TAR_EXTENDED_MAX_BYTES + TAR_MAP_MAX_BYTES);
}

void tar_reader_done(struct tar_reader *r)
{
    buf_done(&r->head);
    free(r->names);
    free(r->map);
    r->names = NULL;
    r->map = NULL;
}

bool tar_reader_ended(const struct tar_reader *r)
{
    return r->state == END;
}

static int malformed(struct err *err, const char *what)
{
    return err_sys(err, EILSEQ, "this is no archive that can be read: %s", what);
}

static int give_raw(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err)
{
    return r->handler->raw && len > 0 ? r->handler->raw(r->arg, data, len, err) : 0;
}

static void next_header(struct tar_reader *r)
{
    buf_reset(&r->head);
    free(r->names);
    free(r->map);
    r->names = NULL;
    r->map = NULL;
    r->n_texts = r->n_map_numbers = r->at = 0;
    r->sparse = r->has_size = r->has_time = r->old_sparse = false;
    r->entry = (struct tar_entry){0};
    r->wanted = TAR_BLOCK_BYTES;
    r->state = HEADER;
}

static void want_header(struct tar_reader *r)
{
    r->at = buf_len(&r->head);
    r->wanted = r->at + TAR_BLOCK_BYTES;
    r->state = HEADER;
}

/* The entry is over. */
static int end_entry(struct tar_reader *r, struct err *err)
{
    if (r->handler->entry_end && r->handler->entry_end(r->arg, err) < 0)
        return -1;
    next_header(r);
    return 0;
}

static int begin_body(struct tar_reader *r, struct err *err)
{
    struct tar_entry *e = &r->entry;
    if (r->handler->entry && r->handler->entry(r->arg, e, err) < 0)
        return -1;
    if (!e->again) {
        size_t len = buf_len(&r->head);
        if (give_raw(r, buf_data(&r->head), len, err) < 0)
            return -1;
        r->place.offset += len;
        r->place.digest = tar_digest(r->place.digest, buf_data(&r->head), len);
    }
    r->extent = 0;
    r->extent_at = 0;
    for (uint64_t skip = e->again_at; e->sparse && r->extent < e->n_map;) {
        uint64_t len = e->map[r->extent].len;
        r->extent_at = skip < len ? skip : 0;
        if (skip < len)
            break;
        skip -= len;
        r->extent++;
    }
    if (!e->sparse)
        r->extent_at = e->again_at;
    r->body_left = e->body_bytes - e->again_at;
    r->padding_left = tar_padding(r->body_left);
    r->state = BODY;
    return r->body_left == 0 ? end_entry(r, err) : 0;
}

/* All of head is there, the map included. */
static int take_entry(struct tar_reader *r, uint64_t map_bytes, struct err *err)
{
    struct tar_entry *e = &r->entry;
    if (map_bytes > e->body_bytes)
        return malformed(err, "a map that is longer than its file");
    e->body_bytes = e->body_bytes - map_bytes + e->again_at;
    if (e->sparse) {
        uint64_t sum = 0, end = 0;
        for (size_t i = 0; i < e->n_map; i++) {
            const struct tar_extent *x = &e->map[i];
            if (x->offset < end || x->len > e->size || x->offset > e->size - x->len)
                return malformed(err, "a map that goes past its file");
            end = x->offset + x->len;
            sum += x->len;
        }
        if (sum != e->body_bytes)
            return malformed(err, "a map that is not that of its file");
    } else {
        e->size = e->body_bytes;
    }
    if (e->again &&
        (!r->resumed || e->again_at % TAR_BLOCK_BYTES != 0 || e->again_at > e->body_bytes))
        return malformed(err, "an entry that is sent again, for nothing");
    return begin_body(r, err);
}

static int take_header(struct tar_reader *r, struct err *err)
{
    if (tar_records_read(r, err) < 0)
        return -1;
    if (!r->sparse)
        return take_entry(r, 0, err);
    r->state = MAP;
    r->map_at = r->at = buf_len(&r->head);
    r->wanted = r->at + TAR_BLOCK_BYTES;
    return 0;
}

/* Reads the numbers that are there by now; 1: the map is whole. */
static int read_map(struct tar_reader *r, struct err *err)
{
    const uint8_t *data = buf_data(&r->head);
    size_t len = buf_len(&r->head);
    for (const uint8_t *end; (end = memchr(data + r->map_at, '\n', len - r->map_at));) {
        uint64_t value;
        if (!tar_parse_decimal((const char *)data + r->map_at, (size_t)(end - data) - r->map_at,
                               &value))
            return malformed(err, "a map that is none");
        r->map_at = (size_t)(end - data) + 1;
        if (r->n_map_numbers++ == 0) {
            if (value > TAR_MAP_MAX)
                return err_sys(err, EFBIG, "%.200s: a file in more than %d pieces", r->entry.path,
                               TAR_MAP_MAX);
            r->map_wanted = value;
            r->map = calloc(value + 1, sizeof(*r->map));
            if (!r->map)
                return err_sys(err, ENOMEM, "reading an archive");
        } else {
            size_t i = (r->n_map_numbers - 2) / 2;
            *(r->n_map_numbers % 2 == 0 ? &r->map[i].offset : &r->map[i].len) = value;
        }
        if (r->n_map_numbers == 1 + 2 * r->map_wanted)
            return 1;
    }
    return 0;
}

static int take_map(struct tar_reader *r, struct err *err)
{
    int whole_map = read_map(r, err);
    if (whole_map < 0)
        return -1;
    if (!whole_map) {
        r->wanted += TAR_BLOCK_BYTES;
        return r->wanted > r->head.max ? malformed(err, "a map without an end") : 0;
    }
    r->entry.map = r->map;
    r->entry.n_map = r->map_wanted;
    r->entry.sparse = true;
    return take_entry(r, r->wanted - r->at, err);
}

static bool is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
        if (block[i] != 0)
            return false;
    return true;
}

static int take_block(struct tar_reader *r, struct err *err)
{
    const uint8_t *block = buf_data(&r->head) + r->at;
    if (is_zero(block)) {
        r->state = END;
        return give_raw(r, block, TAR_BLOCK_BYTES, err);
    }
    memcpy(&r->header, block, sizeof(r->header));
    uint64_t size;
    if (!tar_checksum_is_right(&r->header) || !tar_parse_size(&r->header, &size))
        return malformed(err, "a header's checksum or size is wrong");
    if (!strchr("xgLK", r->header.type) || r->header.type == '\0')
        return take_header(r, err);
    if (size > TAR_EXTENDED_MAX_BYTES)
        return err_sys(err, E2BIG, "an entry of the archive has headers of more than %d bytes",
                       TAR_EXTENDED_MAX_BYTES);
    if (r->n_texts == TAR_TEXTS_MAX)
        return malformed(err, "too many headers of one entry");
    r->texts[r->n_texts].flag = r->header.type;
    r->texts[r->n_texts].at = r->at + TAR_BLOCK_BYTES;
    r->texts[r->n_texts++].len = size;
    r->at += TAR_BLOCK_BYTES;
    r->wanted = r->at + size + tar_padding(size);
    r->state = TEXT;
    if (r->wanted > 2 * TAR_EXTENDED_MAX_BYTES - TAR_BLOCK_BYTES)
        return err_sys(err, E2BIG, "an entry of the archive has headers of more than %d bytes",
                       TAR_EXTENDED_MAX_BYTES);
    return 0;
}

static int take_step(struct tar_reader *r, struct err *err)
{
    switch (r->state) {
    case HEADER:
        return take_block(r, err);
    case TEXT:
        want_header(r);
        return 0;
    default:
        return take_map(r, err);
    }
}

/* Content, extent by extent. */
static int take_body(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err)
{
    const struct tar_entry *e = &r->entry;
    while (len > 0) {
        while (e->sparse && e->map[r->extent].len == r->extent_at) {
            r->extent++; /* the sum of all is that of the body: there is another */
            r->extent_at = 0;
        }
        const struct tar_extent *x = e->sparse ? &e->map[r->extent] : &whole;
        size_t n = x->len - r->extent_at < len ? (size_t)(x->len - r->extent_at) : len;
        if (r->handler->data &&
            r->handler->data(r->arg, x->offset + r->extent_at, data, n, err) < 0)
            return -1;
        if (give_raw(r, data, n, err) < 0)
            return -1;
        r->extent_at += n;
        r->place.offset += n;
        r->body_left -= n;
        data += n;
        len -= n;
    }
    if (r->body_left > 0)
        return 0;
    r->state = PADDING;
    return r->padding_left == 0 ? end_entry(r, err) : 0;
}

static int take_padding(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err)
{
    if (give_raw(r, data, len, err) < 0)
        return -1;
    r->place.offset += len;
    r->padding_left -= len;
    return r->padding_left == 0 ? end_entry(r, err) : 0;
}

/* How much of len the state takes now, and takes it. */
static ssize_t take_some(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err)
{
    size_t n = len;
    switch (r->state) {
    case BODY:
        n = r->body_left < len ? (size_t)r->body_left : len;
        return take_body(r, data, n, err) < 0 ? -1 : (ssize_t)n;
    case PADDING:
        n = r->padding_left < len ? (size_t)r->padding_left : len;
        return take_padding(r, data, n, err) < 0 ? -1 : (ssize_t)n;
    case END:
        return give_raw(r, data, len, err) < 0 ? -1 : (ssize_t)len;
    default:
        break;
    }
    size_t lacking = r->wanted - buf_len(&r->head);
    n = lacking < len ? lacking : len;
    if (buf_append(&r->head, data, n) < 0)
        return err_sys(err, errno, "reading an archive");
    if (n == lacking && take_step(r, err) < 0)
        return -1;
    return (ssize_t)n;
}

int tar_read(struct tar_reader *r, const uint8_t *data, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n = take_some(r, data, len, err);
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}
