/* See host_clock.h. A guest that was paused is behind until the daemon, which knows, has told it.
 */
#include "agent/host_clock.h"

#include <stdbool.h>

#include "base/clock.h"

static int64_t ahead_ns; /* of the monotonic clock */
static bool is_set;

int64_t host_clock_ns(void)
{
    return is_set ? clock_mono_ns() + ahead_ns : clock_real_ns();
}

void host_clock_set(uint64_t realtime_ns)
{
    if (realtime_ns == 0 || realtime_ns > INT64_MAX)
        return;
    ahead_ns = (int64_t)realtime_ns - clock_mono_ns();
    is_set = true;
}
