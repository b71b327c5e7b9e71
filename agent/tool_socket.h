/* Sockets of the guest, as the tools for forwards have them. What cannot be had ends the tool
 * (tool_fail). */
#ifndef BANGER_AGENT_TOOL_SOCKET_H
#define BANGER_AGENT_TOOL_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

enum {
    SOCKET_DIAL_MS = 15000, /* for one address; there are SOCKET_ADDRESSES at most */
    SOCKET_ADDRESSES = 4,
    SOCKET_NAME_BYTES = 64, /* of a listener for its accepted connections */
};

/* Connected to host, a name or an address of the guest's; "": its loopback, IPv4 before IPv6. */
int socket_dial_tcp(const char *host, const char *port);
/* path: of the file system, or "@NAME" for an abstract one. */
int socket_dial_unix(const char *path);
/* Bound and listening; port "0": any. A socket file that nobody listens on is replaced. */
int socket_listen_tcp(const char *host, const char *port);
int socket_listen_unix(const char *path);
/* Fills in address; its length, or tool_fail where path does not fit. */
socklen_t socket_unix_address(struct sockaddr_un *address, const char *path);

/* Over a Unix socket: gives fd, or -1 for "there is none". 0, or -1 with errno. */
int socket_give(int sock, int fd);
/* What was given; -1 where there is none. */
int socket_take(int sock);

/* Relays until both directions have ended: stdin goes to the socket; what the socket has goes to
 * stdout in records (tool_relay.c). Ends the tool. */
_Noreturn void socket_relay(int sock);

#endif
