/* Byte queue with a hard maximum; see buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 256, KEEP_BYTES = 64 * 1024 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    free(b->block);
    *b = (struct buf){.max = b->max};
}

uint8_t *buf_reserve(struct buf *b, size_t n_bytes)
{
    if (n_bytes > buf_room(b)) {
        errno = ENOSPC;
        return NULL;
    }
    if (b->block && n_bytes <= b->cap - b->tail)
        return b->block + b->tail;
    size_t len = buf_len(b);
    if (b->block && n_bytes <= b->cap - len && b->head >= len) {
        memcpy(b->block, b->block + b->head, len);
    } else {
        size_t cap = b->cap ? b->cap : FIRST_BLOCK_BYTES;
        while (cap < len + n_bytes)
            cap = cap > SIZE_MAX / 2 ? len + n_bytes : cap * 2;
        /* realloc may grow a large block where it is, or move it without touching its bytes. */
        uint8_t *block = b->head == 0 ? realloc(b->block, cap) : malloc(cap);
        if (!block) {
            errno = ENOMEM;
            return NULL;
        }
        if (b->head > 0) {
            memcpy(block, b->block + b->head, len);
            free(b->block);
        }
        b->block = block;
        b->cap = cap;
    }
    b->head = 0;
    b->tail = len;
    return b->block + b->tail;
}

void buf_commit(struct buf *b, size_t n_bytes)
{
    b->tail += n_bytes;
}

int buf_append(struct buf *b, const void *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    uint8_t *room = buf_reserve(b, n_bytes);
    if (!room)
        return -1;
    memcpy(room, data, n_bytes);
    buf_commit(b, n_bytes);
    return 0;
}

void buf_consume(struct buf *b, size_t n_bytes)
{
    size_t len = buf_len(b);
    if (n_bytes >= len)
        buf_reset(b);
    else
        b->head += n_bytes;
}

void buf_reset(struct buf *b)
{
    b->head = b->tail = 0;
    if (b->cap > KEEP_BYTES) {
        free(b->block);
        b->block = NULL;
        b->cap = 0;
    }
}
