/* What the files of VMService share: the handlers that only look (vm_read.c, console.c,
 * console_attach.c), for the table in vm.c. */
#ifndef BANGER_DAEMON_SERVICE_VM_H
#define BANGER_DAEMON_SERVICE_VM_H

#include "banger/v1/vm.server.rpc.h"

struct err;
struct vm_spec;

/* VMSpec -> model; the kernel, a reference, is the caller's. m may be NULL. vm_spec_done is due,
 * also after -1. */
int vm_service_fill_spec(struct vm_spec *spec, const Banger__V1__VMSpec *m, struct err *err);

void vm_service_get(void *self, struct rpc_call *call, const Banger__V1__GetVMRequest *request);
void vm_service_list(void *self, struct rpc_call *call, const Banger__V1__ListVMsRequest *request);
void vm_service_get_handles(void *self, struct rpc_call *call,
                            const Banger__V1__GetVMHandlesRequest *request);
void vm_service_get_stats(void *self, struct rpc_call *call,
                          const Banger__V1__GetVMStatsRequest *request);
void vm_service_check_health(void *self, struct rpc_call *call,
                             const Banger__V1__CheckVMHealthRequest *request);
/* ports.c */
void vm_service_list_ports(void *self, struct rpc_call *call,
                           const Banger__V1__ListVMPortsRequest *request);
void vm_service_watch_ports(void *self, struct rpc_call *call,
                            const Banger__V1__WatchVMPortsRequest *request);
void vm_service_read_console(void *self, struct rpc_call *call,
                             const Banger__V1__ReadConsoleRequest *request);
void vm_service_attach_console(void *self, struct rpc_call *call);

#endif
