/* Message bytes to the checked decoder: what the walk lets through must unpack within the budget,
 * and pack again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "rpc/wire/call.h"
#include "rpc/wire/message.h"
#include "tests/support/echo_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct message_limits limits = {1 << 20, MESSAGE_MAX_DEPTH};
    struct message_cache cache = {0};
    struct err err;
    size_t need;
    const ProtobufCMessageDescriptor *type = &banger__test__v1__echo_request__descriptor;
    int rc = message_check(type, data, size, &limits, &need, &err);
    ProtobufCMessage *m = message_decode(type, data, size, &limits, &cache, &err);
    if (rc < 0 && m)
        abort();
    if (m) {
        size_t n = protobuf_c_message_get_packed_size(m);
        uint8_t *packed = malloc(n + 1);
        if (packed && protobuf_c_message_pack(m, packed) != n)
            abort();
        free(packed);
    }
    message_recycle(&cache, m);
    message_cache_done(&cache);
    return 0;
}
