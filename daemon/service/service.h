/* The gRPC services: one file each, proto <-> model and nothing else; no SQL, no driver detail.
 *
 * A handler checks what only the wire can get wrong (lengths, enums), asks the core, and answers at
 * once or from a callback. What it keeps past its return it counts (rpc_call_ref). */
#ifndef BANGER_DAEMON_SERVICE_SERVICE_H
#define BANGER_DAEMON_SERVICE_SERVICE_H

#include "banger/v1/auth.pb-c.h"
#include "banger/v1/host.pb-c.h"

struct core;
struct err;
struct operation_entry;
struct rpc_call;
struct rpc_server;

/* Each registers its service with the core as the handlers' self. */
int vm_service_register(struct rpc_server *server, struct core *core, struct err *err);
int guest_session_service_register(struct rpc_server *server, struct core *core, struct err *err);
int operation_service_register(struct rpc_server *server, struct core *core, struct err *err);
int image_service_register(struct rpc_server *server, struct core *core, struct err *err);
int supervision_service_register(struct rpc_server *server, struct core *core, struct err *err);
int kernel_service_register(struct rpc_server *server, struct core *core, struct err *err);
int event_service_register(struct rpc_server *server, struct core *core, struct err *err);
int host_service_register(struct rpc_server *server, struct core *core, struct err *err);
int auth_service_register(struct rpc_server *server, struct core *core, struct err *err);
int file_service_register(struct rpc_server *server, struct core *core, struct err *err);
int forward_service_register(struct rpc_server *server, struct core *core, struct err *err);
int health_service_register(struct rpc_server *server, struct core *core, struct err *err);
int reflection_service_register(struct rpc_server *server, struct core *core, struct err *err);
/* Contract without code yet: every method answers UNIMPLEMENTED. */
int planned_services_register(struct rpc_server *server, struct core *core, struct err *err);
/* All of the above. */
int services_register(struct rpc_server *server, struct core *core, struct err *err);

/* Replies with the operation once its first row is on disk, or with err when op is NULL. */
void service_reply_operation(struct rpc_call *call, struct operation_entry *op,
                             const struct err *err);

/* Done callbacks for calls that answer Empty; arg is a counted call, which they release. */
void service_reply_empty(void *call, const struct err *err);
/* audit_log.c, connections.c, host_audit.c, recover.c: handlers of AuthService and HostService. */
void auth_service_read_audit_log(void *self, struct rpc_call *call,
                                 const Banger__V1__ReadAuditLogRequest *request);
void host_service_list_connections(void *self, struct rpc_call *call,
                                   const Banger__V1__ListConnectionsRequest *request);
void host_service_kick_connection(void *self, struct rpc_call *call,
                                  const Banger__V1__KickConnectionRequest *request);
void host_service_recover(void *self, struct rpc_call *call,
                          const Banger__V1__RecoverHostRequest *request);
void host_service_audit(void *self, struct rpc_call *call,
                        const Banger__V1__AuditHostRequest *request);
void host_service_collect_garbage(void *self, struct rpc_call *call,
                                  const Banger__V1__CollectGarbageRequest *request);

void service_out_of_memory(struct rpc_call *call);

#endif
