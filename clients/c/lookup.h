/* The addresses of a host's name, without waiting. Not installed.
 *
 * getaddrinfo alone looks where the system is told to (nsswitch.conf: files, mDNS, LDAP, …), which
 * libraries that ask name servers themselves do not; and it knows no way but to wait. So it runs on
 * a thread, the only one that libbanger starts. A look-up belongs to its owner and to that thread,
 * and goes with the last of them: one that hangs is left behind. */
#ifndef BANGER_CLIENT_LOOKUP_H
#define BANGER_CLIENT_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

struct addrinfo;
struct err;
struct lookup;

/* NULL with err. */
struct lookup *lookup_start(const char *host, const char *port, struct err *err);
/* The owner is done with it. NULL is fine. */
void lookup_leave(struct lookup *lookup);
/* Readable once it is over; for epoll, never to be read. */
int lookup_fd(const struct lookup *lookup);
bool lookup_is_over(const struct lookup *lookup);
/* Since its start. */
int64_t lookup_age_ms(const struct lookup *lookup);
/* Once it is over, once: the addresses are the caller's, for freeaddrinfo. -1 with
 * ERR_UNAVAILABLE: there are none. */
int lookup_take(struct lookup *lookup, struct addrinfo **addresses, struct err *err);

/* Those of a host that is a numeric address, at once; NULL: it is a name. */
struct addrinfo *lookup_numeric(const char *host, const char *port);

#endif
