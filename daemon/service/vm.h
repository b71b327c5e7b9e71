/* What the files of VMService share: the handlers that only look (vm_read.c, console.c), for the
 * table in vm.c. */
#ifndef BANGER_DAEMON_SERVICE_VM_H
#define BANGER_DAEMON_SERVICE_VM_H

#include "banger/v1/vm.server.rpc.h"

struct err;
struct vm_spec;

/* VMSpec -> model; the kernel, a reference, is the caller's. m may be NULL. */
int vm_service_fill_spec(struct vm_spec *spec, const Banger__V1__VMSpec *m, struct err *err);

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
