/* The lease of a VM that is this program's alone (vm run --rm): renewed while the program lives, so
 * that the daemon deletes the VM when it was killed. Nothing here waits. */
#ifndef BANGER_SHELL_LEASE_H
#define BANGER_SHELL_LEASE_H

#include "cli.h"

enum { LEASE_MS = 120000, LEASE_ID_BYTES = 64 };

struct lease {
    struct banger_client *client; /* borrowed; NULL: there is no lease */
    char vm[LEASE_ID_BYTES];      /* id */
    int64_t length_ms;
    int64_t next_ms;            /* monotonic: when it is renewed next */
    struct banger_stream *call; /* the renewal under way; NULL: none */
};

void lease_begin(struct lease *lease, struct banger_client *client, const char *vm,
                 int64_t length_ms);
/* Renews it where that is due, and takes the answer. After each banger_process, while waiting for
 * anything; lease may be NULL. */
void lease_turn(struct lease *lease);
/* Milliseconds until lease_turn has something to do, -1: nothing. */
int lease_wait_ms(const struct lease *lease);
void lease_end(struct lease *lease);

#endif
