/* What of this host is in the way of guests with taps, and the mending of it. A check changes
 * nothing; only root, by the command line of banger-priv, has something changed. */
#ifndef BANGER_DAEMON_PRIV_PRIV_DOCTOR_H
#define BANGER_DAEMON_PRIV_PRIV_DOCTOR_H

#include <stdbool.h>

/* Prints what is in the way, one a line, and with fix what was done and how that is undone. 0:
 * nothing is in the way (any more). Before privileges are dropped. */
int priv_doctor(bool fix);

#endif
