/* A clock that is set forward deletes nothing; one that is right again is believed. */
#include "daemon/core/supervise/expiry_clock.h"
#include "tests/support/check.h"

#define S ((int64_t)1000000000)

enum { DAY = 24 * 3600 };

static void test_an_even_clock_is_believed(void)
{
    struct expiry_clock c = {0};
    for (int64_t t = 0; t < 10 * DAY; t += 60)
        CHECK_INT(expiry_clock_now(&c, (1000000 + t) * S, (50 + t) * S), (1000000 + t) * S);
    CHECK(!c.doubted);
}

static void test_a_clock_that_drifts_is_believed(void)
{
    struct expiry_clock c = {0};
    for (int64_t t = 0; t < 1000; t++) /* 10 s more a minute: a day in all */
        CHECK_INT(expiry_clock_now(&c, 70 * t * S, 60 * t * S), 70 * t * S);
    CHECK(!c.doubted);
}

static void test_a_jump_forward_waits_until_it_has_stood(void)
{
    struct expiry_clock c = {0};
    expiry_clock_now(&c, 1000 * S, 100 * S);
    for (int64_t t = 1; t <= 600; t++) {
        CHECK_INT(expiry_clock_now(&c, (1000 + t + DAY) * S, (100 + t) * S), (1000 + t) * S);
        CHECK(c.doubted);
    }
    CHECK_INT(expiry_clock_now(&c, (1000 + 601 + DAY) * S, (100 + 601) * S),
              (1000 + 601 + DAY) * S);
    CHECK(!c.doubted);
}

static void test_a_jump_that_is_taken_back_was_none(void)
{
    struct expiry_clock c = {0};
    expiry_clock_now(&c, 1000 * S, 100 * S);
    expiry_clock_now(&c, (1010 + DAY) * S, 110 * S);
    CHECK_INT(expiry_clock_now(&c, 1020 * S, 120 * S), 1020 * S);
    CHECK(!c.doubted);
    /* The next one is doubted for as long again, from its own beginning. */
    CHECK_INT(expiry_clock_now(&c, (1030 + DAY) * S, 130 * S), 1030 * S);
    CHECK_INT(expiry_clock_now(&c, (1000 + 650 + DAY) * S, 750 * S), (1000 + 650 + DAY) * S);
}

static void test_jump_upon_jump_begins_anew(void)
{
    struct expiry_clock c = {0};
    expiry_clock_now(&c, 1000 * S, 100 * S);
    expiry_clock_now(&c, (1010 + DAY) * S, 110 * S);
    expiry_clock_now(&c, (1400 + 2 * DAY) * S, 500 * S);
    CHECK_INT(expiry_clock_now(&c, (1650 + 2 * DAY) * S, 750 * S), 1650 * S);
    CHECK_INT(expiry_clock_now(&c, (2000 + 2 * DAY) * S, 1100 * S), (2000 + 2 * DAY) * S);
}

static void test_a_jump_back_is_believed_at_once(void)
{
    struct expiry_clock c = {0};
    expiry_clock_now(&c, (10 * DAY) * S, 100 * S);
    CHECK_INT(expiry_clock_now(&c, DAY * S, 110 * S), DAY * S);
    CHECK(!c.doubted);
}

/* The host slept: both clocks went on. */
static void test_a_sleep_is_no_jump(void)
{
    struct expiry_clock c = {0};
    expiry_clock_now(&c, 1000 * S, 100 * S);
    CHECK_INT(expiry_clock_now(&c, (1000 + DAY) * S, (100 + DAY) * S), (1000 + DAY) * S);
}

/* A daemon starts: the database knows of a time, the host's clock says another. */

static void test_at_the_start_a_clock_that_agrees_is_believed(void)
{
    struct expiry_clock c = {0};
    expiry_clock_seed(&c, 1000 * S, (1000 + DAY) * S, 100 * S);
    CHECK(!c.doubted);
    CHECK_INT(expiry_clock_now(&c, (1010 + DAY) * S, 110 * S), (1010 + DAY) * S);
    struct expiry_clock back = {0}, none = {0};
    expiry_clock_seed(&back, 10 * DAY * S, DAY * S, 100 * S);
    CHECK_INT(expiry_clock_now(&back, (DAY + 1) * S, 101 * S), (DAY + 1) * S);
    expiry_clock_seed(&none, 0, 10 * DAY * S, 100 * S); /* a new database */
    CHECK_INT(expiry_clock_now(&none, 10 * DAY * S, 100 * S), 10 * DAY * S);
}

static void test_at_the_start_a_clock_far_ahead_waits_until_it_has_stood(void)
{
    struct expiry_clock c = {0};
    expiry_clock_seed(&c, 1000 * S, (1001 + DAY) * S, 100 * S);
    CHECK(c.doubted);
    for (int64_t t = 0; t < 600; t++)
        CHECK_INT(expiry_clock_now(&c, (1001 + DAY + t) * S, (100 + t) * S), (1000 + t) * S);
    CHECK_INT(expiry_clock_now(&c, (1001 + DAY + 600) * S, (100 + 600) * S),
              (1001 + DAY + 600) * S);
    CHECK(!c.doubted);
}

static void test_at_the_start_a_clock_far_ahead_may_be_put_right(void)
{
    struct expiry_clock c = {0};
    expiry_clock_seed(&c, 1000 * S, (1001 + 30 * DAY) * S, 100 * S);
    CHECK_INT(expiry_clock_now(&c, (1011 + 30 * DAY) * S, 110 * S), 1010 * S);
    CHECK_INT(expiry_clock_now(&c, 1030 * S, 120 * S), 1030 * S);
    CHECK(!c.doubted);
}

int main(void)
{
    RUN(test_an_even_clock_is_believed);
    RUN(test_a_clock_that_drifts_is_believed);
    RUN(test_a_jump_forward_waits_until_it_has_stood);
    RUN(test_a_jump_that_is_taken_back_was_none);
    RUN(test_jump_upon_jump_begins_anew);
    RUN(test_a_jump_back_is_believed_at_once);
    RUN(test_a_sleep_is_no_jump);
    RUN(test_at_the_start_a_clock_that_agrees_is_believed);
    RUN(test_at_the_start_a_clock_far_ahead_waits_until_it_has_stood);
    RUN(test_at_the_start_a_clock_far_ahead_may_be_put_right);
    return check_end();
}
