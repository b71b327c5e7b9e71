/* grpc.reflection.v1 and v1alpha: a server describes itself to tools such as grpcurl. Knows no
 * service: it answers from the descriptor set it is given. */
#ifndef BANGER_RPC_REFLECTION_REFLECTION_H
#define BANGER_RPC_REFLECTION_REFLECTION_H

#include <stddef.h>

struct err;
struct rpc_server;

/* Registers both services. set (a FileDescriptorSet with all imports) is borrowed for the server's
 * life. */
int reflection_register(struct rpc_server *server, const void *set, size_t len, struct err *err);

#endif
