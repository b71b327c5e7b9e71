/* Commits a transaction and runs the loop until it is on disk; for tests that do not look at how.
 */
#ifndef BANGER_TESTS_COMMIT_H
#define BANGER_TESTS_COMMIT_H

#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store.h"
#include "rpc/event/loop.h"

static inline void commit_ended(void *arg, const struct err *err)
{
    if (err) {
        fprintf(stderr, "not committed: %s\n", err->message);
        exit(1);
    }
    loop_stop(arg);
}

static inline void commit_now(struct loop *loop, struct store *store, struct store_txn *txn)
{
    store_commit(store, txn, commit_ended, loop);
    loop_run(loop, NULL);
}

#endif
