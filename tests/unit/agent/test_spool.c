/* The spool keeps the newest bytes, exactly, in memory and in its file. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"
#include "agent/store.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/banger-spool-XXXXXX";

static struct store store; /* has the memory of all */
static struct spool_kept spools[STORE_SLOTS];

/* A spool in a slot of its own. */
static void begin(struct spool *s, struct spool_pool *pool, uint64_t limit)
{
    int slot = store_take(&store);
    CHECK(slot >= 0);
    spool_init(s, pool, (uint32_t)slot, 0, &spools[slot], limit, false);
}

static void finish(struct spool *s)
{
    spool_done(s);
    store_free(&store, s->slot);
}

/* The byte at an offset; any misplaced read shows. */
static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 31 + offset / 251);
}

static void append(struct spool *s, size_t n)
{
    uint8_t block[70000];
    while (n > 0) {
        size_t piece = n < sizeof(block) ? n : sizeof(block);
        for (size_t i = 0; i < piece; i++)
            block[i] = byte_at(s->k->total + i);
        spool_append(s, block, piece);
        n -= piece;
    }
}

/* Everything from spool_first to the total reads as written. */
static void check_content(struct spool *s)
{
    uint8_t out[32768];
    uint64_t at = spool_first(s);
    while (at < s->k->total) {
        size_t n = spool_read(s, at, out, sizeof(out));
        if (!CHECK(n > 0))
            return;
        for (size_t i = 0; i < n; i++)
            if (out[i] != byte_at(at + i)) {
                CHECK_INT(out[i], byte_at(at + i));
                return;
            }
        at += n;
    }
    CHECK_INT(at, s->k->total);
    CHECK_INT(spool_read(s, s->k->total, out, sizeof(out)), 0);
}

static void open_pool(struct spool_pool *pool, bool disk)
{
    spool_pool_init(pool, &store);
    if (disk)
        CHECK_INT(spool_pool_use(pool, folder), 0);
}

static void test_short_output_stays_in_memory(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    begin(&s, &pool, 0);
    CHECK_INT(s.k->cap, 0); /* nothing before the first byte */
    append(&s, SPOOL_MEMORY_BYTES);
    CHECK_INT(s.fd, -1);
    CHECK_INT(spool_first(&s), 0);
    check_content(&s);
    finish(&s);
    CHECK_INT(pool.memory, 0);
    spool_pool_done(&pool);
}

static void test_long_output_goes_to_the_file(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    begin(&s, &pool, 4 << 20);
    append(&s, 3 << 20);
    CHECK(s.fd >= 0);
    CHECK_INT(spool_first(&s), 0);
    check_content(&s);
    finish(&s);
    spool_pool_done(&pool);
}

static void test_oldest_goes_beyond_the_limit(void)
{
    static const size_t sizes[] = {1, 4095, 65536, 70001, 131072, 200003, 7};
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    begin(&s, &pool, 300 * 1000);
    for (int round = 0; round < 40; round++) {
        append(&s, sizes[round % 7]);
        check_content(&s);
        uint64_t kept = s.k->total - spool_first(&s);
        CHECK(kept <= s.k->limit + SPOOL_MEMORY_BYTES);
        CHECK(s.k->total < s.k->limit || kept >= s.k->limit);
    }
    CHECK_STR(spool_gap_reason(&s), "spool_limit");
    finish(&s);
    spool_pool_done(&pool);
}

static void begin_brief(struct spool *s, struct spool_pool *pool)
{
    begin(s, pool, 0);
    spool_init(s, pool, s->slot, 0, s->k, 0, true);
}

/* Wherever in the ring it is when it gets a larger one; and the next agent finds it there. */
static void test_what_is_taken_needs_no_file(void)
{
    for (size_t before = 0; before < 2 * SPOOL_MEMORY_BYTES; before += 50001) {
        struct spool_pool pool;
        struct spool s;
        open_pool(&pool, true);
        begin_brief(&s, &pool);
        append(&s, before);
        uint64_t taken = before < 1000 ? 0 : before - 1000;
        CHECK(spool_room(&s, taken) > 0);
        while (spool_room(&s, taken) > 0) {
            append(&s, spool_room(&s, taken) < 4096 ? spool_room(&s, taken) : 4096);
            CHECK(spool_first(&s) <= taken);
        }
        CHECK_INT(s.k->total - taken, SPOOL_WIDE_BYTES);
        CHECK_INT(s.fd, -1);
        check_content(&s);
        CHECK_INT(spool_room(&s, taken + 5000), 5000);
        append(&s, 5000);
        check_content(&s);
        CHECK_INT(spool_first(&s), taken + 5000);
        CHECK_STR(spool_gap_reason(&s), "spool_limit");
        spool_settle(&s);
        check_content(&s);
        finish(&s);
        CHECK_INT(pool.memory, 0);
        spool_pool_done(&pool);
    }
}

