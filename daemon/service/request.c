/* What services have in common; see request.h. */
#include "daemon/service/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/access/access.h"
#include "daemon/core/vm/vm.h"
#include "daemon/host/digest.h"

static int digest_message(char digest[DIGEST_BYTES], const ProtobufCMessage *message,
                          struct err *err)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    auto_free uint8_t *packed = malloc(n ? n : 1);
    if (!packed)
        return err_set(err, ERR_LIMIT, "out of memory");
    protobuf_c_message_pack(message, packed);
    return digest_bytes(packed, n, digest, err);
}

int request_meta_fill(struct request_meta *meta, struct core *core, struct rpc_call *call,
                      const ProtobufCMessage *request, const char *request_id, struct err *err)
{
    memset(meta, 0, sizeof(*meta));
    if (strlen(request_id) >= sizeof(meta->request_id))
        return err_set(err, ERR_INVALID, "request_id is longer than %zu characters",
                       sizeof(meta->request_id) - 1);
    for (const char *c = request_id; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(err, ERR_INVALID, "request_id must be printable ASCII without spaces");
    snprintf(meta->request_id, sizeof(meta->request_id), "%s", request_id);
    snprintf(meta->principal, sizeof(meta->principal), "%s", rpc_call_peer(call)->principal);
    meta->scope = request_scope(core, call);
    return *request_id ? digest_message(meta->digest, request, err) : 0;
}

const struct labels *request_scope(const struct core *core, const struct rpc_call *call)
{
    return access_scope(core, rpc_call_peer(call));
}

struct vm_entry *request_find_vm(struct core *core, struct rpc_call *call, const char *ref)
{
    struct err err = ERR_INIT;
    struct vm_entry *e = vm_find_within(core, request_scope(core, call), ref, &err);
    if (!e)
        rpc_call_finish(call, &err);
    return e;
}

struct operation_entry *request_find_operation(struct core *core, struct rpc_call *call,
                                               const char *ref)
{
    struct err err = ERR_INIT;
    struct operation_entry *op = operation_find_within(core, request_scope(core, call),
                                                       rpc_call_peer(call)->principal, ref, &err);
    if (!op)
        rpc_call_finish(call, &err);
    return op;
}

int request_copy(char *to, size_t to_bytes, const char *from, const char *field, struct err *err)
{
    size_t n = strlen(from);
    if (n >= to_bytes)
        return err_set(err, ERR_INVALID, "%s is %zu bytes long, at most %zu are allowed", field, n,
                       to_bytes - 1);
    memcpy(to, from, n + 1);
    return 0;
}

/* Texts that fit, and no more of them than a thing can have. */
static int copy_labels(struct labels *labels, Banger__V1__Label *const *from, size_t n,
                       struct err *err)
{
    labels->n = 0;
    if (n > LABELS_MAX)
        return err_set(err, ERR_INVALID, "%zu labels, at most %d are allowed", n, LABELS_MAX);
    for (; labels->n < n; labels->n++) {
        struct label *l = &labels->at[labels->n];
        const Banger__V1__Label *given = from[labels->n];
        if (request_copy(l->key, sizeof(l->key), given->key, "label key", err) < 0 ||
            request_copy(l->value, sizeof(l->value), given->value, "label value", err) < 0)
            return -1;
    }
    return 0;
}

int request_labels(struct labels *labels, Banger__V1__Label *const *from, size_t n, struct err *err)
{
    return copy_labels(labels, from, n, err) < 0 ? -1 : labels_check(labels, err);
}

int request_selector(struct labels *selector, const Banger__V1__LabelSelector *from,
                     struct err *err)
{
    return copy_labels(selector, from ? from->match : NULL, from ? from->n_match : 0, err);
}

int request_time(int64_t *unix_ns, const Google__Protobuf__Timestamp *from, const char *field,
                 struct err *err)
{
    enum { NANOS = 1000000000 };
    *unix_ns = 0;
    if (!from)
        return 0;
    bool right = from->seconds >= 0 && from->seconds < INT64_MAX / NANOS && from->nanos >= 0 &&
                 from->nanos < NANOS && (from->seconds > 0 || from->nanos > 0);
    if (!right)
        return err_set(err, ERR_INVALID, "%s is no time after 1970", field);
    *unix_ns = from->seconds * NANOS + from->nanos;
    return 0;
}

int request_states(uint32_t *set, const void *states, size_t n, int last, struct err *err)
{
    *set = n ? 0 : UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        int state; /* protobuf-c's enums have the size of int and, with these, no sign */
        memcpy(&state, (const char *)states + i * sizeof(state), sizeof(state));
        if (state < 1 || state > last)
            return err_set(err, ERR_INVALID, "state %d is none; use 1 to %d", state, last);
        *set |= UINT32_C(1) << state;
    }
    return 0;
}
