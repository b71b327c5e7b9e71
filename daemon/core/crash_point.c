/* Fault injection by environment; see crash_point.h. */
#include "daemon/core/crash_point.h"

#ifdef BANGER_FAULTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

void crash_point(const char *kind, const char *step, const char *when, bool undo)
{
    const char *at = getenv("BANGER_CRASH_AT");
    if (!at)
        return;
    char here[160];
    snprintf(here, sizeof(here), "%s:%s:%s%s", kind, step, when, undo ? ":undo" : "");
    if (strcmp(at, here) != 0)
        return;
    log_warn(NULL, "ending here as BANGER_CRASH_AT asks: %s", here);
    kill(getpid(), SIGKILL);
    pause(); /* the signal is on its way */
}

bool crash_point_fails(const char *kind, const char *step)
{
    const char *at = getenv("BANGER_FAIL_AT");
    if (!at)
        return false;
    char here[128];
    snprintf(here, sizeof(here), "%s:%s", kind, step);
    return strcmp(at, here) == 0;
}

#else

/* A translation unit must not be empty. */
extern const int crash_point_absent;
const int crash_point_absent = 1;

#endif
