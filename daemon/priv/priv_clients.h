/* Who is connected to the helper, and whose turn it is. What a caller does costs others nothing but
 * his turns: each has so many connections, a connection has one request a round, and nothing here
 * waits for anybody. */
#ifndef BANGER_DAEMON_PRIV_PRIV_CLIENTS_H
#define BANGER_DAEMON_PRIV_PRIV_CLIENTS_H

#include "daemon/priv/priv_kind.h"

struct err;

/* A daemon has one. Of a user who has as many, and where all are taken, a new one takes the place
 * of the one that has asked for nothing the longest: who is cut off so connects again when he asks.
 */
enum { PRIV_CLIENTS_MAX = 256, PRIV_CLIENTS_PER_USER = 8 };

/* A socket that listens, or one connection. ERR_INVALID: it is neither. */
int priv_clients_open(int fd, struct err *err);
/* Serves until its connection has ended; a socket that listens, for ever. */
void priv_clients_run(const struct priv_settings *settings);

#endif
