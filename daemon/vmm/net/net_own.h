/* The host's own addresses, as its kernel has them (the table of routes "local"), now and whenever
 * they change: passt would lead a guest to them as to any other. */
#ifndef BANGER_DAEMON_VMM_NET_NET_OWN_H
#define BANGER_DAEMON_VMM_NET_NET_OWN_H

struct net_own;

/* Reads them. 0 or an errno; E2BIG: they are too many. */
int net_own_open(void);
/* A thread that reads them anew after each change; it opens nothing. What cannot be read closes all
 * there is. */
int net_own_watch(void);
/* As they are now, always at the same place; until the other. */
const struct net_own *net_own_lock(void);
void net_own_unlock(void);

#endif
