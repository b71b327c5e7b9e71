/* Metadata of a call; see metadata.h. */
#include "rpc/wire/metadata.h"

#include <errno.h>
#include <string.h>

#include "rpc/wire/base64.h"

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

int metadata_add(struct metadata *m, const uint8_t *key, size_t key_len, const uint8_t *value,
                 size_t value_len)
{
    if (key_len > UINT32_MAX / 2 || value_len > UINT32_MAX / 2) {
        errno = ENOSPC;
        return -1;
    }
    uint8_t *at = buf_reserve(&m->entries, sizeof(struct entry) + key_len + value_len + 2);
    if (!at)
        return -1;
    uint8_t *key_at = at + sizeof(struct entry), *value_at = key_at + key_len + 1;
    if (metadata_is_binary((const char *)key, key_len)) {
        /* Several values may be joined by commas; the first is the one that counts. */
        const uint8_t *comma = memchr(value, ',', value_len);
        ssize_t n = base64_decode(value_at, (const char *)value,
                                  comma ? (size_t)(comma - value) : value_len);
        if (n < 0) {
            errno = EINVAL;
            return -1;
        }
        value_len = (size_t)n;
    } else if (value_len) {
        memcpy(value_at, value, value_len);
    }
    struct entry e = {(uint32_t)key_len, (uint32_t)value_len};
    memcpy(at, &e, sizeof(e));
    memcpy(key_at, key, key_len);
    key_at[key_len] = value_at[value_len] = '\0';
    buf_commit(&m->entries, sizeof(e) + key_len + value_len + 2);
    return 0;
}

const char *metadata_find(const struct metadata *m, const char *key, size_t *len)
{
    const uint8_t *at = buf_data(&m->entries);
    size_t left = buf_len(&m->entries), want = strlen(key);
    while (left > 0) {
        struct entry e;
        memcpy(&e, at, sizeof(e));
        const char *found = (const char *)at + sizeof(e);
        if (e.key_len == want && memcmp(found, key, want) == 0) {
            if (len)
                *len = e.value_len;
            return found + want + 1;
        }
        size_t size = sizeof(e) + (size_t)e.key_len + e.value_len + 2;
        at += size;
        left -= size;
    }
    return NULL;
}
