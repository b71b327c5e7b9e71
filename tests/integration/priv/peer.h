/* Callers of a real banger-priv, each of a user of his choice, who send what they like. The helper
 * is in the network namespace of the test, which is a new one. */
#ifndef BANGER_TESTS_PRIV_PEER_H
#define BANGER_TESTS_PRIV_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger/priv/v1/priv.pb-c.h"
#include "base/err.h"
#include "daemon/priv/priv_names.h"

enum { PEER_WAIT_S = 20 };

struct peer_answer {
    bool gone;      /* the connection is; and no more than that is known */
    struct err err; /* as the helper has it */
    size_t n_found;
    char vm[ID_BYTES], name[PRIV_LABEL_BYTES]; /* the last that was found */
};

/* Why there can be no helper here, or NULL. */
const char *peer_lacks(void);
/* Starts it, listening. */
bool peer_open(const char *program);
void peer_close(void);
pid_t peer_helper(void);
/* Descriptors that the helper has open. */
int peer_count_fds(void);
/* A connection of that user; its reads have a limit. */
int peer_connect(uint32_t uid);
/* Nothing but bytes, and a descriptor (or -1) attached. */
bool peer_send(int fd, const void *bytes, size_t len, int attached);
struct peer_answer peer_receive(int fd);
/* Asks, and waits. */
struct peer_answer peer_ask(int fd, const Banger__Priv__V1__Request *request);
/* What a daemon would ask for a VM. */
Banger__Priv__V1__Request peer_request(Banger__Priv__V1__Operation operation,
                                       Banger__Priv__V1__Kind kind, const char *state,
                                       const char *vm, uint32_t address);

#endif
