/* Where the last lines begin, in memory, in the file and across both, is what counting from the
 * start finds; and looking costs what the lines are long. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spool.h"
#include "agent/store.h"
#include "agent/tail.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/banger-tail-XXXXXX";

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

/* From the beginning of what is kept, a byte at a time. */
static uint64_t count_forwards(struct spool *s, uint32_t lines)
{
    static uint8_t all[4 << 20];
    uint64_t first = spool_first(s), n = s->k->total - first, starts = 0;
    for (uint64_t at = 0; at < n;)
        at += spool_read(s, first + at, all + at, (size_t)(n - at));
    for (uint64_t i = 0; i < n; i++)
        starts += i == 0 || all[i - 1] == '\n';
    for (uint64_t i = 0, seen = 0; i < n; i++) {
        seen += i == 0 || all[i - 1] == '\n';
        if (starts < lines || seen > starts - lines)
            return first + i;
    }
    return s->k->total;
}

static uint64_t look(struct spool *s, uint32_t lines, size_t *looked)
{
    struct tail t;
    *looked = 0;
    tail_begin(&t, s->k->total, lines);
    while (!tail_step(&t, s, looked))
        continue;
    return t.at;
}

static void check_all(struct spool *s)
{
    static const uint32_t lines[] = {1, 2, 3, 10, 1000, 100000};
    size_t looked;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        uint64_t at = look(s, lines[i], &looked);
        CHECK_INT(at, count_forwards(s, lines[i]));
        CHECK(looked <= s->k->total - at + 2 * TAIL_PIECE_BYTES);
    }
    CHECK_INT(look(s, 0, &looked), s->k->total);
    CHECK_INT(looked, 0);
}

static void fill(struct spool *s, size_t bytes, unsigned longest)
{
    char line[5000];
    memset(line, 'x', sizeof(line));
    while (bytes > 0) {
        size_t n = (size_t)rand() % longest + 1;
        n = n < bytes ? n : bytes;
        line[n - 1] = '\n';
        spool_append(s, line, n);
        line[n - 1] = 'x';
        bytes -= n;
    }
}

static void run(bool disk, uint64_t limit, size_t bytes, unsigned longest)
{
    struct spool_pool pool;
    struct spool s;
    spool_pool_init(&pool, &store);
    if (disk)
        CHECK_INT(spool_pool_use(&pool, folder), 0);
    begin(&s, &pool, limit);
    fill(&s, bytes, longest);
    check_all(&s);
    spool_append(&s, "no newline", 10);
    check_all(&s);
    spool_append(&s, "\n\n\n", 3);
    check_all(&s);
    spool_settle(&s);
    check_all(&s);
    finish(&s);
    spool_pool_done(&pool);
}

static void test_lines_are_found_wherever_they_are(void)
{
    srand(18);
    run(true, 0, 0, 1);
    run(true, 0, 3000, 80);
    run(true, 0, 2 << 20, 80);          /* memory, then the file */
    run(true, 300 * 1024, 2 << 20, 80); /* both wrapped */
    run(true, 300 * 1024, 2 << 20, 5000);
    run(false, 0, 2 << 20, 80); /* memory alone, wrapped */
    run(true, 0, 100000, 1);    /* nothing but newlines */
}

static void test_no_newline_at_all(void)
{
    struct spool_pool pool;
    struct spool s;
    size_t looked;
    static char text[500000];
    memset(text, 'x', sizeof(text));
    spool_pool_init(&pool, &store);
    CHECK_INT(spool_pool_use(&pool, folder), 0);
    begin(&s, &pool, 0);
    spool_append(&s, text, sizeof(text));
    CHECK_INT(look(&s, 1, &looked), 0);
    finish(&s);
    spool_pool_done(&pool);
}

/* What is looked for falls out of the spool meanwhile. */
static void test_the_spool_moves_on(void)
{
    struct spool_pool pool;
    struct spool s;
    struct tail t;
    size_t looked = 0;
    spool_pool_init(&pool, &store);
    CHECK_INT(spool_pool_use(&pool, folder), 0);
    begin(&s, &pool, 300 * 1024);
    fill(&s, 1 << 20, 80);
    tail_begin(&t, s.k->total, 100000);
    CHECK(!tail_step(&t, &s, &looked));
    fill(&s, 200 * 1024, 80);
    while (!tail_step(&t, &s, &looked))
        continue;
    CHECK_INT(t.at, spool_first(&s));
    tail_begin(&t, s.k->total, 100000);
    uint64_t end = s.k->total;
    fill(&s, 1 << 20, 80);
    while (!tail_step(&t, &s, &looked))
        continue;
    CHECK_INT(t.at, end); /* all of it has gone: the reader is told of a gap from there */
    finish(&s);
    spool_pool_done(&pool);
}

int main(void)
{
    if (!mkdtemp(folder))
        return check_skip("no folder below /tmp");
    if (!CHECK_INT(store_make(&store), 0))
        return check_end();
    RUN(test_lines_are_found_wherever_they_are);
    RUN(test_no_newline_at_all);
    RUN(test_the_spool_moves_on);
    CHECK_INT(rmdir(folder), 0);
    store_done(&store);
    return check_end();
}
