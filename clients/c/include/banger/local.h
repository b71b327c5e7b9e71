/* The daemon of this machine: where it listens, and starting it where it does not run. */
#ifndef BANGER_CLIENT_LOCAL_H
#define BANGER_CLIENT_LOCAL_H

#include "banger/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where it is and how it is started, for those who know better than the environment. */
struct banger_local;

/* To be freed with banger_local_free. NULL: no memory. */
struct banger_local *banger_local_new(void);
/* NULL is fine. */
void banger_local_free(struct banger_local *local);
/* NULL, as at first: as the environment says (BANGER_SOCKET, …). One that is named is only
 * connected to: nothing is started for it. */
int banger_local_set_socket(struct banger_local *local, const char *path,
                            struct banger_error *error);
/* The daemon's program; NULL, as at first: BANGER_DAEMON, else that of this program's installation
 * or build, else that of libbanger.so's, else in PATH. */
int banger_local_set_daemon(struct banger_local *local, const char *program,
                            struct banger_error *error);
/* How long one that was started has until it answers; at first 20000. */
void banger_local_set_start_timeout_ms(struct banger_local *local, int64_t ms);
/* Whether one is started at all; at first true. */
void banger_local_set_start(struct banger_local *local, bool start);

/* Connects to the local daemon and checks that it answers; starts it first where nothing listens,
 * be it that one was killed a moment ago. Two that do so at once start one. A daemon that serves
 * the state folder is found by the folder's lock wherever it listens, also where the runtime folder
 * was made anew; one that does not come back to its socket within seconds is UNAVAILABLE, with its
 * pid in the text. local may be NULL. What the client is told (banger_set_retry_ms and so on)
 * counts once it is there; whoever wants to wait for a daemon that others start has
 * banger_local_socket, banger_connect and banger_set_wait_for_ready_ms. */
struct banger_client *banger_connect_local(const struct banger_local *local,
                                           struct banger_error *error);
/* Socket on which the local daemon listens, copied to out. -1 when it cannot be told. */
int banger_local_socket(char *out, size_t size, struct banger_error *error);
/* Version of the daemon to which banger_connect_local has connected, as its lock file says; "older"
 * for one from before it did, "" where that cannot be told. Compare with banger_version. The
 * client's. */
const char *banger_local_version(const struct banger_client *client);

/* The daemon that holds the local state folder, whether it listens or not. */
struct banger_local_daemon {
    int pid;
    int ending; /* it has been asked to end */
    char socket[108], version[64];
    char reserved[76]; /* for fields to come: the size stays */
};

/* A pidfd of it, which is readable once it has ended and its store is closed; the caller closes it.
 * -1 where no daemon holds the folder, or it cannot be told who does. daemon may be NULL. */
int banger_local_find(struct banger_local_daemon *daemon);
/* Log of a daemon started by banger_connect_local. */
int banger_local_log(char *out, size_t size, struct banger_error *error);

#ifdef __cplusplus
}
#endif

#endif
