/* The limit of open files; see open_files.h. */
#include "base/open_files.h"

#include <stddef.h>
#include <sys/resource.h>

#define OPEN_FILES_MAX ((rlim_t)1 << 20)

static struct rlimit original; /* rlim_max 0: not raised */

void open_files_raise(void)
{
    struct rlimit now;
    if (original.rlim_max != 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
        return;
    struct rlimit raised = now;
    raised.rlim_cur = now.rlim_max < OPEN_FILES_MAX ? now.rlim_max : OPEN_FILES_MAX;
    if (raised.rlim_cur > now.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        original = now;
}

uint64_t open_files_limit(void)
{
    struct rlimit now;
    return getrlimit(RLIMIT_NOFILE, &now) < 0 ? 1024 : (uint64_t)now.rlim_cur;
}

void open_files_restore(void)
{
    if (original.rlim_max != 0)
        setrlimit(RLIMIT_NOFILE, &original);
}
