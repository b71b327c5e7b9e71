/* The banger.v1.policy option of a method (proto/banger/v1/options.proto), read from the raw bytes
 * in which a plugin gets extensions it was not compiled with: so the plugin builds without
 * gen/banger. */
#ifndef BANGER_RPC_STUBGEN_POLICY_H
#define BANGER_RPC_STUBGEN_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/stubgen/schema.h"

enum { POLICY_KIND_BYTES = 32 };

struct policy {
    uint32_t role; /* 0: not given */
    bool idempotent, host_wide;
    uint32_t effect;
    uint32_t default_deadline_ms, max_request_bytes, max_response_bytes;
    bool planned, sign_of_life;
    char resource_kind[POLICY_KIND_BYTES]; /* "": not given */
};

/* 0, or -1 when the option's bytes are not a MethodPolicy. All zero without the option. */
int policy_read(struct policy *policy, const proto_method *method);
bool policy_is_read(const struct policy *policy);
/* RPC_ROLE_OPERATOR and so on; NULL for what is no role. */
const char *policy_role_name(uint32_t role);
/* RPC_EFFECT_CHANGE and so on; NULL for what is no effect. */
const char *policy_effect_name(uint32_t effect);

#endif
