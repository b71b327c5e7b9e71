/* A call whose answer must be looked up where looking may block: files, /proc, file systems. */
#ifndef BANGER_DAEMON_SERVICE_WORKER_CALL_H
#define BANGER_DAEMON_SERVICE_WORKER_CALL_H

#include <stddef.h>

struct core;
struct rpc_call;

/* Copies size bytes of question; work(data) gets the copy on a quick worker, then reply(...) on the
 * loop, unless the call is over by then. A call that cannot be taken is finished with the reason.
 * data is aligned for anything. */
void worker_call_start(struct core *core, struct rpc_call *call, const void *question, size_t size,
                       void (*work)(void *data),
                       void (*reply)(struct core *core, struct rpc_call *call, void *data));

#endif
