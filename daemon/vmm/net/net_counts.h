/* What has passed a guest's network of the user's: two numbers in a file of the VM's folder, which
 * banger-net has mapped and whoever wants to know reads. Made anew with each start. */
#ifndef BANGER_DAEMON_VMM_NET_NET_COUNTS_H
#define BANGER_DAEMON_VMM_NET_NET_COUNTS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define NET_COUNTS_FILE "net.counts"

/* Bytes of Ethernet frames, without what carries them. The file is this, in the host's order. */
struct net_counts {
    _Atomic uint64_t from_guest; /* let through, or asked of our resolver */
    _Atomic uint64_t to_guest;
};

/* Where a stream of frames is: qemu sends each behind its length (net_filter.h). */
struct net_tally {
    uint32_t head;    /* what has come of a length */
    uint32_t head_at; /* bytes of it */
    uint32_t left;    /* of the frame under way */
};

/* Mapped to the end of the process. NULL: it cannot be made. */
struct net_counts *net_counts_make(const char *path, struct err *err);
/* How many bytes of frames are in data, the next of the stream. */
uint64_t net_tally(struct net_tally *t, const uint8_t *data, size_t len);

#endif
