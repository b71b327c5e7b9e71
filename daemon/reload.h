/* SIGHUP: the configuration read again on a thread of its own (it may look up users, and must not
 * wait behind image builds), then put in force on the loop's thread. */
#ifndef BANGER_DAEMON_RELOAD_H
#define BANGER_DAEMON_RELOAD_H

struct core;
struct daemon_config;
struct err;
struct reload;

/* config is the one in use: borrowed for good, and changed by what takes effect. argv as main() got
 * it. */
struct reload *reload_new(struct core *core, struct daemon_config *config, int argc, char **argv,
                          struct err *err);
/* Reads it soon; once more behind a reading that is under way. */
void reload_start(struct reload *reload);
/* Before the RPC server goes; waits for a reading under way. */
void reload_free(struct reload *reload);

#endif
