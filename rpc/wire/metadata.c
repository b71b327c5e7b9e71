/* Metadata of a call; see metadata.h. */
#include "rpc/wire/metadata.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "rpc/wire/call.h"

struct entry {
    uint32_t key_len, value_len;
};

void metadata_init(struct metadata *m, size_t max_bytes)
{
    buf_init(&m->entries, max_bytes);
}

void metadata_done(struct metadata *m)
{
    buf_done(&m->entries);
}

void metadata_reset(struct metadata *m)
{
    buf_reset(&m->entries);
}

bool metadata_is_binary(const char *key, size_t key_len)
{
    return key_len >= 4 && memcmp(key + key_len - 4, "-bin", 4) == 0;
}

/* Room for a value of at most so many bytes, behind its key; NULL with errno. */
static uint8_t *entry_begin(struct metadata *m, const void *key, size_t key_len, size_t value_max)
{
    if (key_len > UINT32_MAX / 2 || value_max > UINT32_MAX / 2) {
        errno = ENOSPC;
        return NULL;
    }
    uint8_t *at = buf_reserve(&m->entries, sizeof(struct entry) + key_len + value_max + 2);
    if (!at)
        return NULL;
    at += sizeof(struct entry);
    memcpy(at, key, key_len);
    at[key_len] = '\0';
    return at + key_len + 1;
}

static void entry_end(struct metadata *m, uint8_t *value, size_t key_len, size_t value_len)
{
    struct entry e = {(uint32_t)key_len, (uint32_t)value_len};
    value[value_len] = '\0';
    memcpy(value - key_len - 1 - sizeof(e), &e, sizeof(e));
    buf_commit(&m->entries, sizeof(e) + key_len + value_len + 2);
}

int metadata_put(struct metadata *m, const void *key, size_t key_len, const void *value,
                 size_t value_len)
{
    uint8_t *at = entry_begin(m, key, key_len, value_len);
    if (!at)
        return -1;
    if (value_len)
        memcpy(at, value, value_len);
    entry_end(m, at, key_len, value_len);
    return 0;
}

/* Values that were joined by commas are several again. */
static int add_binary(struct metadata *m, const uint8_t *key, size_t key_len, const char *value,
                      size_t value_len)
{
    size_t tail = buf_len(&m->entries);
    for (const char *end = value + value_len;; value++) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        size_t n = comma ? (size_t)(comma - value) : (size_t)(end - value);
        const uint8_t *part = (const uint8_t *)value;
        value += n;
        metadata_trim(&part, &n);
        uint8_t *at = entry_begin(m, key, key_len, n);
        ssize_t decoded = at ? base64_decode(at, n, (const char *)part, n) : 0;
        if (!at || decoded < 0) {
            errno = at ? EINVAL : errno;
            m->entries.tail = m->entries.head + tail;
            return -1;
        }
        entry_end(m, at, key_len, (size_t)decoded);
        if (!comma)
            return 0;
    }
}

int metadata_add(struct metadata *m, const uint8_t *key, size_t key_len, const uint8_t *value,
                 size_t value_len)
{
    if (metadata_is_binary((const char *)key, key_len))
        return add_binary(m, key, key_len, value_len ? (const char *)value : "", value_len);
    return metadata_put(m, key, key_len, value, value_len);
}

bool metadata_next(const struct metadata *m, size_t *at, struct rpc_metadata *entry)
{
    struct entry e;
    if (*at >= buf_len(&m->entries))
        return false;
    const uint8_t *from = buf_data(&m->entries) + *at;
    memcpy(&e, from, sizeof(e));
    entry->key = (const char *)from + sizeof(e);
    entry->value = entry->key + e.key_len + 1;
    entry->value_len = e.value_len;
    *at += sizeof(e) + (size_t)e.key_len + e.value_len + 2;
    return true;
}

size_t metadata_remove(struct metadata *m, const char *key)
{
    struct rpc_metadata entry;
    size_t n = 0, from = 0;
    for (size_t at = 0; metadata_next(m, &at, &entry); from = at) {
        if (strcmp(entry.key, key) != 0)
            continue;
        uint8_t *data = m->entries.block + m->entries.head;
        memmove(data + from, data + at, buf_len(&m->entries) - at);
        m->entries.tail -= at - from;
        at = from;
        n++;
    }
    return n;
}

const char *metadata_find(const struct metadata *m, const char *key, size_t *len)
{
    struct rpc_metadata entry;
    for (size_t at = 0; metadata_next(m, &at, &entry);) {
        if (strcmp(entry.key, key) != 0)
            continue;
        if (len)
            *len = entry.value_len;
        return entry.value;
    }
    return NULL;
}
