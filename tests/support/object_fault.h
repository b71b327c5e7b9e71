/* A kind of host object that fails on demand, in front of the one of the same name. One at a time;
 * set while no call is under way. */
#ifndef BANGER_TESTS_SUPPORT_OBJECT_FAULT_H
#define BANGER_TESTS_SUPPORT_OBJECT_FAULT_H

#include "base/err.h"

enum object_fault {
    OBJECT_FAULT_MAKE,    /* not called, fails */
    OBJECT_FAULT_MADE,    /* called, and fails all the same */
    OBJECT_FAULT_FIND,    /* not known whether there is one */
    OBJECT_FAULT_REMOVE,  /* not called, fails */
    OBJECT_FAULT_REMOVED, /* called, and fails all the same */
    OBJECT_FAULT_HANG,    /* make waits until it is cancelled, for a minute at most */
    OBJECT_FAULT_LIST,    /* not known what there is */
    N_OBJECT_FAULTS,
};

/* "injected …" with that code, so many times, then as ever. */
void object_fault_set(const char *kind, enum object_fault fault, enum err_code code, int times);
/* The first n calls that it would meet go by. */
void object_fault_skip(int n);
/* How often it was met since. */
int object_fault_met(void);
void object_fault_clear(void);

#endif
