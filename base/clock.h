/* Clocks. Deadlines and intervals use the monotonic one, records the real one. */
#ifndef BANGER_BASE_CLOCK_H
#define BANGER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clock_mono_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static inline int64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline int64_t clock_real_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

#endif
