/* What the files of ForwardService share. */
#ifndef BANGER_DAEMON_SERVICE_FORWARD_H
#define BANGER_DAEMON_SERVICE_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "banger/v1/forward.pb-c.h"

struct err;
struct rpc_call;

enum { FORWARD_HOST_BYTES = 256, FORWARD_PATH_BYTES = 108, FORWARD_NAME_BYTES = 96 };

/* Fills in three arguments of dial or listen, "tcp", host and port; port's text is the caller's.
 * any: 0 is a port, too. */
int forward_tcp_args(const char *argv[3], char text[8], const char *host, uint32_t port, bool any,
                     struct err *err);
int forward_check_path(const char *path, struct err *err);
/* forward_listen.c */
void forward_service_listen(void *self, struct rpc_call *call,
                            const Banger__V1__ListenRequest *request);

#endif