/* Then it goes on with what it has. */
static void test_a_larger_ring_is_of_the_same_memory(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    begin_brief(&s, &pool);
    pool.memory = SPOOL_POOL_BYTES - SPOOL_MEMORY_BYTES;
    while (spool_room(&s, 0) > 0)
        append(&s, spool_room(&s, 0) < 4096 ? spool_room(&s, 0) : 4096);
    CHECK_INT(s.k->total, SPOOL_MEMORY_BYTES);
    CHECK_INT(s.fd, -1);
    check_content(&s);
    finish(&s);
    spool_pool_done(&pool);
}

static void test_without_disk_the_tail_is_kept(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, false);
    begin(&s, &pool, 0);
    append(&s, 1 << 20);
    CHECK_INT(s.k->total - spool_first(&s), SPOOL_MEMORY_BYTES);
    check_content(&s);
    finish(&s);
}

/* A file that takes no writes is what a full or broken disk looks like. */
static void test_failing_writes_keep_what_they_can(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    begin(&s, &pool, 8 << 20);
    append(&s, 2 << 20);
    int good = s.fd;
    int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(dup2(read_only, good) == good); /* writes fail from now on, and reads give nothing */
    append(&s, 1 << 20);
    close(read_only);
    CHECK_INT(s.k->total, 3 << 20);
    CHECK(s.k->total - spool_first(&s) >= SPOOL_MEMORY_BYTES - 70000);
    CHECK_STR(spool_gap_reason(&s), "disk_full");
    uint8_t out[16];
    spool_read(&s, spool_first(&s), out, sizeof(out)); /* reading the broken file drops it, too */
    check_content(&s);
    append(&s, 2 * SPOOL_RETRY_BYTES); /* the disk is tried again */
    CHECK(s.fd >= 0);
    check_content(&s);
    finish(&s);
    spool_pool_done(&pool);
}

static void test_small_limits(void)
{
    for (uint64_t limit = 1; limit < 20000; limit = limit * 3 + 1) {
        struct spool_pool pool;
        struct spool s;
        open_pool(&pool, true);
        begin(&s, &pool, limit);
        for (int i = 0; i < 50; i++)
            append(&s, 777);
        check_content(&s);
        CHECK(s.k->total - spool_first(&s) >= (limit < 777 * 50 ? limit : 777 * 50));
        finish(&s);
        spool_pool_done(&pool);
    }
}

static void test_settling_gives_memory_back(void)
{
    struct spool_pool pool;
    struct spool a, b;
    open_pool(&pool, true);
    begin(&a, &pool, 0);
    begin(&b, &pool, 0);
    append(&a, 100);
    append(&b, 1 << 20);
    spool_settle(&a);
    spool_settle(&b);
    CHECK_INT(a.k->cap, 100);
    CHECK_INT(b.k->cap, 0);
    CHECK_INT(pool.memory, 0);
    check_content(&a);
    check_content(&b);
    finish(&a);
    finish(&b);
    spool_pool_done(&pool);
}

static void test_memory_of_all_is_bounded(void)
{
    enum { N = 200 };
    static struct spool all[N];
    struct spool_pool pool;
    open_pool(&pool, true);
    for (int i = 0; i < N; i++) {
        begin(&all[i], &pool, 0);
        append(&all[i], 200000);
        CHECK(pool.memory <= SPOOL_POOL_BYTES);
    }
    for (int i = 0; i < N; i++) {
        check_content(&all[i]);
        finish(&all[i]);
    }
    CHECK_INT(pool.memory, 0);
    spool_pool_done(&pool);
}

int main(void)
{
    if (!mkdtemp(folder))
        return check_skip("no folder below /tmp");
    if (!CHECK_INT(store_make(&store), 0))
        return check_end();
    RUN(test_short_output_stays_in_memory);
    RUN(test_long_output_goes_to_the_file);
    RUN(test_oldest_goes_beyond_the_limit);
    RUN(test_what_is_taken_needs_no_file);
    RUN(test_a_larger_ring_is_of_the_same_memory);
    RUN(test_without_disk_the_tail_is_kept);
    RUN(test_failing_writes_keep_what_they_can);
    RUN(test_small_limits);
    RUN(test_settling_gives_memory_back);
    RUN(test_memory_of_all_is_bounded);
    CHECK_INT(rmdir(folder), 0); /* the files have no names */
    store_done(&store);
    return check_end();
}
