/* Moments on a command line. */
#ifndef BANGER_SHELL_WHEN_H
#define BANGER_SHELL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* "10m": so long ago; or a time, as RFC 3339 has it ("2026-01-31T12:00:00.5+01:00"), or local time
 * where it names no zone ("2026-01-31 12:00", "2026-01-31"). Nanoseconds since 1970. */
bool when_parse(const char *text, int64_t *unix_ns);
/* As RFC 3339 has it, in UTC with milliseconds; "-" for 0. */
enum { WHEN_BYTES = 40 };
const char *when_format(char out[WHEN_BYTES], int64_t unix_ns);

#endif
