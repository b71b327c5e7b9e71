/* Where this host asks for names. */
#ifndef BANGER_DAEMON_HOST_RESOLVER_H
#define BANGER_DAEMON_HOST_RESOLVER_H

#include <stddef.h>
#include <sys/socket.h>

struct err;

/* The first IPv4 name server of the host's that another machine can ask as well, so none of its
 * loopback; "": there is none. Reads two small files. */
void resolver_find(char address[16]);

enum { RESOLVERS_MAX = 3 }; /* as the C library has it */

struct resolvers {
    size_t n;
    struct sockaddr_storage at[RESOLVERS_MAX];
};

/* All that a program of this host asks, in order, those on its loopback included; at least one, as
 * resolv.conf(5) has it. Reads a small file; -1: it is there, and cannot be read. */
int resolver_list(struct resolvers *resolvers, struct err *err);

#endif
