/* Load reports (ORCA) as gRPC's interop tests ask for them; proto/orca.proto has the messages. */
#ifndef BANGER_TESTS_INTEROP_LOAD_REPORT_H
#define BANGER_TESTS_INTEROP_LOAD_REPORT_H

#include "messages.pb-c.h"

struct err;
struct loop;
struct rpc_call;
struct rpc_server;

/* Into the call's trailers, as endpoint-load-metrics-bin. */
void load_report_to_trailers(struct rpc_call *call, const Grpc__Testing__TestOrcaReport *report);
/* What the report service says from its next report on. There is one report a program. */
void load_report_set(const Grpc__Testing__TestOrcaReport *report);
/* xds.service.orca.v3.OpenRcaService; loop outlives the server. */
int load_report_register(struct rpc_server *server, struct loop *loop, struct err *err);

#endif
