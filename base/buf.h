/* Byte queue with a hard maximum: append at the tail, consume from the head.
 * One contiguous block, so that parsers see whole headers. */
#ifndef BANGER_BASE_BUF_H
#define BANGER_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *block; /* owned */
    size_t head;    /* first unread byte */
    size_t tail;    /* one past the last byte */
    size_t cap;     /* bytes allocated */
    size_t max;     /* tail - head never exceeds this */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);

static inline const uint8_t *buf_data(const struct buf *b)
{
    return b->block ? b->block + b->head : NULL;
}

static inline size_t buf_len(const struct buf *b)
{
    return b->tail - b->head;
}

static inline size_t buf_room(const struct buf *b)
{
    return b->max - buf_len(b);
}

/* 0, or -1 with errno ENOSPC (over max) or ENOMEM; nothing is appended then. */
int buf_append(struct buf *b, const void *data, size_t n_bytes);
/* Contiguous room for n bytes, to be filled and then committed; NULL with errno as buf_append. */
uint8_t *buf_reserve(struct buf *b, size_t n_bytes);
void buf_commit(struct buf *b, size_t n_bytes);
/* Drops n bytes (at most all) from the head. */
void buf_consume(struct buf *b, size_t n_bytes);
/* Forgets the content and, above 64 KiB, the memory. */
void buf_reset(struct buf *b);

#endif
