/* See guest_records.h. */
#include "daemon/core/session/guest_records.h"

uint32_t guest_records_take(struct guest_records *r, const uint8_t *data, uint32_t len,
                            enum guest_record *what)
{
    *what = r->left > 0 ? GUEST_RECORD_DATA : GUEST_RECORD_PART;
    if (r->left > 0) {
        uint32_t n = len < r->left ? len : r->left;
        r->left -= n;
        return n;
    }
    r->length[r->n_length++] = *data;
    if (r->n_length < GUEST_RECORD_LENGTH_BYTES)
        return 1;
    r->n_length = 0;
    for (unsigned i = 0; i < GUEST_RECORD_LENGTH_BYTES; i++)
        r->left = r->left << 8 | r->length[i];
    if (r->left > 0)
        return 1;
    *what = r->opened ? GUEST_RECORD_END : GUEST_RECORD_OPENED;
    r->opened = true;
    return 1;
}
