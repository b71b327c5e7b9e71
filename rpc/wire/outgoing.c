/* Metadata on its way out; see outgoing.h. */
#include "rpc/wire/outgoing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "rpc/wire/alive.h"
#include "base/base64.h"
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

/* Of the rest of HTTP's, and of ours, a second one would change what the call means. */
static bool key_is_taken(const char *key)
{
    static const char *const taken[] = {"content-type",      "te",         "user-agent",
                                        "content-length",    "connection", "keep-alive",
                                        "transfer-encoding", "upgrade",    "host",
                                        "proxy-connection",  ALIVE_HEADER};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(key, taken[i]) == 0)
            return true;
    return key[0] == ':' || strncmp(key, "grpc-", 5) == 0;
}

/* PROTOCOL-HTTP2.md, "Custom-Metadata". */
static int check_key(const char *key, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t len = strlen(key), good = strspn(key, allowed);
    if (key_is_taken(key))
        return err_set(err, ERR_INVALID,
                       "metadata key \"%.64s\" is HTTP's or gRPC's own, as all of grpc-… are", key);
    if (len > 0 && good == len)
        return 0;
    return err_set(err, ERR_INVALID, "bad metadata key \"%.64s\": %s", key,
                   key[good] >= 'A' && key[good] <= 'Z'
                       ? "keys are in lower case"
                       : "it may have a-z, 0-9, \"_\", \"-\" and \".\"");
}

static bool is_printable(const uint8_t *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (value[i] < 0x20 || value[i] > 0x7e)
            return false;
    return true;
}

int outgoing_check(const struct rpc_metadata *m, struct err *err)
{
    size_t key_len = strlen(m->key), value_len = m->value_len;
    const uint8_t *value = (const uint8_t *)m->value;
    if (m->value_len > OUTGOING_MAX_BYTES || key_len > OUTGOING_MAX_BYTES)
        return err_set(err, ERR_INVALID, "metadata %.64s is too long", m->key);
    if (check_key(m->key, err) < 0)
        return -1;
    metadata_trim(&value, &value_len);
    if (!metadata_is_binary(m->key, key_len) && !is_printable(value, value_len))
        return err_set(err, ERR_INVALID,
                       "the value of metadata %.64s is not printable ASCII: other bytes take a key "
                       "that ends in -bin",
                       m->key);
    return 0;
}

static int outgoing_add_one(struct outgoing *o, const struct rpc_metadata *m, struct err *err)
{
    const uint8_t *value = (const uint8_t *)m->value;
    size_t value_len = m->value_len;
    if (outgoing_check(m, err) < 0)
        return -1;
    size_t key_len = strlen(m->key);
    bool binary = metadata_is_binary(m->key, key_len);
    if (!binary)
        metadata_trim(&value, &value_len);
    struct entry e = {(uint32_t)key_len, (uint32_t)value_len};
    if (binary)
        e.value_len = (uint32_t)base64_encoded_bytes(value_len);
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
