/* Places where a test may end the daemon, or make a step fail, to see that it recovers.
 *
 *   BANGER_CRASH_AT="KIND:STEP:before|journaled|after[:undo]"   SIGKILL to itself there
 *   BANGER_FAIL_AT="KIND:STEP"                                  that step fails instead of running
 *
 * STEP "end" is the operation's last commit (before, after). KIND is "reconcile" or "garbage" as
 * well; STEP is then the kind of host object that is removed, or adopt, sweep or resume (after).
 * Compiled in only with BANGER_FAULTS, which the presets for tests turn on; elsewhere the variables
 * mean nothing.
 */
#ifndef BANGER_DAEMON_CORE_CRASH_POINT_H
#define BANGER_DAEMON_CORE_CRASH_POINT_H

#include <stdbool.h>

#ifdef BANGER_FAULTS
void crash_point(const char *kind, const char *step, const char *when, bool undo);
bool crash_point_fails(const char *kind, const char *step);
#else
static inline void crash_point(const char *kind, const char *step, const char *when, bool undo)
{
    (void)kind, (void)step, (void)when, (void)undo;
}
static inline bool crash_point_fails(const char *kind, const char *step)
{
    (void)kind, (void)step;
    return false;
}
#endif

#endif
