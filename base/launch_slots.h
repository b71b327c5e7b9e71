/* Low numbers of descriptors, kept for launches. A child that shares our table of descriptors takes
 * only those below some number with it: so a start costs the same beside ten thousand open files as
 * beside ten, which would be copied and closed again for each. */
#ifndef BANGER_BASE_LAUNCH_SLOTS_H
#define BANGER_BASE_LAUNCH_SLOTS_H

#include <stddef.h>

/* Once, while few files are open and there are no threads. Who does without, or has a kernel that
 * leaves such a child's table in disorder (CVE-2024-45025), has children that copy all. */
void launch_slots_keep(void);

/* Copies of these, in slots[n] of ascending numbers, of which slots[i] is above i: the caller's
 * until it gives them back, while others do without. The number that is above all slots; 0: it does
 * without. */
int launch_slots_take(const int *fds, size_t n, int *slots);
void launch_slots_give_back(void);

#endif
