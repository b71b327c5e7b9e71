/* A place where a test may have the helper stop, to end it there or let it go on (SIGCONT):
 *
 *   BANGER_PRIV_STOP_AT=PATH   a file that says "OPERATION:KIND:before|after", as make:tap:after
 *
 * before: nothing of the request is done; after: all of it, and nobody is told yet. Compiled in
 * only with BANGER_FAULTS; elsewhere the variable means nothing. */
#ifndef BANGER_DAEMON_PRIV_PRIV_STOP_H
#define BANGER_DAEMON_PRIV_PRIV_STOP_H

#include "banger/priv/v1/priv.pb-c.h"

#ifdef BANGER_FAULTS
void priv_stop(Banger__Priv__V1__Operation operation, const char *kind, const char *when);
#else
static inline void priv_stop(Banger__Priv__V1__Operation operation, const char *kind,
                             const char *when)
{
    (void)operation, (void)kind, (void)when;
}
#endif

#endif
