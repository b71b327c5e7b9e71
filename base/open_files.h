/* How many files this process may have open.
 *
 * The soft limit is usually 1,024, for programs that call select(); a daemon with many VMs needs
 * more, its children were written for the usual one and get that back. */
#ifndef BANGER_BASE_OPEN_FILES_H
#define BANGER_BASE_OPEN_FILES_H

#include <stdint.h>
#include <sys/types.h>

/* Raises the soft limit to the hard one, a million at most, and remembers what it was. Once, before
 * there are threads. */
void open_files_raise(void);
/* The soft limit as it is. */
uint64_t open_files_limit(void);
/* Gives this process, a child that is about to exec, the limit from before open_files_raise. */
void open_files_restore(void);

#endif
