/* Low numbers of descriptors, kept for launches. A child that shares our table of descriptors takes
 * only those below some number with it: so a start costs the same beside ten thousand open files as
 * beside ten, which would be copied and closed again for each. */
#ifndef BANGER_BASE_LAUNCH_SLOTS_H
#define BANGER_BASE_LAUNCH_SLOTS_H

#include <stddef.h>

/* Once, while few files are open and there are no threads. Who does without has children that copy
 * all. */
void launch_slots_keep(void);

/* Copies of these, in slots[n] of ascending numbers, of which slots[i] is above i: one launch's
 * until it gives them back. The number that is above all slots; 0: none are kept, or fewer than n.
 */
int launch_slots_take(const int *fds, size_t n, int *slots);
void launch_slots_give_back(void);

#endif
