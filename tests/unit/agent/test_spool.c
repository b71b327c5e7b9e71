/* The spool keeps the newest bytes, exactly, in memory and in its file. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/spool.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/banger-spool-XXXXXX";

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
            block[i] = byte_at(s->total + i);
        spool_append(s, block, piece);
        n -= piece;
    }
}

/* Everything from spool_first to the total reads as written. */
static void check_content(struct spool *s)
{
    uint8_t out[32768];
    uint64_t at = spool_first(s);
    while (at < s->total) {
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
    CHECK_INT(at, s->total);
    CHECK_INT(spool_read(s, s->total, out, sizeof(out)), 0);
}

static void open_pool(struct spool_pool *pool, bool disk)
{
    spool_pool_init(pool);
    if (disk)
        CHECK_INT(spool_pool_use(pool, folder), 0);
}

static void test_short_output_stays_in_memory(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    spool_init(&s, &pool, 0);
    CHECK_INT(s.cap, 0); /* nothing before the first byte */
    append(&s, SPOOL_MEMORY_BYTES);
    CHECK_INT(s.fd, -1);
    CHECK_INT(spool_first(&s), 0);
    check_content(&s);
    spool_done(&s);
    CHECK_INT(pool.memory, 0);
    spool_pool_done(&pool);
}

static void test_long_output_goes_to_the_file(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    spool_init(&s, &pool, 4 << 20);
    append(&s, 3 << 20);
    CHECK(s.fd >= 0);
    CHECK_INT(spool_first(&s), 0);
    check_content(&s);
    spool_done(&s);
    spool_pool_done(&pool);
}

static void test_oldest_goes_beyond_the_limit(void)
{
    static const size_t sizes[] = {1, 4095, 65536, 70001, 131072, 200003, 7};
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    spool_init(&s, &pool, 300 * 1000);
    for (int round = 0; round < 40; round++) {
        append(&s, sizes[round % 7]);
        check_content(&s);
        uint64_t kept = s.total - spool_first(&s);
        CHECK(kept <= s.limit + SPOOL_MEMORY_BYTES);
        CHECK(s.total < s.limit || kept >= s.limit);
    }
    CHECK_STR(spool_gap_reason(&s), "spool_limit");
    spool_done(&s);
    spool_pool_done(&pool);
}

static void test_without_disk_the_tail_is_kept(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, false);
    spool_init(&s, &pool, 0);
    append(&s, 1 << 20);
    CHECK_INT(s.total - spool_first(&s), SPOOL_MEMORY_BYTES);
    check_content(&s);
    spool_done(&s);
}

/* A file that takes no writes is what a full or broken disk looks like. */
static void test_failing_writes_keep_what_they_can(void)
{
    struct spool_pool pool;
    struct spool s;
    open_pool(&pool, true);
    spool_init(&s, &pool, 8 << 20);
    append(&s, 2 << 20);
    int good = s.fd;
    int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(dup2(read_only, good) == good); /* writes fail from now on, and reads give nothing */
    append(&s, 1 << 20);
    close(read_only);
    CHECK_INT(s.total, 3 << 20);
    CHECK(s.total - spool_first(&s) >= SPOOL_MEMORY_BYTES - 70000);
    CHECK_STR(spool_gap_reason(&s), "disk_full");
    uint8_t out[16];
    spool_read(&s, spool_first(&s), out, sizeof(out)); /* reading the broken file drops it, too */
    check_content(&s);
    append(&s, 2 * SPOOL_RETRY_BYTES); /* the disk is tried again */
    CHECK(s.fd >= 0);
    check_content(&s);
    spool_done(&s);
    spool_pool_done(&pool);
}

static void test_small_limits(void)
{
    for (uint64_t limit = 1; limit < 20000; limit = limit * 3 + 1) {
        struct spool_pool pool;
        struct spool s;
        open_pool(&pool, true);
        spool_init(&s, &pool, limit);
        for (int i = 0; i < 50; i++)
            append(&s, 777);
        check_content(&s);
        CHECK(s.total - spool_first(&s) >= (limit < 777 * 50 ? limit : 777 * 50));
        spool_done(&s);
        spool_pool_done(&pool);
    }
}

static void test_settling_gives_memory_back(void)
{
    struct spool_pool pool;
    struct spool a, b;
    open_pool(&pool, true);
    spool_init(&a, &pool, 0);
    spool_init(&b, &pool, 0);
    append(&a, 100);
    append(&b, 1 << 20);
    spool_settle(&a);
    spool_settle(&b);
    CHECK_INT(a.cap, 100);
    CHECK_INT(b.cap, 0);
    CHECK_INT(pool.memory, 0);
    check_content(&a);
    check_content(&b);
    spool_done(&a);
    spool_done(&b);
    spool_pool_done(&pool);
}

static void test_memory_of_all_is_bounded(void)
{
    enum { N = 200 };
    static struct spool all[N];
    struct spool_pool pool;
    open_pool(&pool, true);
    for (int i = 0; i < N; i++) {
        spool_init(&all[i], &pool, 0);
        append(&all[i], 200000);
        CHECK(pool.memory <= SPOOL_POOL_BYTES);
    }
    for (int i = 0; i < N; i++) {
        check_content(&all[i]);
        spool_done(&all[i]);
    }
    CHECK_INT(pool.memory, 0);
    spool_pool_done(&pool);
}

int main(void)
{
    if (!mkdtemp(folder))
        return check_skip("no folder below /tmp");
    RUN(test_short_output_stays_in_memory);
    RUN(test_long_output_goes_to_the_file);
    RUN(test_oldest_goes_beyond_the_limit);
    RUN(test_without_disk_the_tail_is_kept);
    RUN(test_failing_writes_keep_what_they_can);
    RUN(test_small_limits);
    RUN(test_settling_gives_memory_back);
    RUN(test_memory_of_all_is_bounded);
    CHECK_INT(rmdir(folder), 0); /* the files have no names */
    return check_end();
}
