/* Frequency of the processor's time stamp counter, which a guest under TCG cannot measure itself.
 */
#ifndef BANGER_DAEMON_HOST_TSC_H
#define BANGER_DAEMON_HOST_TSC_H

#include <stdint.h>

/* kHz, or 0 where there is no such counter. The first call takes 50 ms (so: on a worker), later
 * ones give what it found. Any thread. */
uint32_t tsc_khz(void);

#endif
