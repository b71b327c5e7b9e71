/* Method options; see policy.h. */
#include "rpc/stubgen/policy.h"

#include <ctype.h>
#include <stddef.h>

enum { POLICY_EXTENSION = 50501 }; /* of google.protobuf.MethodOptions */

/* Names of rpc/wire/method.h by value. */
static const char *const roles[] = {
    [1] = "RPC_ROLE_ANYONE", [2] = "RPC_ROLE_VIEWER", [3] = "RPC_ROLE_OPERATOR",
    [4] = "RPC_ROLE_ADMIN",  [5] = "RPC_ROLE_FLEET",
};

const char *policy_role_name(uint32_t role)
{
    return role < sizeof(roles) / sizeof(roles[0]) ? roles[role] : NULL;
}

static const char *const effects[] = {
    [0] = "RPC_EFFECT_CHANGE",
    [1] = "RPC_EFFECT_CHANGE",
    [2] = "RPC_EFFECT_READ",
    [3] = "RPC_EFFECT_FREE",
};

const char *policy_effect_name(uint32_t effect)
{
    return effect < sizeof(effects) / sizeof(effects[0]) ? effects[effect] : NULL;
}

enum { EFFECT_READ = 2 };

bool policy_is_read(const struct policy *policy)
{
    return policy->effect == EFFECT_READ;
}

struct bytes {
    const uint8_t *at, *end;
};

static int policy_varint(struct bytes *in, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end)
            return -1;
        uint8_t byte = *in->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return 0;
    }
    return -1;
}

enum { TAG_RESOURCE_KIND = 10 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED };

/* A word of small letters, which goes into C as it is. */
static int policy_kind(struct policy *policy, struct bytes *in)
{
    uint64_t len;
    if (policy_varint(in, &len) < 0 || len > (uint64_t)(in->end - in->at) ||
        len >= sizeof(policy->resource_kind))
        return -1;
    for (uint64_t i = 0; i < len; i++)
        if (!islower(policy->resource_kind[i] = (char)in->at[i]))
            return -1;
    policy->resource_kind[len] = '\0';
    in->at += len;
    return 0;
}

static int policy_message(struct policy *policy, struct bytes in)
{
    while (in.at < in.end) {
        uint64_t tag, value;
        if (policy_varint(&in, &tag) < 0)
            return -1;
        if (tag == TAG_RESOURCE_KIND) {
            if (policy_kind(policy, &in) < 0)
                return -1;
            continue;
        }
        if ((tag & 7) != 0 || policy_varint(&in, &value) < 0)
            return -1;
        uint32_t v = (uint32_t)value;
        switch (tag >> 3) {
        case 1:
            policy->role = v;
            break;
        case 2:
            policy->idempotent = v != 0;
            break;
        case 3:
            policy->default_deadline_ms = v;
            break;
        case 4:
            policy->max_request_bytes = v;
            break;
        case 5:
            policy->max_response_bytes = v;
            break;
        case 6:
            policy->host_wide = v != 0;
            break;
        case 7:
            policy->effect = v;
            break;
        case 8:
            policy->planned = v != 0;
            break;
        case 9:
            policy->sign_of_life = v != 0;
            break;
        default:
            return -1; /* a newer options.proto: teach struct policy first */
        }
    }
    return 0;
}

int policy_read(struct policy *policy, const proto_method *method)
{
    *policy = (struct policy){.role = 0};
    if (!method->options)
        return 0;
    const ProtobufCMessage *options = &method->options->base;
    for (size_t i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *f = &options->unknown_fields[i];
        if (f->tag != POLICY_EXTENSION)
            continue;
        /* The data of an unknown length-delimited field starts with its length. */
        struct bytes in = {f->data, f->data + f->len};
        uint64_t len;
        if (f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED || policy_varint(&in, &len) < 0 ||
            len != (uint64_t)(in.end - in.at) || policy_message(policy, in) < 0)
            return -1;
    }
    return 0;
}
