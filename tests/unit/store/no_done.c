/* Does not compile, and must not: nobody waits for what becomes of this commit. */
#include "daemon/store/store.h"

void commit_unseen(struct store *store, void (*done)(void *arg, const struct err *err));

void commit_unseen(struct store *store, void (*done)(void *arg, const struct err *err))
{
#ifdef WITH_DONE
    store_commit(store, store_txn_new(), done, NULL);
    store_propose(store, store_txn_new(), done, NULL);
#else
    (void)done;
    store_commit(store, store_txn_new(), NULL, NULL);
#endif
}
