/* Whether guests can have taps on this host, and whether these lead anywhere: for doctor. */
#ifndef BANGER_DAEMON_HOST_TAP_CHECK_H
#define BANGER_DAEMON_HOST_TAP_CHECK_H

#include <stdbool.h>

struct tap_check {
    bool usable;
    char why_not[256]; /* "" where they are */
    bool forwards;     /* net.ipv4.ip_forward is on */
    char dropped[256]; /* whose firewall drops what they send; "": nobody's, or not known */
    char managed[96];  /* who else sets up our taps, and one of these; "": nobody */
    bool full;         /* the kernel has hardly room for another connection */
};

/* Asks the helper; names: also of what is in the way of guests' questions. Blocks: on a worker. */
void tap_check_gather(struct tap_check *t, bool names);

#endif
