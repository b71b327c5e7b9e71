/* What listens in a guest, as it changes. */
#ifndef BANGER_SHELL_VM_PORTS_H
#define BANGER_SHELL_VM_PORTS_H

#include "cli.h"

/* A WatchVMPorts; NULL with the error printed. */
struct banger_stream *ports_watch(struct cli *cli, const char *vm);
/* A TCP port that a connection to the guest's loopback reaches. */
bool ports_is_reachable(const Banger__V1__VMPort *port);
bool ports_have(const Banger__V1__ListVMPortsResponse *list, uint32_t tcp_port);

#endif
