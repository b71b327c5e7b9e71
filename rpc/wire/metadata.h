/* Headers and trailers of a call that are neither HTTP/2's nor gRPC's own; "-bin" values decoded.
 */
#ifndef BANGER_RPC_WIRE_METADATA_H
#define BANGER_RPC_WIRE_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct rpc_metadata;

struct metadata {
    struct buf entries; /* {u32 key length, u32 value length, key, NUL, value, NUL}… */
};

void metadata_init(struct metadata *m, size_t max_bytes);
void metadata_done(struct metadata *m);
void metadata_reset(struct metadata *m);
/* True for a key whose value travels in base 64. */
bool metadata_is_binary(const char *key, size_t key_len);
/* Takes the blanks off a value's ends, which gRPC does not count as part of it. */
static inline void metadata_trim(const uint8_t **value, size_t *len)
{
    while (*len > 0 && (**value == ' ' || **value == '\t')) {
        ++*value;
        --*len;
    }
    while (*len > 0 && ((*value)[*len - 1] == ' ' || (*value)[*len - 1] == '\t'))
        --*len;
}
/* As it came: "-bin" values are decoded, and those that were joined by commas are several again. 0;
 * -1 with errno ENOSPC, ENOMEM, or EINVAL for a "-bin" value that is no base 64. */
int metadata_add(struct metadata *m, const uint8_t *key, size_t key_len, const uint8_t *value,
                 size_t value_len);
/* As it is. 0; -1 with errno ENOSPC or ENOMEM. */
int metadata_put(struct metadata *m, const void *key, size_t key_len, const void *value,
                 size_t value_len);
/* One after the other, as they were added; *at is 0 at first. False at the end. Key and value are
 * NUL-terminated, and stay until m changes. */
bool metadata_next(const struct metadata *m, size_t *at, struct rpc_metadata *entry);
/* Takes away all values of a key; how many they were. */
size_t metadata_remove(struct metadata *m, const char *key);
/* First value (NUL-terminated) or NULL. */
const char *metadata_find(const struct metadata *m, const char *key, size_t *len);

#endif
