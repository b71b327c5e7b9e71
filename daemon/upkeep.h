/* Keeps what a daemon is found by: its state folder's lock and its socket.
 *
 * Every second a worker of its own looks whether the folder, the lock file and the socket file are
 * still there and ours. A lost socket is listened on again; where that cannot be (a runtime folder
 * that went at log-out) the daemon listens at run/bangerd.sock in the state folder instead, and the
 * lock file says so. A state folder that is no longer ours ends the daemon. On the loop's thread.
 */
#ifndef BANGER_DAEMON_UPKEEP_H
#define BANGER_DAEMON_UPKEEP_H

struct daemon_config;
struct err;
struct upkeep;
struct loop;
struct rpc_server;
struct state_dir;

/* config, server and state are borrowed; state is the upkeep's alone until upkeep_free. lost comes
 * once at most, later. NULL with err. */
struct upkeep *upkeep_new(struct loop *loop, struct rpc_server *server,
                          const struct daemon_config *config, struct state_dir *state,
                          void (*lost)(void *arg, const struct err *why), void *arg,
                          struct err *err);
/* Listens on the configured socket, says so in the lock file, and begins to look. given: it listens
 * there already (notify_take_socket), and is taken in any case; -1. */
int upkeep_listen(struct upkeep *k, int given, struct err *err);
/* The daemon is about to end: says so in the lock file, and listens on nothing again. */
void upkeep_ending(struct upkeep *k);
/* NULL is fine. */
void upkeep_free(struct upkeep *k);

#endif
