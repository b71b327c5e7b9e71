/* The parts of the conformance suite; main is conformance.c's. */
#ifndef BANGER_TESTS_VMM_CONFORMANCE_H
#define BANGER_TESTS_VMM_CONFORMANCE_H

#include "tests/integration/vmm/world.h"

extern const struct vmm_driver *driver; /* the one that is looked at */

void check_no_remains(const struct world *w);
/* Its console's log. */
void check_log_has(const struct world *w, const char *text);

/* Run their tests: of guests with a console that is read and typed into, and of how guests end. */
void conformance_console(void);
void conformance_ends(void);
/* Of a firecracker that world_jailed is for. */
void conformance_jail(void);

#endif
