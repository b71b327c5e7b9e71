/* An allocation that fails, chosen by its number: for tests that fail each in turn. What is linked
 * with the library failing_alloc allocates through it in all its own objects; shared libraries do
 * not. Counts on each thread for itself. */
#ifndef BANGER_TESTS_SUPPORT_FAILING_ALLOC_H
#define BANGER_TESTS_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* The nth allocation from now on fails, counted from 1, and no other; 0: none. */
void failing_alloc_arm(size_t nth);
/* What was armed; 0: none. */
size_t failing_alloc_nth(void);
/* Whether it came to it. */
bool failing_alloc_reached(void);

#endif
