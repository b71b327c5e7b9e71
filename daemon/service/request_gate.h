/* Requests whose id may be that of an earlier one that memory has let go of wait until it is known;
 * all others are handled at once. */
#ifndef BANGER_DAEMON_SERVICE_REQUEST_GATE_H
#define BANGER_DAEMON_SERVICE_REQUEST_GATE_H

struct core;
struct rpc_server;

void request_gate_install(struct rpc_server *server, struct core *core);

#endif
