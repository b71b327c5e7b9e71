/* Metadata on its way out; see outgoing.h. */
#include "rpc/wire/outgoing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/base64.h"
#include "rpc/wire/metadata.h"

struct entry {
    uint32_t key_len, value_len;
};

void outgoing_init(struct outgoing *o)
{
    buf_init(&o->entries, OUTGOING_MAX_BYTES);
    o->n = 0;
}

void outgoing_done(struct outgoing *o)
{
    buf_done(&o->entries);
    o->n = 0;
}

/* Keys that are gRPC's or HTTP's own would change what the call means. */
static bool key_is_allowed(const char *key)
{
    static const char *const own[] = {"content-type", "te", "user-agent"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcmp(key, own[i]) == 0)
            return false;
    return key[0] != ':' && strncmp(key, "grpc-", 5) != 0 &&
           nghttp2_check_header_name((const uint8_t *)key, strlen(key));
}

static int outgoing_add_one(struct outgoing *o, const struct rpc_metadata *m, struct err *err)
{
    const uint8_t *value = (const uint8_t *)m->value;
    size_t value_len = m->value_len, key_len = strlen(m->key);
    bool binary = metadata_is_binary(m->key, key_len);
    if (!binary)
        metadata_trim(&value, &value_len);
    struct entry e = {(uint32_t)key_len, (uint32_t)value_len};
    if (value_len > OUTGOING_MAX_BYTES || key_len > OUTGOING_MAX_BYTES)
        return err_set(err, ERR_INVALID, "metadata %.64s is too long", m->key);
    if (!key_is_allowed(m->key))
        return err_set(err, ERR_INVALID, "bad metadata key \"%.64s\"", m->key);
    if (binary)
        e.value_len = (uint32_t)base64_encoded_bytes(value_len);
    else if (!nghttp2_check_header_value_rfc9113(value, value_len))
        return err_set(err, ERR_INVALID, "the value of metadata %s is not printable", m->key);
    uint8_t *at = buf_reserve(&o->entries, sizeof(e) + e.key_len + e.value_len);
    if (!at)
        return err_set(err, ERR_LIMIT,
                       errno == ENOMEM ? "out of memory for metadata" : "too much metadata");
    memcpy(at, &e, sizeof(e));
    memcpy(at + sizeof(e), m->key, e.key_len);
    if (binary)
        base64_encode((char *)at + sizeof(e) + e.key_len, value, value_len);
    else if (e.value_len)
        memcpy(at + sizeof(e) + e.key_len, value, e.value_len);
    buf_commit(&o->entries, sizeof(e) + e.key_len + e.value_len);
    o->n++;
    return 0;
}

int outgoing_add(struct outgoing *o, const struct rpc_metadata *metadata, size_t n, struct err *err)
{
    size_t tail = buf_len(&o->entries), n_before = o->n;
    if (n > OUTGOING_MAX - o->n)
        return err_set(err, ERR_INVALID, "more than %d metadata entries", OUTGOING_MAX);
    for (size_t i = 0; i < n; i++) {
        if (outgoing_add_one(o, &metadata[i], err) == 0)
            continue;
        o->entries.tail = o->entries.head + tail;
        o->n = n_before;
        return -1;
    }
    return 0;
}

size_t outgoing_put(const struct outgoing *o, nghttp2_nv *to)
{
    const uint8_t *at = buf_data(&o->entries);
    for (size_t i = 0; i < o->n; i++) {
        struct entry e;
        memcpy(&e, at, sizeof(e));
        uint8_t *key = (uint8_t *)(uintptr_t)(at + sizeof(e));
        to[i] = (nghttp2_nv){key, key + e.key_len, e.key_len, e.value_len, NGHTTP2_NV_FLAG_NONE};
        at += sizeof(e) + e.key_len + e.value_len;
    }
    return o->n;
}
