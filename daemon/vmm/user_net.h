/* The way out of guests with a user's network: passt, behind banger-net (net/main.c).
 *
 * qemu has a network of its own for users (slirp), but with it a guest reaches what listens on the
 * host's loopback. It is taken where the configuration says so, and nowhere else. */
#ifndef BANGER_DAEMON_VMM_USER_NET_H
#define BANGER_DAEMON_VMM_USER_NET_H

#include <stdbool.h>

#include "daemon/model/model.h"

struct err;
struct vmm_config;
struct vmm_host;

/* Starts one for c's first nic: for what the guest may reach. It counts in the VM's folder
 * (net/net_counts.h), and ends when the other end of *fd (the caller's) is
 * closed or when passt ends. By default ERR_PRECONDITION with reason NETWORK_UNAVAILABLE where
 * there is none, and passt's words where it fails. Worker. */
int user_net_start(const struct vmm_host *host, const struct vmm_config *c, int cancel_fd, int *fd,
                   struct err *err);
/* Removes what it has counted; when it has ended. Worker. */
void user_net_clean(const struct vmm_config *c);

/* For people: what guests have, or why they have none and what to do; false then. Worker. */
bool user_net_explain(const struct vmm_host *host, char text[TEXT_BYTES]);

#endif
