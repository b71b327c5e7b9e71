/* Cleanup attributes for resources that live as long as one function. */
#ifndef BANGER_BASE_CLEANUP_H
#define BANGER_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_fd   __attribute__((cleanup(cleanup_fd)))
#define auto_file __attribute__((cleanup(cleanup_file)))
#define auto_dir  __attribute__((cleanup(cleanup_dir)))

/* Hands a resource to someone who outlives the function: `return take_ptr(&p)`, `take_fd(&fd)`. */
#define take_ptr(p)                                                                                \
    __extension__({                                                                                \
        __auto_type taken_ = *(p);                                                                 \
        *(p) = NULL;                                                                               \
        taken_;                                                                                    \
    })

static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
