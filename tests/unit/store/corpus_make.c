/* Makes the corpus' database of the schema version that this build writes: corpus_make FILE. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/unit/store/corpus_rows.h"

static struct loop *loop;
static struct err failed;

static void committed(void *arg, const struct err *err)
{
    (void)arg;
    if (err)
        failed = *err;
    loop_stop(loop);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: corpus_make FILE\n");
        return 2;
    }
    remove(argv[1]);
    loop = loop_new(&failed);
    struct store *store = loop ? store_open(loop, argv[1], &failed) : NULL;
    if (store) {
        struct store_txn *txn = store_txn_new();
        corpus_put_rows(txn);
        store_commit(store, txn, committed, NULL);
        loop_run(loop, &failed);
        store_close(store);
        char reserve[512];
        snprintf(reserve, sizeof(reserve), "%s-reserve", argv[1]);
        remove(reserve);
    }
    loop_free(loop);
    if (failed.code != ERR_NONE)
        fprintf(stderr, "corpus_make: %s\n", failed.message);
    return failed.code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}
