/* Starting bangerd, detached: own session, stdin from /dev/null, output to its log; it outlives us.
 * Not installed. */
#ifndef BANGER_CLIENT_DAEMON_SPAWN_H
#define BANGER_CLIENT_DAEMON_SPAWN_H

struct banger_error;

/* A pidfd of it, or -1. */
int daemon_spawn(const char *program, const char *log, struct banger_error *error);
/* Puts the log's last line into error: it says why the daemon ended. */
void daemon_quote_log(const char *log, struct banger_error *error);

#endif
