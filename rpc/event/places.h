/* Who holds how many connections, and who makes room for others; see connection.h.
 *
 * A connection takes a place when it is known who is at its other end, and leaves it when it is to
 * be closed. What counts is the principal: an identity, a user of the Unix socket. */
#ifndef BANGER_RPC_EVENT_PLACES_H
#define BANGER_RPC_EVENT_PLACES_H

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct err;
struct rpc_peer;
struct rpc_server;

/* Those of one principal. */
struct holder {
    size_t n;             /* places */
    size_t n_turned_away; /* connections that wait to be told that there is none */
    char principal[128];
};

/* Takes a place for whom wire->peer says; an idle connection may have to make room, the principal's
 * own where it has its share, else one of who has most. -1, ERR_LIMIT: there is none to be had. */
int place_take(struct connection *conn, struct err *err);
/* Keeps the connection for a moment, without a place, to tell its first call why there is none. -1:
 * too many are being told already. */
int place_turn_away(struct connection *conn, const struct err *why);
/* Harmless without a place. */
void place_leave(struct connection *conn);

#endif
