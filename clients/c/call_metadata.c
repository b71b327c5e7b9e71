/* Metadata of calls; see banger/metadata.h. */
#include "call_metadata.h"

#include <string.h>

#include "internal.h"
#include "rpc/wire/call.h"
#include "rpc/wire/outgoing.h"

enum { METADATA_BYTES = 128 << 10 }; /* of what came; what is sent has less: outgoing.h */

void call_metadata_init(struct banger_metadata *m)
{
    metadata_init(&m->entries, METADATA_BYTES);
    m->n = 0;
}

void call_metadata_done(struct banger_metadata *m)
{
    metadata_done(&m->entries);
    m->n = 0;
}

void call_metadata_reset(struct banger_metadata *m)
{
    metadata_reset(&m->entries);
    m->n = 0;
}

static int put(struct banger_metadata *m, const struct rpc_metadata *entry,
               struct banger_error *error)
{
    if (metadata_put(&m->entries, entry->key, strlen(entry->key), entry->value, entry->value_len) <
        0)
        return error_no_memory(error);
    m->n++;
    return 0;
}

/* ---- what is sent ---- */

static int add(struct banger_metadata *m, const char *key, const void *value, size_t len,
               struct banger_error *error)
{
    const struct rpc_metadata entry = {.key = key, .value = value, .value_len = len};
    struct err err = ERR_INIT;
    if (outgoing_check(&entry, &err) < 0) {
        error_of_err(error, &err);
        return -1;
    }
    if (m->n == OUTGOING_MAX || buf_len(&m->entries.entries) + len > OUTGOING_MAX_BYTES)
        return error_set(error, BANGER_RESOURCE_EXHAUSTED,
                         "metadata %s: a call takes %d entries and %d bytes", key, OUTGOING_MAX,
                         OUTGOING_MAX_BYTES);
    return put(m, &entry, error);
}

int banger_metadata_add(struct banger_metadata *metadata, const char *key, const char *value,
                        struct banger_error *error)
{
    if (metadata_is_binary(key, strlen(key)))
        return error_set(error, BANGER_INVALID_ARGUMENT,
                         "metadata %s has bytes, with a length: banger_metadata_add_bytes", key);
    return add(metadata, key, value, strlen(value), error);
}

int banger_metadata_add_bytes(struct banger_metadata *metadata, const char *key, const void *value,
                              size_t len, struct banger_error *error)
{
    if (!metadata_is_binary(key, strlen(key)))
        return error_set(error, BANGER_INVALID_ARGUMENT,
                         "metadata %s is text: the keys of bytes end in \"-bin\"", key);
    return add(metadata, key, value, len, error);
}

void banger_metadata_remove(struct banger_metadata *metadata, const char *key)
{
    if (key)
        metadata->n -= metadata_remove(&metadata->entries, key);
    else
        call_metadata_reset(metadata);
}

int call_metadata_merge(struct banger_metadata *to, const struct banger_metadata *defaults,
                        const struct banger_metadata *own, struct banger_error *error)
{
    struct rpc_metadata entry;
    for (size_t at = 0; metadata_next(&defaults->entries, &at, &entry);)
        if (!banger_metadata_find(own, entry.key, 0, NULL) && put(to, &entry, error) < 0)
            return -1;
    for (size_t at = 0; own && metadata_next(&own->entries, &at, &entry);)
        if (put(to, &entry, error) < 0)
            return -1;
    if (to->n <= OUTGOING_MAX)
        return 0;
    return error_set(error, BANGER_RESOURCE_EXHAUSTED,
                     "%zu metadata entries, the client's included: a call takes %d", to->n,
                     OUTGOING_MAX);
}

size_t call_metadata_list(const struct banger_metadata *m, struct rpc_metadata *list)
{
    size_t n = 0;
    for (size_t at = 0; n < OUTGOING_MAX && metadata_next(&m->entries, &at, &list[n]);)
        n++;
    return n;
}

/* ---- what came ---- */

/* Between the two runtimes only; the status's details are for everyone. */
static bool is_of_grpc(const char *key)
{
    return strncmp(key, "grpc-", 5) == 0 && strcmp(key, "grpc-status-details-bin") != 0;
}

int call_metadata_take(struct banger_metadata *to, const struct rpc_call *call,
                       bool (*next)(const struct rpc_call *, size_t *, struct rpc_metadata *))
{
    struct rpc_metadata entry;
    call_metadata_reset(to);
    for (size_t at = 0; next(call, &at, &entry);)
        if (!is_of_grpc(entry.key) && put(to, &entry, NULL) < 0)
            return -1;
    return 0;
}

size_t banger_metadata_count(const struct banger_metadata *metadata)
{
    return metadata ? metadata->n : 0;
}

bool banger_metadata_entry(const struct banger_metadata *metadata, size_t i, const char **key,
                           const char **value, size_t *len)
{
    struct rpc_metadata entry;
    size_t at = 0;
    if (i >= banger_metadata_count(metadata))
        return false;
    do
        (void)metadata_next(&metadata->entries, &at, &entry);
    while (i-- > 0);
    *key = entry.key;
    *value = entry.value;
    if (len)
        *len = entry.value_len;
    return true;
}

const char *banger_metadata_find(const struct banger_metadata *metadata, const char *key, size_t i,
                                 size_t *len)
{
    struct rpc_metadata entry;
    for (size_t at = 0; metadata && metadata_next(&metadata->entries, &at, &entry);) {
        if (strcmp(entry.key, key) != 0 || i-- > 0)
            continue;
        if (len)
            *len = entry.value_len;
        return entry.value;
    }
    return NULL;
}
