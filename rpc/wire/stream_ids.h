/* What a server remembers of streams that nghttp2 has forgotten, to tell frames that may still be
 * under way from those that break the protocol (RFC 9113 5.1 and 5.1.1). A few words per connection
 * instead of nghttp2's own list of closed streams. */
#ifndef BANGER_RPC_WIRE_STREAM_IDS_H
#define BANGER_RPC_WIRE_STREAM_IDS_H

#include <stdint.h>

enum { STREAM_IDS_KEPT = 16 };

struct stream_ids {
    int32_t last;                   /* highest id seen */
    int32_t skipped_from;           /* the ids from here … */
    int32_t skipped_to;             /* … to below here were passed over last */
    int32_t ended[STREAM_IDS_KEPT]; /* last ones that the peer ended and that are closed */
    unsigned n_ended;
};

/* Frames of a stream that nghttp2 does not have. 0: none of our business; else the HTTP/2 error
 * code to end the connection with. */
uint32_t stream_ids_check(struct stream_ids *ids, int32_t id, uint8_t frame_type);
/* The stream is closed, and the peer had said that nothing more comes. */
void stream_ids_ended(struct stream_ids *ids, int32_t id);

#endif
