/* VMs whose host objects are of every kind, over the sim driver and a real store; what tests of
 * operations and of starts have in common. */
#ifndef BANGER_TESTS_INTEGRATION_CORE_OBJECTS_H
#define BANGER_TESTS_INTEGRATION_CORE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/integration/core/world.h"
#include "tests/support/harness.h"

struct operation_entry;

#define MIB ((uint64_t)1 << 20)

extern char dir[PATH_BYTES]; /* the state folder */
extern struct world w;
extern struct harness host; /* what it shows, without a daemon */

/* Each kind is part of one; the last has a tap, where there can be taps. */
extern const struct vm_spec specs[];
extern size_t n_specs;

/* Makes the state folder; reflinks and disks of device-mapper's are stand-ins from here on. */
void objects_begin(void);
int objects_end(void);
/* With an image, as if it had been imported. */
bool open_world(void);
/* "box"; referenced. */
struct operation_entry *begin_create(const struct vm_spec *spec);
struct operation_entry *begin_delete(void);
/* Waits for its end; takes the reference. */
bool succeeds(struct operation_entry *op);
bool exists(const char *path);
void check_nothing_is_left(void);

#endif
