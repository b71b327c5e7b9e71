/* Connections between this machine and guests, any number at once: what vm forward is.
 *
 * Listeners of ours have a target in the guest, listeners in the guest have a target here; each
 * connection is relayed until both of its directions have ended. One thread, one loop; a connection
 * that fails is told of on stderr, cut (a reset), and holds up nobody. */
#ifndef BANGER_SHELL_RELAY_H
#define BANGER_SHELL_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

/* One end: a port of a host, or a Unix socket. */
struct relay_end {
    char host[256];
    uint16_t port;
    char path[108]; /* "": TCP */
};

/* "80", "HOST:80", "[::1]:80", "/path", "@name". False: it is none of these. any: port 0 as well.
 */
bool relay_end_parse(struct relay_end *end, const char *text, size_t len, bool any);
/* As above, for messages; host left out where it is "". */
enum { RELAY_END_BYTES = 280 };
const char *relay_end_text(char out[RELAY_END_BYTES], const struct relay_end *end);

struct relay;

/* vm: a reference, borrowed; as the user of the guest, NULL: root. NULL: no memory. */
struct relay *relay_new(struct cli *cli, const char *vm, const char *user);
void relay_free(struct relay *relay);

/* Listens here, at host "" on the loopback, and relays to the guest's end. *bound: the port. 0, or
 * EXIT_BANGER with the error printed; quiet: without. */
int relay_listen(struct relay *relay, const struct relay_end *here, const struct relay_end *there,
                 uint16_t *bound, bool quiet);
/* Gives up the listener for that port of the guest; its connections go on. False: there is none. */
bool relay_unlisten(struct relay *relay, uint16_t there);
/* The port of ours that leads to one of the guest; 0: none. ours: the other way round. */
uint16_t relay_port_here(const struct relay *relay, uint16_t there);
bool relay_port_is_ours(const struct relay *relay, uint16_t port);
/* Listens in the guest, and relays to an end of this machine. 0, or EXIT_BANGER with the error
 * printed. *bound: the guest's port. */
int relay_listen_there(struct relay *relay, const struct relay_end *there,
                       const struct relay_end *here, uint16_t *bound);
/* One connection of our stdin and stdout. */
int relay_stdio(struct relay *relay, const struct relay_end *there);

/* Called in each turn for as long as relay_run runs; not 0 ends that with this status. */
typedef int relay_turn_fn(void *arg);
/* Until turn says so, or, after relay_stdio, its connection has ended: 0 where it ended well. */
int relay_run(struct relay *relay, relay_turn_fn *turn, void *arg);

#endif
