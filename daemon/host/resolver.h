/* Where this host asks for names. */
#ifndef BANGER_DAEMON_HOST_RESOLVER_H
#define BANGER_DAEMON_HOST_RESOLVER_H

/* The first IPv4 name server of the host's that another machine can ask as well, so none of its
 * loopback;
 * "": there is none. Reads two small files. */
void resolver_find(char address[16]);

#endif
