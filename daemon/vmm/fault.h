/* A driver in front of another that fails, delays or hangs its methods on demand: for tests.
 *
 * Not part of the vmm library: a program that wants it links vmm_fault and calls fault_install. */
#ifndef BANGER_DAEMON_VMM_FAULT_H
#define BANGER_DAEMON_VMM_FAULT_H

#include <stdint.h>

#include "base/err.h"

enum fault_action {
    FAULT_NONE,
    FAULT_FAIL,      /* not called; fails with the given code */
    FAULT_FAIL_DONE, /* called; a success is reported as a failure */
    FAULT_DELAY,     /* called delay_ms later */
    FAULT_HANG,      /* never called and never completes (until a kill or close) */
};

struct fault {
    enum fault_action action;
    enum err_code code; /* FAIL */
    int64_t delay_ms;   /* DELAY */
    uint32_t times;     /* so often, then none; 0: always */
};

/* vmm_find_driver(inner's name) gives the faulty one from now on. NULL: no more. */
int fault_install(const char *inner, struct err *err);
/* method: start, adopt, stop, kill, pause, resume or discard. */
int fault_set(const char *method, const struct fault *fault, struct err *err);
void fault_clear(void);
/* "start=fail:14,stop=delay:200,kill=hang,adopt=fail-done:2", each with an optional "*times". */
int fault_parse(const char *text, struct err *err);

#endif
