/* Groups; see pbwire.h. */
#include "rpc/wire/pbwire.h"

enum { PB_GROUP_END = 4, MAX_DEPTH = 32 };

size_t pb_group(const uint8_t *at, const uint8_t *end, uint32_t id)
{
    uint32_t open[MAX_DEPTH] = {id};
    unsigned depth = 1;
    struct pb_reader r = {at, end};
    while (depth > 0) {
        uint64_t tag;
        struct pb_field f;
        size_t n = pb_varint(r.at, end, &tag);
        bool inner = n > 0 && (tag & 7) == PB_GROUP;
        if (n == 0 || n > PB_TAG_BYTES || tag > UINT32_MAX || (inner && depth == MAX_DEPTH))
            return 0;
        if (inner) {
            open[depth++] = (uint32_t)(tag >> 3);
            r.at += n;
        } else if ((tag & 7) == PB_GROUP_END) {
            if (open[--depth] != tag >> 3)
                return 0;
            r.at += n;
        } else if (!pb_next(&r, &f)) {
            return 0;
        }
    }
    return (size_t)(r.at - at);
}
