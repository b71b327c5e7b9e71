/* What the helper may do once it serves: least privilege, all in one place. */
#ifndef BANGER_DAEMON_PRIV_PRIV_LIMITS_H
#define BANGER_DAEMON_PRIV_PRIV_LIMITS_H

#include <stdbool.h>

struct err;

/* With what disks need, where it makes any. Keeps the capabilities and system calls that are listed
 * in priv_limits.c, and no way to more. What calls another ends the process, which logs the call's
 * number. */
int priv_limit(bool disks, struct err *err);

#endif
