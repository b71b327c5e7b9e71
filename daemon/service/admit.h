/* What is refused before it begins while the daemon cannot write its state. */
#ifndef BANGER_DAEMON_SERVICE_ADMIT_H
#define BANGER_DAEMON_SERVICE_ADMIT_H

struct core;
struct rpc_server;

/* One gate before all services: what changes (the effect in the method's policy) is refused with
 * STORE_UNAVAILABLE or STORE_BROKEN; what reads or frees goes on. */
void admit_register(struct rpc_server *server, struct core *core);

#endif
