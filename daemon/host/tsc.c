/* TSC frequency against CLOCK_MONOTONIC_RAW; see tsc.h.
 *
 * A pair (counter, clock) is only as good as the time between its two readings, so each end of the
 * interval takes the tightest of several pairs: some 50 ns of error in 50 ms, 1 ppm. */
#include "daemon/host/tsc.h"

#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>

enum { TSC_INTERVAL_NS = 50 * 1000 * 1000, TSC_TRIES = 16 };

struct tsc_pair {
    uint64_t ticks;
    int64_t ns;
};

static struct tsc_pair tsc_sample(void)
{
    struct tsc_pair best = {0, 0};
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < TSC_TRIES; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = clock_ns(CLOCK_MONOTONIC_RAW);
        uint64_t after = __rdtsc();
        if (after - before >= narrowest)
            continue;
        narrowest = after - before;
        best = (struct tsc_pair){before + narrowest / 2, ns};
    }
    return best;
}

static uint32_t tsc_measure(void)
{
    struct tsc_pair start = tsc_sample();
    struct timespec rest = {.tv_nsec = TSC_INTERVAL_NS};
    nanosleep(&rest, NULL); /* cut short by a signal: a little less exact */
    struct tsc_pair end = tsc_sample();
    uint64_t ns = (uint64_t)(end.ns - start.ns);
    return ns ? (uint32_t)(((end.ticks - start.ticks) * 1000000 + ns / 2) / ns) : 0;
}
#else
static uint32_t tsc_measure(void)
{
    return 0;
}
#endif

uint32_t tsc_khz(void)
{
    static _Atomic uint32_t known;
    uint32_t khz = atomic_load(&known);
    if (khz == 0) {
        khz = tsc_measure();
        atomic_store(&known, khz);
    }
    return khz;
}
