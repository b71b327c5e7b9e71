/* What the index says of times holds for every byte of a long run, in few marks; and is exact to a
 * step for what is recent. */
#include <stdlib.h>

#include "agent/time_index.h"
#include "tests/support/check.h"

enum { WRITES = 20000 };

#define MS 1000000ll

static struct {
    uint64_t offset;
    int64_t ns;
} written[WRITES];

static uint64_t total;

/* Bursts and pauses, from a fixed seed. */
static void fill(struct time_index *x, unsigned n, unsigned seed)
{
    int64_t now = 1700000000ll * 1000 * MS;
    srand(seed);
    total = 0;
    for (unsigned i = 0; i < n; i++) {
        now += rand() % 100 == 0 ? rand() % 5000 * MS : rand() % 60 * MS;
        written[i].offset = total;
        written[i].ns = now;
        time_index_note(x, total, 0, now);
        total += (unsigned)rand() % 5000 + 1;
    }
}

/* The first byte written at ns or later, and the first behind it: by looking at all. */
static uint64_t exact(int64_t ns, bool behind, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (behind ? written[i].ns > ns : written[i].ns >= ns)
            return written[i].offset;
    return total;
}

/* Of the time that lies in the answer and should not, the longest. */
static int64_t check_all(const struct time_index *x, unsigned n, unsigned from)
{
    int64_t worst = 0;
    for (unsigned i = from; i < n; i += 7) {
        int64_t ns = written[i].ns;
        uint64_t since = time_index_since(x, ns, total), until = time_index_until(x, ns, total);
        uint64_t end;
        if (!CHECK(since <= exact(ns, false, n)) || !CHECK(until >= exact(ns, true, n)))
            break;
        int64_t at = time_index_at(x, written[i].offset, &end);
        CHECK(at > 0 && at <= ns && end > written[i].offset);
        for (unsigned k = 0; k < n; k++)
            if (written[k].offset == since && ns - written[k].ns > worst)
                worst = ns - written[k].ns;
        worst = ns - at > worst ? ns - at : worst;
    }
    return worst;
}

static void test_nothing_is_missed_and_recent_times_are_exact(void)
{
    for (unsigned seed = 1; seed < 6; seed++) {
        struct time_index x = {0};
        fill(&x, WRITES, seed);
        CHECK(x.n <= TIME_INDEX_MARKS);
        check_all(&x, WRITES, 0);
        CHECK(check_all(&x, WRITES, WRITES - 200) <= TIME_INDEX_STEP_MS * MS);
        time_index_settle(&x);
        CHECK(x.n <= TIME_INDEX_ENDED_MARKS && x.room == x.n);
        check_all(&x, WRITES, 0);
        time_index_done(&x);
    }
}

static void test_before_and_behind_all_of_it(void)
{
    struct time_index x = {0};
    uint64_t end;
    CHECK_INT(time_index_since(&x, 1, 0), 0);
    CHECK_INT(time_index_until(&x, 1, 0), 0);
    CHECK_INT(time_index_at(&x, 0, &end), 0);
    time_index_settle(&x);
    fill(&x, 10, 1);
    CHECK_INT(time_index_since(&x, 1, total), 0);
    CHECK_INT(time_index_until(&x, 1, total), 0);
    CHECK_INT(time_index_since(&x, INT64_MAX, total), total);
    CHECK_INT(time_index_until(&x, INT64_MAX, total), total);
    time_index_done(&x);
}

/* A host's clock that was set back makes nothing earlier than what came before it. */
static void test_a_clock_that_goes_back(void)
{
    struct time_index x = {0};
    time_index_note(&x, 0, 0, 1000 * MS);
    time_index_note(&x, 10, 0, 2000 * MS);
    time_index_note(&x, 20, 0, 500 * MS);
    CHECK_INT(time_index_since(&x, 1500 * MS, 30), 10);
    CHECK_INT(time_index_until(&x, 1500 * MS, 30), 10);
    CHECK_INT(time_index_since(&x, 2500 * MS, 30), 30);
    time_index_done(&x);
}

/* Marks of bytes that are gone make room before any is thinned. */
static void test_what_is_gone_goes_first(void)
{
    struct time_index x = {0};
    for (unsigned i = 0; i < 4 * TIME_INDEX_MARKS; i++)
        time_index_note(&x, i, i > 100 ? i - 100 : 0, (int64_t)(i + 1) * 1000 * MS);
    for (unsigned i = 4 * TIME_INDEX_MARKS - 100; i < 4 * TIME_INDEX_MARKS; i++)
        CHECK_INT(time_index_since(&x, (int64_t)(i + 1) * 1000 * MS, 4 * TIME_INDEX_MARKS), i);
    time_index_done(&x);
}

int main(void)
{
    RUN(test_nothing_is_missed_and_recent_times_are_exact);
    RUN(test_before_and_behind_all_of_it);
    RUN(test_a_clock_that_goes_back);
    RUN(test_what_is_gone_goes_first);
    return check_end();
}
