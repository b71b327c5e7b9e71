/* The interop cases; each is described in gRPC's doc/interop-test-descriptions.md. */
#ifndef BANGER_TESTS_INTEROP_CLIENT_CASES_H
#define BANGER_TESTS_INTEROP_CLIENT_CASES_H

#include <stddef.h>

struct driver;

struct interop_case {
    const char *name;
    void (*run)(struct driver *d);
};

extern const struct interop_case interop_cases[];
extern const size_t n_interop_cases;
/* Failed checks so far; each was printed. */
int cases_failed(void);

#endif
