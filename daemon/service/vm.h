/* The handlers of VMService that only look (vm_read.c, console.c), for the table in vm.c. */
#ifndef BANGER_DAEMON_SERVICE_VM_H
#define BANGER_DAEMON_SERVICE_VM_H

#include "banger/v1/vm.server.rpc.h"

void vm_service_get(void *self, struct rpc_call *call, const Banger__V1__GetVMRequest *request);
void vm_service_list(void *self, struct rpc_call *call, const Banger__V1__ListVMsRequest *request);
void vm_service_get_handles(void *self, struct rpc_call *call,
                            const Banger__V1__GetVMHandlesRequest *request);
void vm_service_get_stats(void *self, struct rpc_call *call,
                          const Banger__V1__GetVMStatsRequest *request);
void vm_service_check_health(void *self, struct rpc_call *call,
                             const Banger__V1__CheckVMHealthRequest *request);
void vm_service_read_console(void *self, struct rpc_call *call,
                             const Banger__V1__ReadConsoleRequest *request);

#endif
