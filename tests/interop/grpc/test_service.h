/* Handlers of grpc.testing.TestService, as the interop test descriptions ask for them. */
#ifndef BANGER_TESTS_INTEROP_TEST_SERVICE_H
#define BANGER_TESTS_INTEROP_TEST_SERVICE_H

struct err;
struct loop;
struct rpc_server;

/* loop outlives the server. */
int test_service_register(struct rpc_server *server, struct loop *loop, struct err *err);

#endif
