/* The daemon of this machine: where it listens, and starting it where it does not run. */
#ifndef BANGER_CLIENT_LOCAL_H
#define BANGER_CLIENT_LOCAL_H

#include "banger/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_local_options {
    const char *socket; /* NULL: as the environment says (BANGER_SOCKET, …) */
    const char
        *daemon; /* program; NULL: BANGER_DAEMON, else searched near this program and in PATH */
    int64_t start_timeout_ms; /* 0: 20000 */
    bool no_start;            /* only connect */
    struct banger_client_options client;
};

/* Connects to the local daemon and checks that it answers; starts it first where nothing listens,
 * be it that one was killed a moment ago. Two that do so at once start one. options may be NULL. */
struct banger_client *banger_connect_local(const struct banger_local_options *options,
                                           struct banger_error *error);
/* Socket on which the local daemon listens, copied to out. -1 when it cannot be told. */
int banger_local_socket(char *out, size_t size, struct banger_error *error);
/* Log of a daemon started by banger_connect_local. */
int banger_local_log(char *out, size_t size, struct banger_error *error);

#ifdef __cplusplus
}
#endif

#endif
