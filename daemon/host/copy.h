/* Copies of large files, sparse as their source: data only, holes stay holes. For workers. */
#ifndef BANGER_DAEMON_HOST_COPY_H
#define BANGER_DAEMON_HOST_COPY_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* The first `bytes` of from into the empty to, which has that size then, and shares blocks with
 * from where the file system offers it. source is for messages. cancelled is asked between pieces:
 * ERR_CANCELLED. */
int copy_sparse(int from, int to, uint64_t bytes, const char *source, bool (*cancelled)(void *arg),
                void *arg, struct err *err);

#endif
