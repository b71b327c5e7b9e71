/* A histogram of times: buckets whose width is at most 1/128 of their value, so what it tells is
 * right within 0.8 %. Adding allocates nothing. */
#ifndef BANGER_BENCH_HISTOGRAM_H
#define BANGER_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t n, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The smallest value that `share` (0 to 1) of all do not exceed; 0 without any. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
