/* Frames on the channel between daemon and agent, sans I/O; both ends share this file.
 *
 *   magic u32 | payload length u32 | sequence u32 | payload | trailer u32      (little-endian)
 *
 * A channel such as virtio-serial may lose the tail of what was written before a disconnect, and
 * may deliver older bytes to the next connection; inside one connection it is reliable. So a link
 * starts with a preamble, FRAME_PREAMBLE_BYTES zeros, which completes whatever frame was cut off;
 * its trailer (derived from the sequence number, never zero) then does not match and the reader
 * hunts for the next magic. The first frame behind the preamble is the hello, with sequence number
 * 0; the sequence goes up by one with each frame, and a jump means loss. */
#ifndef BANGER_BASE_FRAME_H
#define BANGER_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 12,
    FRAME_TRAILER_BYTES = 4,
    FRAME_MAX_PAYLOAD_BYTES = 128 * 1024,
    FRAME_MAX_BYTES = FRAME_HEADER_BYTES + FRAME_MAX_PAYLOAD_BYTES + FRAME_TRAILER_BYTES,
    FRAME_PREAMBLE_BYTES = FRAME_MAX_BYTES,
};

/* Writes the header for a payload of len bytes. */
void frame_put_header(uint8_t out[FRAME_HEADER_BYTES], uint32_t len, uint32_t sequence);
void frame_put_trailer(uint8_t out[FRAME_TRAILER_BYTES], uint32_t sequence);

enum frame_found {
    FRAME_MORE,    /* no whole frame yet: *used bytes were garbage and can be dropped */
    FRAME_WHOLE,   /* payload, length and sequence are set; the frame is *used bytes with what was
                      skipped */
    FRAME_GARBAGE, /* a broken frame: *used bytes to drop, then look again */
};

struct frame {
    const uint8_t *payload; /* inside the given data */
    uint32_t len, sequence;
};

/* Looks for the next frame in data; hunts over anything that is not one. */
enum frame_found frame_find(const uint8_t *data, size_t len, struct frame *frame, size_t *used);

#endif
