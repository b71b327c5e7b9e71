/* Calls of the kernel and of libraries that fail in turn, of programs that wrap them by the linker
 * (--wrap): without being done, and after it was done. One of each in a program. */
#ifndef BANGER_TESTS_FAILING_CALL_H
#define BANGER_TESTS_FAILING_CALL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CALLS_MAX = 1000 }; /* that something is made of */

/* Which call fails: counted down; below 0 none does. */
static struct {
    int left;
    bool done; /* but its caller is told otherwise */
    bool hit;
    const char *what;
} fault = {.left = -1};

/* From here on, until fault_end, the n-th call from now fails. */
static inline void fault_begin(int n, bool done)
{
    fault.left = n;
    fault.done = done;
    fault.hit = false;
}

/* Whether one has failed. */
static inline bool fault_end(void)
{
    fault.left = -1;
    return fault.hit;
}

/* Asked by each wrapped call: that it fails, with errno as it says. */
static inline bool fails(const char *what)
{
    if (fault.left < 0 || fault.left-- > 0)
        return false;
    fault.hit = true;
    fault.what = what;
    errno = EIO;
    return true;
}

/* What a call that was done comes to. */
static inline ssize_t told(ssize_t rc, bool failed)
{
    if (!failed)
        return rc;
    errno = EIO;
    return -1;
}

#endif
