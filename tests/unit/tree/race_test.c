/* Links that are planted while a tree is copied: a thread swaps a folder of it for a link out of
 * it, as fast as it can, in the tree that is written and in the one that is read. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tree_rig.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

enum { ROUNDS = 300 };

struct swapper {
    char folder[160], link[160];
    atomic_bool over;
    atomic_int swaps;
};

static void *swap(void *arg)
{
    struct swapper *s = arg;
    while (!atomic_load(&s->over))
        if (renameat2(AT_FDCWD, s->folder, AT_FDCWD, s->link, RENAME_EXCHANGE) == 0)
            atomic_fetch_add(&s->swaps, 1);
    return NULL;
}

static pthread_t begin(struct swapper *s, const char *tree)
{
    pthread_t thread;
    snprintf(s->folder, sizeof(s->folder), "%s/folder", tree);
    snprintf(s->link, sizeof(s->link), "%s/zz-link", tree);
    if (pthread_create(&thread, NULL, swap, s) != 0)
        abort();
    return thread;
}

static void nothing_is_written_through_a_link_planted_meanwhile(void)
{
    struct rig rig;
    struct err err = ERR_INIT;
    struct buf archive;
    struct swapper s = {0};
    int written = 0, refused = 0;
    rig_init(&rig);
    CHECK(rig_run(
        &rig,
        "mkdir -p from/folder/deep elsewhere/deep to/folder && ln -s ../elsewhere to/zz-link && "
        "printf x >from/folder/a && printf x >from/folder/deep/b && ln from/folder/a from/folder/c "
        "&& "
        "ln -s /nowhere from/folder/d && chmod 777 from/folder"));
    CHECK(rig_pack_all(&archive, rig.from, &rig_pack, &err));
    pthread_t thread = begin(&s, rig.to);
    for (int i = 0; i < ROUNDS || ((!written || !refused) && i < 100 * ROUNDS); i++) {
        struct err why = ERR_INIT;
        bool ok = rig_unpack_all(&archive, rig.to, 4096, &rig_unpack, &why);
        written += ok;
        refused += !ok;
    }
    atomic_store(&s.over, true);
    pthread_join(thread, NULL);
    CHECK(written > 0);
    CHECK(refused > 0);
    CHECK(atomic_load(&s.swaps) > 0);
    CHECK(rig_run(
        &rig, "test \"$(find elsewhere | sort | tr '\\n' ' ')\" = 'elsewhere elsewhere/deep ' && "
              "test \"$(stat -c %%a elsewhere)\" = 755"));
    buf_done(&archive);
    rig_done(&rig);
}

static void nothing_is_read_through_a_link_planted_meanwhile(void)
{
    struct rig rig;
    struct swapper s = {0};
    rig_init(&rig);
    CHECK(rig_run(&rig, "mkdir -p from/folder elsewhere && ln -s ../elsewhere from/zz-link && "
                        "printf inside >from/folder/a && printf secret >elsewhere/a"));
    pthread_t thread = begin(&s, rig.from);
    int with = 0, secret = 0;
    for (int i = 0; i < ROUNDS || (!with && i < 100 * ROUNDS); i++) {
        struct buf archive;
        struct err why = ERR_INIT;
        rig_pack_all(&archive, rig.from, &rig_pack, &why);
        with += memmem(buf_data(&archive), buf_len(&archive), "inside", 6) != NULL;
        secret += memmem(buf_data(&archive), buf_len(&archive), "secret", 6) != NULL;
        buf_done(&archive);
    }
    atomic_store(&s.over, true);
    pthread_join(thread, NULL);
    CHECK(with > 0);
    CHECK_INT(secret, 0);
    CHECK(atomic_load(&s.swaps) > 0);
    rig_done(&rig);
}

int main(void)
{
    RUN(nothing_is_written_through_a_link_planted_meanwhile);
    RUN(nothing_is_read_through_a_link_planted_meanwhile);
    return check_end();
}
