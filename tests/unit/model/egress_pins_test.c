/* What answers open, to which ports, for how long, and who makes room. */
#include <stdlib.h>

#include "daemon/model/egress.h"
#include "daemon/model/egress_pins.h"
#include "tests/support/check.h"

enum { WEB = 1, OTHER_WEB = 2, OLD = 4, IDLE_MS = EGRESS_PIN_IDLE_S * 1000 };

static struct egress_names names;
static struct egress_pins pins;
static uint32_t gone[EGRESS_PINS_MAX];

static void begin(void)
{
    static const char *const texts[] = {"a.example:443", "b.example:443", "*.old.example"};
    pins.n = 0;
    names.n = 3;
    for (uint32_t i = 0; i < names.n; i++)
        CHECK_INT(egress_name_parse(texts[i], &names.at[i], NULL), 0);
}

#define BEGINS(port, now)  egress_pins_allow(&pins, &names, 7, EGRESS_TCP, port, true, now)
#define GOES_ON(port, now) egress_pins_allow(&pins, &names, 7, EGRESS_TCP, port, false, now)

static void test_how_long_an_answer_is_open(void)
{
    CHECK_INT(egress_pin_seconds(0), EGRESS_PIN_MIN_S + EGRESS_PIN_GRACE_S);
    CHECK_INT(egress_pin_seconds(300), 300 + EGRESS_PIN_GRACE_S);
    CHECK_INT(egress_pin_seconds(UINT32_MAX), EGRESS_PIN_MAX_S + EGRESS_PIN_GRACE_S);
}

static void test_nothing_begins_after_the_end_and_what_there_is_goes_on(void)
{
    begin();
    CHECK(!BEGINS(443, 1000));
    egress_pins_add(&pins, 7, WEB, 5000);
    CHECK(BEGINS(443, 4999));
    CHECK(!BEGINS(22, 4999));
    CHECK(!BEGINS(443, 5000));
    CHECK(GOES_ON(443, 5000));
    CHECK(!GOES_ON(22, 5000));
    CHECK(GOES_ON(443, 5000 + IDLE_MS - 1));
    CHECK(GOES_ON(443, 5000 + IDLE_MS + 5000)); /* used just before */
    CHECK(!GOES_ON(443, 5000 + 2 * (int64_t)IDLE_MS + 5000));
}

/* Two names at one address: each has its own end. */
static void test_a_name_ends_by_itself(void)
{
    begin();
    egress_pins_add(&pins, 7, WEB, 4200000);
    egress_pins_add(&pins, 7, OTHER_WEB, 660000);
    CHECK(egress_pins_open(&pins, 7, WEB, 4200000));
    CHECK(egress_pins_open(&pins, 7, OTHER_WEB, 660000));
    CHECK(!egress_pins_open(&pins, 7, OTHER_WEB, 660001));
    CHECK(!egress_pins_open(&pins, 7, WEB | OTHER_WEB, 660001));
    CHECK(!egress_pins_open(&pins, 8, WEB, 0));
    egress_pins_add(&pins, 7, OTHER_WEB, 500000); /* never shorter */
    CHECK(egress_pins_open(&pins, 7, WEB | OTHER_WEB, 660000));
}

static void test_the_ports_of_a_name_do_not_outlive_its_answers(void)
{
    begin();
    egress_pins_add(&pins, 7, OLD, 1000);
    CHECK(BEGINS(22, 500));
    for (int64_t now = 500; now < 4 * (int64_t)IDLE_MS; now += 60000) {
        egress_pins_add(&pins, 7, WEB, now + 70000);
        CHECK(BEGINS(443, now) && GOES_ON(443, now));
    }
    CHECK(!BEGINS(22, 1000));
    CHECK(!GOES_ON(22, 4 * (int64_t)IDLE_MS)); /* though the address is used all the time */
    CHECK(BEGINS(443, 4 * (int64_t)IDLE_MS));
}

static void fill(int64_t first_end_ms)
{
    begin();
    for (uint32_t i = 1; i <= EGRESS_PINS_MAX; i++)
        egress_pins_add(&pins, i, WEB, first_end_ms + i);
}

static void test_the_one_that_would_end_first_makes_room(void)
{
    const uint32_t one = 1000, there = 3;
    fill(10000);
    CHECK_INT(egress_pins_make_room(&pins, &there, 1, 0, gone), 0); /* has its place */
    CHECK_INT(egress_pins_make_room(&pins, &one, 1, 0, gone), 1);
    CHECK_INT(gone[0], 1);
    CHECK_INT(pins.n, EGRESS_PINS_MAX - 1);
    CHECK(!egress_pins_open(&pins, 1, WEB, 0));
    egress_pins_add(&pins, one, WEB, 20000);
    CHECK(egress_pins_open(&pins, 1000, WEB, 20000));
    const uint32_t next = 1001;
    CHECK_INT(egress_pins_make_room(&pins, &next, 1, 10003, gone), 0); /* that was over anyway */
    CHECK(!egress_pins_open(&pins, 2, WEB, 0));
    CHECK_INT(pins.n, EGRESS_PINS_MAX - 1);
}

/* What is renewed beside it is what would end first; a connection that is used ends later. */
static void test_nothing_of_an_answer_makes_room_for_the_rest_of_it(void)
{
    const uint32_t answer[] = {1000, 1, 2, 1001};
    fill(10000);
    CHECK(egress_pins_allow(&pins, &names, 3, EGRESS_TCP, 443, true, 5000));
    CHECK_INT(egress_pins_make_room(&pins, answer, 4, 6000, gone), 2);
    CHECK_INT(gone[0], 4);
    CHECK_INT(gone[1], 5);
    for (size_t i = 0; i < 4; i++)
        egress_pins_add(&pins, answer[i], WEB, 30000);
    CHECK_INT(pins.n, EGRESS_PINS_MAX);
    for (size_t i = 0; i < 4; i++)
        CHECK(egress_pins_open(&pins, answer[i], WEB, 30000));
}

int main(void)
{
    RUN(test_how_long_an_answer_is_open);
    RUN(test_nothing_begins_after_the_end_and_what_there_is_goes_on);
    RUN(test_a_name_ends_by_itself);
    RUN(test_the_ports_of_a_name_do_not_outlive_its_answers);
    RUN(test_the_one_that_would_end_first_makes_room);
    RUN(test_nothing_of_an_answer_makes_room_for_the_rest_of_it);
    return check_end();
}
