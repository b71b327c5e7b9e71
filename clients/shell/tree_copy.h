/* A folder of ours into one of a guest's, or the other way, as vm cp does it (cp.h). */
#ifndef BANGER_SHELL_TREE_COPY_H
#define BANGER_SHELL_TREE_COPY_H

#include "cli.h"

struct stream_signals;

struct tree_copy {
    const char *vm, *user;    /* user: NULL for root */
    const char *here, *there; /* both folders; what is in the one comes to be in the other */
    /* Of a push: whether something goes along, by its path below here; NULL: all of it does. */
    bool (*wanted)(void *arg, const char *path);
    void *arg;
    bool goes_on; /* what could not be copied is told, and does not make it fail */
    struct stream_signals *signals;
};

/* Makes the guest's folder where it is missing. Both: 0, 128+n after a signal, or EXIT_BANGER with
 * the error printed: what could not be copied is one, after all else was. */
int tree_push(struct cli *cli, const struct tree_copy *copy);
int tree_pull(struct cli *cli, const struct tree_copy *copy);

#endif
