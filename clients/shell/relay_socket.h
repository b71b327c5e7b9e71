/* Sockets of this machine; an error is printed unless quiet. */
#ifndef BANGER_SHELL_RELAY_SOCKET_H
#define BANGER_SHELL_RELAY_SOCKET_H

#include "relay.h"

/* Listening and not blocking, or -1. *bound: its port. A Unix socket that nobody listens on is
 * replaced. */
int relay_socket_listen(const struct relay_end *end, uint16_t *bound, bool quiet);
/* Connected and not blocking, or -1. */
int relay_socket_dial(const struct relay_end *end);
/* The next connection of a listener, or -1. */
int relay_socket_accept(int listener);
/* Cut, so that the other side does not take it for a good end. */
void relay_socket_reset(int fd);

#endif
